package server

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// idle is the connections of a listener that have no request under way: none whose
// head has come whole, over HTTP/2 no stream. They may be closed to make room, so
// that who only keeps connections does not keep others out.
type idle struct {
	mu    sync.Mutex
	since map[*remoteConn]time.Time
}

func newIdle() *idle { return &idle{since: map[*remoteConn]time.Time{}} }

// noteState is told by net/http what becomes of a connection, HTTP/2 or not.
func noteState(c net.Conn, state http.ConnState) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if r, ok := c.(*remoteConn); ok {
		r.idle.note(r, state)
	}
}

func (i *idle) note(c *remoteConn, state http.ConnState) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch state {
	case http.StateNew, http.StateIdle:
		i.since[c] = time.Now()
	default:
		delete(i.since, c)
	}
}

// closeOne closes one that has been idle for minIdle, if there is any: that which
// has been so for longest, of the source that has most. Before, a handshake may be
// under way, or the end of an answer: HTTP/2 has a connection idle before it has
// written all.
func (i *idle) closeOne() {
	i.mu.Lock()
	defer i.mu.Unlock()
	has, then := map[netip.Prefix]int{}, time.Now().Add(-minIdle)
	for c, since := range i.since {
		if since.Before(then) {
			has[c.from]++
		}
	}
	i.closeLocked(then, func(c, than *remoteConn) bool {
		return has[c.from] > has[than.from] || has[c.from] == has[than.from] && i.since[c].Before(i.since[than])
	}, func(*remoteConn) bool { return true })
}

// closeOf is closeOne for one source, which has to wait less: it makes room for its
// own. It reports whether there was any.
func (i *idle) closeOf(source netip.Prefix) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.closeLocked(time.Now().Add(-minIdleOwn), func(c, than *remoteConn) bool { return i.since[c].Before(i.since[than]) },
		func(c *remoteConn) bool { return c.from == source })
}

// closeLocked closes the first in the order given of those that may be and were
// idle by then, and reports whether there was any. It closes under the lock, so that what has begun
// a request by then is never closed.
func (i *idle) closeLocked(then time.Time, before func(c, than *remoteConn) bool, may func(*remoteConn) bool) bool {
	var out *remoteConn
	for c, since := range i.since {
		if since.Before(then) && may(c) && (out == nil || before(c, out)) {
			out = c
		}
	}
	if out == nil {
		return false
	}
	delete(i.since, out)
	out.Close() // the peer gets no word: nobody waits for one
	return true
}
