package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"sync"
)

// ListenTCP binds the address, HOST:PORT, that TLS is to be served on. An empty
// host is every address of this machine, 0.0.0.0 every IPv4 address. The listener
// is bounded in how many connections it has at once, in all and from one source.
func ListenTCP(addr string) (net.Listener, error) {
	if err := CheckAddress(addr); err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(addr) // as CheckAddress did
	network := "tcp"
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		network = "tcp4" // or 0.0.0.0 would take IPv6 as well
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), network, addr)
	if err != nil {
		return nil, cannotListen(addr, err)
	}
	return AdoptTCP(l)
}

// AdoptTCP is ListenTCP on what listens already.
func AdoptTCP(l net.Listener) (net.Listener, error) {
	t, ok := l.(*net.TCPListener)
	if !ok {
		return nil, errors.New("the socket handed over is no TCP socket")
	}
	_, remote := room()
	return &remoteListener{TCPListener: t, slots: newSlots(remote), idle: newIdle(), perSource: map[netip.Prefix]int{}}, nil
}

// CheckAddress reports what is wrong with the form of an address for ListenTCP.
func CheckAddress(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil || port == "" {
		return fmt.Errorf("%q is no address to listen on: HOST:PORT is expected with --listen, for example 127.0.0.1:8443", addr)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return fmt.Errorf("%q is no address to listen on: %w: a port from 1 to 65535 is expected with --listen, for example 127.0.0.1:8443", addr, err)
	}
	return nil
}

// cannotListen says what to do about an address that cannot be had.
func cannotListen(addr string, err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok {
		err = e.Err // the rest is said already
	}
	hint := "choose another address with --listen"
	if errors.Is(err, fs.ErrPermission) {
		hint = "ports below 1024 need a right (CAP_NET_BIND_SERVICE on Linux); choose another with --listen, for example :8443"
	}
	return fmt.Errorf("listening on %q: %w; %s", addr, err, hint)
}

// remoteListener accepts peers from the network.
type remoteListener struct {
	*net.TCPListener
	slots     *slots
	idle      *idle
	mu        sync.Mutex
	perSource map[netip.Prefix]int // connections
}

// remoteConn is a connection that counts until it is closed.
type remoteConn struct {
	*net.TCPConn
	from netip.Prefix
	idle *idle // those of its listener
	once sync.Once
	done func()
}

// Accept keeps a place for the next connection: while there is none it closes an
// idle one, or waits. One too many from its source takes the place of an idle one
// of that source, or is closed at once.
func (l *remoteListener) Accept() (net.Conn, error) {
	for {
		if err := l.slots.take(l.idle.closeOne); err != nil {
			return nil, err
		}
		c, err := l.AcceptTCP()
		if err != nil {
			l.slots.giveBack()
			return nil, err
		}
		from := sourceOf(c)
		if l.count(from, 1) || l.idle.closeOf(from) && l.count(from, 1) {
			return &remoteConn{TCPConn: c, from: from, idle: l.idle, done: func() { l.count(from, -1); l.slots.giveBack() }}, nil
		}
		c.Close()
		l.slots.giveBack()
	}
}

// count counts the connections of a source; it reports whether there may be one
// more, so that one source does not keep the others out.
func (l *remoteListener) count(from netip.Prefix, n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.perSource[from]+n > maxPerSource {
		return false
	}
	if l.perSource[from] += n; l.perSource[from] <= 0 {
		delete(l.perSource, from)
	}
	return true
}

// pause stops accepting, and leaves the socket as it is, with who waits in it.
func (l *remoteListener) pause() error {
	l.slots.close()
	return l.SetDeadline(longAgo)
}

// Close stops accepting.
func (l *remoteListener) Close() error {
	l.slots.close()
	return l.TCPListener.Close()
}

// Close closes the connection and makes room for another.
func (c *remoteConn) Close() error {
	c.once.Do(c.done)
	return c.TCPConn.Close()
}

// sourceBits is how much of an IPv6 address says whose it is: the rest one host
// chooses as it likes.
const sourceBits = 64

// sourceOf is what connections are counted by: the IPv4 address, or the IPv6 /64.
func sourceOf(c net.Conn) netip.Prefix {
	addr := originOf(c).Addr
	bits := addr.BitLen()
	if addr.Is6() {
		bits = sourceBits
	}
	return netip.PrefixFrom(addr, bits).Masked()
}
