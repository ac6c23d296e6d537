package server

import (
	"net"
	"runtime"

	"github.com/agent-secret-store/assd/vault"
)

// MaxPerSource is how many connections one source has at once.
const MaxPerSource = maxPerSource

// MinIdle is how long a connection is idle before it may be closed to make room.
const MinIdle = minIdle

// OriginOf is where a connection comes from.
func OriginOf(c net.Conn) vault.Origin { return originOf(c) }

// Fill takes all the room that a listener for TLS has left, but for what Accept
// keeps for the next, and returns what gives one place back.
func Fill(l net.Listener) (free func()) {
	slots := l.(*remoteListener).slots.room
	for len(slots) == 0 { // Accept has not been called yet
		runtime.Gosched()
	}
	for len(slots) < cap(slots) {
		slots <- struct{}{}
	}
	return func() { <-slots }
}

// FillSocket takes all the room of a Unix socket that nobody accepts on yet.
func FillSocket(l net.Listener) {
	s := l.(*localListener).slots
	for range cap(s.room) {
		s.room <- struct{}{}
	}
}

// Room is how much room l has, and how many sources are connected.
func Room(l net.Listener) (free, sources int) {
	r := l.(*remoteListener)
	r.mu.Lock()
	defer r.mu.Unlock()
	return cap(r.slots.room) - len(r.slots.room), len(r.perSource)
}

// SourceOf is what a connection is counted by.
func SourceOf(c net.Conn) string { return sourceOf(c).String() }
