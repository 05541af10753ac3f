package exporter

import "sync"

// mail carries results of finished work to the goroutine of a partition. Posting never blocks; it holds at most one message a piece of
// work that the partition has started, and that is bounded.
type mail struct {
	mu   sync.Mutex
	box  []func()
	bell chan struct{}
}

func newMail() *mail { return &mail{bell: make(chan struct{}, 1)} }

// post adds a message, to be run by the owner.
func (m *mail) post(f func()) {
	m.mu.Lock()
	m.box = append(m.box, f)
	m.mu.Unlock()
	select {
	case m.bell <- struct{}{}:
	default:
	}
}

// take returns and removes all messages.
func (m *mail) take() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	box := m.box
	m.box = nil
	return box
}
