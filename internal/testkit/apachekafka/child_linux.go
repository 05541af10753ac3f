package apachekafka

import "syscall"

// childAttributes keep a broker out of reach of the terminal's Ctrl-C, and end it when this process is killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
