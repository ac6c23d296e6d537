package certs

import (
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// ErrName says what a name in a certificate looks like.
var ErrName = errors.New("a host name like vault.example.com or an address like 192.0.2.7 is expected")

const maxHost, maxLabel = 253, 63 // bytes, RFC 1035

// Name is a host name or an address that a certificate is for. The zero Name is
// none.
type Name struct {
	host string // lower case
	ip   netip.Addr
}

// ParseName reads a host name (its first label may be "*") or an IP address
// without a zone. The error is ErrName.
func ParseName(s string) (Name, error) {
	if ip, err := netip.ParseAddr(s); err == nil {
		if ip.Zone() != "" || ip.IsUnspecified() {
			return Name{}, ErrName
		}
		return Name{ip: ip.Unmap()}, nil
	}
	host := strings.ToLower(strings.TrimSuffix(s, "."))
	if !validHost(host) {
		return Name{}, ErrName
	}
	return Name{host: host}, nil
}

// String is the name as ParseName reads it.
func (n Name) String() string {
	if n.ip.IsValid() {
		return n.ip.String()
	}
	return n.host
}

// in reports whether c is for n.
func (n Name) in(c *x509.Certificate) bool {
	return slices.Contains(c.DNSNames, n.host) || c.VerifyHostname(n.String()) == nil
}

func validHost(host string) bool {
	labels := strings.Split(host, ".")
	if len(labels) > 1 && labels[0] == "*" {
		labels = labels[1:]
	}
	for _, l := range labels {
		if len(l) == 0 || len(l) > maxLabel || l[0] == '-' || l[len(l)-1] == '-' || strings.ContainsFunc(l, notInLabel) {
			return false
		}
	}
	// A last label of digits is a mistyped address.
	return len(host) <= maxHost && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// notInLabel: the underscore is no letter of host names, but many have one.
func notInLabel(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// listenName is the name that clients use for a daemon that listens on host, if
// it is no wildcard.
func listenName(host string) (Name, bool) {
	host, _, _ = strings.Cut(host, "%") // a zone means something on this machine alone
	n, err := ParseName(host)
	return n, err == nil
}

// wanted are the names of a certificate made: where the daemon listens, this
// machine's own, and those asked for; each once.
func (cfg Config) wanted() []Name {
	names := slices.Clone(cfg.Names)
	if n, ok := listenName(cfg.Host); ok {
		names = append(names, n)
	}
	names = append(names, Name{host: "localhost"}, Name{ip: netip.AddrFrom4([4]byte{127, 0, 0, 1})}, Name{ip: netip.IPv6Loopback()})
	if host, err := os.Hostname(); err == nil {
		if n, err := ParseName(host); err == nil { // some are no names for a certificate
			names = append(names, n)
		}
	}
	var once []Name
	for _, n := range append(names, cfg.bound()...) {
		if !slices.Contains(once, n) && len(once) < maxNames {
			once = append(once, n)
		}
	}
	return once
}

// interfaceAddrs is changed by tests.
var interfaceAddrs = net.InterfaceAddrs

// bound are the addresses that clients reach the listener at.
func (cfg Config) bound() []Name {
	bound := cfg.Bound.Unmap().WithZone("")
	if !bound.IsUnspecified() {
		if !bound.IsValid() {
			return nil
		}
		return []Name{{ip: bound}}
	}
	addrs, err := interfaceAddrs()
	if err != nil {
		return nil // the names that are certain will do
	}
	var names []Name
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if ip := p.Addr().Unmap().WithZone(""); err == nil && (ip.Is4() || bound.Is6()) {
			names = append(names, Name{ip: ip})
		}
	}
	return names
}
