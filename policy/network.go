package policy

import (
	"net/netip"
	"strings"
)

// Place is where a caller is, as the connection itself says. The zero value is
// nowhere and in no network.
type Place struct {
	// Local is the Unix socket; it has no address.
	Local bool
	// Addr is the other end of a TCP connection. IPv4 mapped into IPv6 is that
	// IPv4 address, and the zone does not count.
	Addr netip.Addr
}

// network is an entry of a rule: the Unix socket (the zero value), or a range
// of addresses.
type network struct{ prefix netip.Prefix }

// localNetwork is how a rule writes the Unix socket.
const localNetwork = "local"

// mappedBits is how long the prefix of all IPv4 addresses mapped into IPv6 is.
const mappedBits = 96

// parseNetwork reads local, an address, or a range like 10.0.0.0/8, in which
// the bits behind the length do not count.
func parseNetwork(s string) (network, error) {
	if s == localNetwork {
		return network{}, nil
	}
	bad := invalid(`network must be an address, a range like 10.0.0.0/8, or "local"`)
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err == nil && p.Addr().Is4In6() {
			p, err = p.Addr().Unmap().Prefix(p.Bits() - mappedBits)
		}
		if err != nil {
			return network{}, bad
		}
		return network{p.Masked()}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return network{}, bad
	}
	a = a.Unmap().WithZone("")
	return network{netip.PrefixFrom(a, a.BitLen())}, nil
}

// holds reports whether place is in n.
func (n network) holds(place Place) bool {
	if !n.prefix.IsValid() {
		return place.Local
	}
	return !place.Local && n.prefix.Contains(place.Addr.Unmap().WithZone(""))
}

// String returns what [parseNetwork] reads.
func (n network) String() string {
	if !n.prefix.IsValid() {
		return localNetwork
	}
	return n.prefix.String()
}
