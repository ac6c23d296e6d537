package server

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
)

// request is one request with what the daemon knows of it.
type request struct {
	http   *http.Request
	origin vault.Origin
	vault  *vault.Vault
	rest   string                         // what a pattern's variable piece matched, escaped as sent
	asks   *vault.Request                 // who asks, once it has been read
	leave  func()                         // what is to be done once the answer is gone
	hurry  func() (calm func(whole bool)) // what is called around the reading of its body
}

func newRequest(s *Server, r *http.Request) *request {
	from, _ := r.Context().Value(originKey{}).(vault.Origin)
	from.RequestID = vault.NewRequestID()
	// A key would fit too, and must not get into the trail.
	if ref := r.Header.Get("X-Request-Id"); len(ref) <= maxRef && !strings.ContainsFunc(ref, notInName) && !strings.Contains(ref, "ask_") {
		from.ClientRef = ref
	}
	return &request{http: r, origin: from, vault: s.cfg.Vault, leave: func() {}, hurry: func() func(bool) { return func(bool) {} }}
}

func (rq *request) ctx() context.Context { return rq.http.Context() }

// who is the caller as it presents itself: one Authorization header, Bearer.
func (rq *request) who() vault.Request {
	if rq.asks != nil {
		return *rq.asks
	}
	text := ""
	if h := rq.http.Header.Values("Authorization"); len(h) == 1 {
		scheme, rest, _ := strings.Cut(h[0], " ")
		if strings.EqualFold(scheme, "Bearer") {
			text = strings.TrimSpace(rest)
		}
	}
	rq.asks = &vault.Request{Credential: rq.vault.Present(text), Origin: rq.origin}
	return *rq.asks
}

type originKey struct{}

// withOrigin keeps with each connection where it comes from. Forwarding headers
// are never looked at.
func withOrigin(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, originKey{}, originOf(c))
}

func originOf(c net.Conn) vault.Origin {
	if l, ok := c.(*localConn); ok {
		uid := l.cred.UID
		return vault.Origin{Local: true, Source: audit.Source{UID: &uid, PID: l.cred.PID, Exe: exeOf(l.cred.PID)}, Hints: pidHints(l.cred.PID)}
	}
	ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return vault.Origin{}
	}
	addr := ap.Addr().Unmap().WithZone("")
	return vault.Origin{Addr: addr, Source: audit.Source{IP: addr.String()}}
}
