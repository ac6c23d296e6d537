package client

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
)

// Endpoint is a daemon's URL, checked and in its normal form, so that two
// spellings of one place are equal. Make one with [ParseURL].
type Endpoint struct {
	scheme string // unix, https or http
	place  string // path of the socket, or host:port
}

var errURL = errors.New("the API URL must be unix:///path/to.sock or https://host:port (http:// for a loopback address alone)")

// ParseURL reads unix:///path, https://host:port, or http://host:port with a
// loopback host. The error never repeats s, which may be a key in the wrong
// place.
func ParseURL(s string) (Endpoint, error) {
	if path, ok := strings.CutPrefix(s, "unix://"); ok {
		return parseSocket(path)
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Opaque != "" || u.User != nil || u.RawQuery != "" || u.ForceQuery ||
		u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return Endpoint{}, errURL
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if host == "" || strings.ContainsFunc(host, notInHost) {
		return Endpoint{}, errURL
	}
	switch u.Scheme {
	case "https":
		return Endpoint{"https", net.JoinHostPort(host, or(port, "443"))}, nil
	case "http":
		if !loopback(host) {
			return Endpoint{}, errURL
		}
		return Endpoint{"http", net.JoinHostPort(host, or(port, "80"))}, nil
	}
	return Endpoint{}, errURL
}

func parseSocket(path string) (Endpoint, error) {
	if !filepath.IsAbs(path) || strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return Endpoint{}, errURL
	}
	return Endpoint{"unix", filepath.Clean(path)}, nil
}

// SocketURL is the URL of the Unix socket at path.
func SocketURL(path string) string { return "unix://" + filepath.Clean(path) }

// Socket is the path of the Unix socket, "" for any other endpoint.
func (e Endpoint) Socket() string {
	if e.scheme == "unix" {
		return e.place
	}
	return ""
}

// TLS reports whether the daemon is talked to over TLS.
func (e Endpoint) TLS() bool { return e.scheme == "https" }

// host is the host of a URL that has one, without port and brackets.
func (e Endpoint) host() string {
	host, _, _ := net.SplitHostPort(e.place) // ParseURL has joined it
	return host
}

// String is the normal form; [ParseURL] reads it back.
func (e Endpoint) String() string {
	switch {
	case e.scheme == "https":
		return "https://" + strings.TrimSuffix(e.place, ":443")
	case e.scheme == "http":
		return "http://" + strings.TrimSuffix(e.place, ":80")
	}
	return e.scheme + "://" + e.place
}

// base is what requests start with.
func (e Endpoint) base() string {
	if e.scheme == "unix" {
		return "http://localhost"
	}
	return e.String()
}

// notInHost reports whether r is in no DNS name and no IP address. Zones of
// link-local addresses are not taken.
func notInHost(r rune) bool {
	return r != '.' && r != '-' && r != ':' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
