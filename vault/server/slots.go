package server

import (
	"net"
	"sync"
	"time"
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

// take waits for room. While there is none makeRoom is called now and then; what
// it closes gives its place back. The error is net.ErrClosed once the listener is
// closed: a full one could not be shut down otherwise.
func (s *slots) take(makeRoom func()) error {
	for {
		if len(s.room) == cap(s.room) {
			makeRoom()
		}
		select {
		case s.room <- struct{}{}:
			return nil
		case <-s.closed:
			return net.ErrClosed
		case <-time.After(lookForRoom):
		}
	}
}

func (s *slots) giveBack() { <-s.room }

func (s *slots) close() { s.once.Do(func() { close(s.closed) }) }
