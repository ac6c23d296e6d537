package vault

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
)

// Origin is where a request came from, as the daemon knows it.
type Origin struct {
	Source    audit.Source
	Hints     Hints      // about the process at the other end; nil: none
	Local     bool       // over the Unix socket
	Addr      netip.Addr // else: the peer's address, unmapped, without a zone
	RequestID string     // ours
	ClientRef string     // the client's own id for it, cut and checked
}

// Hints tells what the system says of the process at the other end and its parents,
// when it is asked: it is asked only for what a person is to be shown.
type Hints interface{ Processes() []api.Process }

// event is an event of this request, to be filled in by the act.
func (o Origin) event(action audit.Action, actor audit.Actor) audit.Event {
	src := o.Source
	return audit.Event{
		Actor: actor, Action: action, Outcome: audit.OK,
		Source: &src, RequestID: o.RequestID, ClientRef: o.ClientRef,
	}
}

// Class is what failed authentication is counted by: the uid, the IPv4 address,
// or the IPv6 /64.
func (o Origin) Class() string {
	if o.Local {
		src := audit.Source{UID: o.Source.UID}
		return src.Place()
	}
	if o.Addr.Is6() {
		if p, err := o.Addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return o.Addr.String()
}

// place is the origin as policy looks at it.
func (o Origin) place() policy.Place { return policy.Place{Local: o.Local, Addr: o.Addr} }

// in reports whether the origin is in an address list.
func (o Origin) in(list addressList) bool {
	if o.Local {
		return list.local
	}
	for _, p := range list.networks {
		if p.Contains(o.Addr) {
			return true
		}
	}
	return false
}

// addressList is where a token may be used from: addresses, networks, or the
// Unix socket, which "local" means.
type addressList struct {
	local    bool
	networks []netip.Prefix
}

func parseAddressList(entries []string) (addressList, error) {
	var list addressList
	for _, e := range entries {
		if e == localSource {
			list.local = true
			continue
		}
		p, err := parseNetwork(e)
		if err != nil {
			return addressList{}, err
		}
		list.networks = append(list.networks, p)
	}
	return list, nil
}

// texts is the list in its one spelling, each entry once, which is what is kept
// and shown: what a client wrote could be long, or read as something else.
func (l addressList) texts() []string {
	var out []string
	if l.local {
		out = append(out, localSource)
	}
	for _, p := range l.networks {
		text := p.String()
		if p.IsSingleIP() {
			text = p.Addr().String()
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// localSource in an address list means the Unix socket.
const localSource = "local"

// mappedBits is how long the prefix of all IPv4 addresses mapped into IPv6 is.
const mappedBits = 96

// parseNetwork reads an address or a network; IPv4 mapped into IPv6 means the
// IPv4 address or network.
func parseNetwork(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") { // an address may have it in its zone
		p, err := netip.ParsePrefix(s)
		if p.Addr().Is4In6() {
			p, err = p.Addr().Unmap().Prefix(p.Bits() - mappedBits)
		}
		return p.Masked(), err
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen()), nil
}
