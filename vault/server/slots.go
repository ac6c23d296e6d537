package server

import (
	"net"
	"sync"
)

// slots is room for so many connections of one listener.
type slots struct {
	room   chan struct{}
	once   sync.Once
	closed chan struct{}
}

func newSlots(n int) *slots {
	return &slots{room: make(chan struct{}, n), closed: make(chan struct{})}
}

// take waits for room. It is net.ErrClosed once the listener is closed: a full
// one could not be shut down otherwise.
func (s *slots) take() error {
	select {
	case s.room <- struct{}{}:
		return nil
	case <-s.closed:
		return net.ErrClosed
	}
}

func (s *slots) giveBack() { <-s.room }

func (s *slots) close() { s.once.Do(func() { close(s.closed) }) }
