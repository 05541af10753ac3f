package devstack

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// errNoLibrary is the answer on platforms for which no ClickHouse library is fetched.
var errNoLibrary = errors.New("the fetched ClickHouse runs only on linux/amd64 with glibc: set CLICKHOUSE_BIN to a clickhouse binary, or CLICKHOUSE_ADDR to a server")

// program is what the child runs: a binary or the library.
type program struct{ binary, library string }

// findProgram takes the binary of the config, else `clickhouse` on PATH, else the fetched library.
func findProgram(cfg ClickHouseConfig) (program, error) {
	name := cfg.Binary
	if name == "" {
		name = "clickhouse"
	}
	binary, err := exec.LookPath(name)
	if err == nil {
		binary, err = filepath.Abs(binary)
		return program{binary: binary}, err
	}
	if cfg.Binary != "" {
		return program{}, fmt.Errorf("CLICKHOUSE_BIN: %w", err)
	}
	library, err := Library(cfg.CacheDir)
	return program{library: library}, err
}

func (p program) name() string {
	if p.binary != "" {
		return p.binary
	}
	return p.library
}

// args is the argument vector. The library is `clickhouse local`, which listens while its query reads an input that does
// not end; it opens the native port first, so that an answer over HTTP means both.
func (p program) args(cfg ClickHouseConfig) []string {
	config := filepath.Join(cfg.DataDir, "config.xml")
	if p.binary != "" {
		return []string{"clickhouse", "server", "--config-file=" + config}
	}
	return []string{
		"clickhouse", "--config-file=" + config, "--log-level=warning", "--path=" + dataPath(cfg), "--listen_host=127.0.0.1",
		fmt.Sprintf("--tcp_port=%d", cfg.TCPPort), fmt.Sprintf("--http_port=%d", cfg.HTTPPort), "--query",
		"SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; SELECT count() FROM file('/dev/stdin', 'LineAsString', 'l String') FORMAT Null",
	}
}

func dataPath(cfg ClickHouseConfig) string { return filepath.Join(cfg.DataDir, "data") + "/" }

// serverConfig is the config.xml that both forms of the server read.
type serverConfig struct {
	XMLName    xml.Name `xml:"clickhouse"`
	Path       string   `xml:"path"`
	ListenHost string   `xml:"listen_host"`
	TCPPort    int      `xml:"tcp_port"`
	HTTPPort   int      `xml:"http_port"`
	Memory     uint64   `xml:"max_server_memory_usage"`
	MarkCache  int      `xml:"mark_cache_size"`
	Timezone   string   `xml:"timezone"`
	FsyncPart  bool     `xml:"merge_tree>fsync_after_insert"`
	FsyncDir   bool     `xml:"merge_tree>fsync_part_directory"`
	Level      string   `xml:"logger>level"`
	Log        string   `xml:"logger>log"`
	ErrorLog   string   `xml:"logger>errorlog"`
	Size       string   `xml:"logger>size"`
	Count      int      `xml:"logger>count"`
	UsersXML   string   `xml:"user_directories>users_xml>path"`
	Profile    struct{} `xml:"profiles>default"`
	Password   string   `xml:"users>default>password"`
	UserProf   string   `xml:"users>default>profile"`
	UserQuota  string   `xml:"users>default>quota"`
	Network    string   `xml:"users>default>networks>ip"`
	Access     int      `xml:"users>default>access_management"`
	Quota      struct{} `xml:"quotas>default"`
}

// writeServerConfig writes config.xml. Logs are warnings and worse, at most 3 files of 10 MB.
func writeServerConfig(cfg ClickHouseConfig) error {
	path := filepath.Join(cfg.DataDir, "config.xml")
	body, err := xml.MarshalIndent(serverConfig{
		Path: dataPath(cfg), ListenHost: "127.0.0.1", TCPPort: cfg.TCPPort, HTTPPort: cfg.HTTPPort,
		Memory: cfg.MemoryBytes, MarkCache: 256 << 20, Timezone: "UTC", FsyncPart: cfg.Fsync, FsyncDir: cfg.Fsync,
		Level: "warning", Log: filepath.Join(cfg.DataDir, "clickhouse.log"), ErrorLog: filepath.Join(cfg.DataDir, "clickhouse.err.log"),
		Size: "10M", Count: 2, UsersXML: path, UserProf: "default", UserQuota: "default", Network: "127.0.0.1", Access: 1,
	}, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(body, '\n'), 0o600)
}

// choosePorts fills the ports that are 0 and checks that the others are free.
func choosePorts(cfg *ClickHouseConfig) error {
	free, err := FreePorts(2)
	if err != nil {
		return err
	}
	for i, p := range []struct {
		port    *int
		setting string
	}{{&cfg.TCPPort, "EMBEDDED_CLICKHOUSE_TCP_PORT"}, {&cfg.HTTPPort, "EMBEDDED_CLICKHOUSE_HTTP_PORT"}} {
		if *p.port == 0 {
			*p.port = free[i]
			continue
		}
		l, err := net.Listen("tcp", loopback(*p.port))
		if err != nil {
			return fmt.Errorf("port %d is taken, set %s to another: %w", *p.port, p.setting, err)
		}
		l.Close()
	}
	return nil
}
