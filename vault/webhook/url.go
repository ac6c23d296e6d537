package webhook

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// URL is where a receiver takes messages. Its path and query may hold a token, so it
// prints as its origin: scheme, host and port.
type URL struct {
	origin, host string
	plain        bool          // http, to this machine
	full         func() string // a closure prints nowhere
}

// ParseURL reads an https URL, or an http URL of this machine. No error repeats it.
func ParseURL(s string) (URL, error) {
	if len(s) > maxURL {
		return URL{}, errors.New("it is longer than 2048 bytes")
	}
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return URL{}, errors.New("it is no URL like https://hooks.example.com/ass")
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return URL{}, errors.New("it must begin with https://")
	case host == "" || strings.ContainsAny(host, "% "):
		return URL{}, errors.New("it has no host that can be used")
	case u.User != nil:
		return URL{}, errors.New("it has a user name or password in it; receivers check the signature instead")
	case strings.Contains(s, "#"):
		return URL{}, errors.New("it has a fragment (#), which is never sent: leave that out")
	case u.Port() == "" && strings.HasSuffix(u.Host, ":") || u.Port() != "" && !isPort(u.Port()):
		return URL{}, errors.New("its port is no number from 1 to 65535")
	case u.Scheme == "http" && !loopback(host):
		return URL{}, errors.New("http goes to this machine alone (127.0.0.1, [::1], localhost): use https")
	}
	u.Host = strings.ToLower(u.Host)
	full := u.String()
	return URL{u.Scheme + "://" + u.Host, host, u.Scheme == "http", func() string { return full }}, nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// loopback reports whether host is this machine.
func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// String is the origin: scheme, host and port.
func (u URL) String() string { return u.origin }

// Host is the host, without the port.
func (u URL) Host() string { return u.host }

// Equal reports whether both are the same, to the last byte.
func (u URL) Equal(other URL) bool {
	if u.full == nil || other.full == nil {
		return u.full == nil && other.full == nil
	}
	return u.full() == other.full()
}
