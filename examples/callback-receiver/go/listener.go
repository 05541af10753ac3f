package main

import (
	"net"
	"sync"
)

const maxConnections = 256

// boundedListener accepts at most as many connections as slots has room for; the others wait in the system's queue.
type boundedListener struct {
	net.Listener
	slots chan struct{}
}

// Accept waits for a free slot and a connection.
func (l *boundedListener) Accept() (net.Conn, error) {
	l.slots <- struct{}{}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &boundedConn{Conn: conn, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

type boundedConn struct {
	net.Conn
	release func()
}

// Close also frees the slot.
func (c *boundedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
