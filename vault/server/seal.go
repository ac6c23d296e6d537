package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// sealedTable are the routes of a sealed vault. To all else it answers SEALED.
func (s *Server) sealedTable() []route {
	return []route{{"GET", "/v1/health", "health", s.health, 0}, s.unsealRoute()}
}

func (s *Server) unsealRoute() route {
	return route{"POST", "/v1/vault/unseal", "vault.unseal", s.unseal, smallBody}
}

// whileSealed reports whether the route of that name is answered by a sealed vault.
func whileSealed(name string) bool { return name == "health" || name == "vault.unseal" }

// isSealed reports whether the vault is not open yet, or has just been sealed.
func (s *Server) isSealed() bool { return s.cfg.Vault == nil || s.cfg.Vault.IsSealing() }

// failed reports whether the vault must not be served any longer.
func (s *Server) failed() bool { return s.cfg.Vault != nil && s.cfg.Vault.Alive() != nil }

// seal ends all that is served. It answers once the next connection is for whoever serves
// the sealed vault: so what its caller asks next, to unseal above all, is not answered
// here, where nothing can be done any more.
func (s *Server) seal(rq *request) (any, error) {
	want, err := bodyOf[api.SealRequest](rq)
	if err != nil {
		return nil, err
	}
	out, err := s.cfg.Vault.Seal(rq.ctx(), rq.who(), want)
	if err != nil || s.cfg.Front == nil { // nobody comes after this server
		return out, err
	}
	select {
	case <-s.front.parked:
	case <-time.After(parkTime):
	}
	return out, nil
}

// hurry has a body that is still being read when the vault is sealed come soon: nothing can
// be done with it any more, and whoever sends none must not hold up the end. It lasts until
// calm is called, which says whether the body was whole: the deadline would end what the
// handler does then. One that was not is left to it, or net/http would wait for the rest.
func (s *Server) hurry(w http.ResponseWriter) (calm func(whole bool)) {
	c, done := http.NewResponseController(w), make(chan struct{})
	stop := context.AfterFunc(s.open, func() {
		defer close(done)
		if s.isSealed() {
			_ = c.SetReadDeadline(time.Now().Add(requestTime))
		}
	})
	return func(whole bool) {
		if stop() {
			return
		}
		if <-done; whole && s.isSealed() {
			_ = c.SetReadDeadline(time.Time{})
		}
	}
}

// unseal opens the vault, for those who may: whoever its data belongs to, or over TLS
// anyone who has a passphrase, where the operator wants that.
func (s *Server) unseal(rq *request) (any, error) {
	if !s.mayUnseal(rq.origin) { // before a body is waited for
		return nil, api.New(api.CodeScopeDenied, "a vault is unsealed over its local socket, by the user that its data belongs to").
			WithHint("on the daemon's machine: ass vault unseal; over TLS only where assd was started with --unseal-remote")
	}
	want, err := bodyOf[api.UnsealRequest](rq)
	if err != nil {
		return nil, err
	}
	if s.cfg.Vault != nil && s.cfg.Vault.IsSealing() {
		return nil, vault.SealedNow()
	}
	if s.cfg.Vault != nil {
		return api.Unsealed{}, nil
	}
	out, err := s.cfg.Unseal(rq.ctx(), rq.origin, want.Passphrase)
	if errors.Is(err, vault.ErrUnsealed) {
		return api.Unsealed{}, nil
	}
	return out, err
}

func (s *Server) mayUnseal(from vault.Origin) bool {
	if !from.Local {
		return s.cfg.UnsealRemote
	}
	return from.Source.UID != nil && s.cfg.MayClaim != nil && s.cfg.MayClaim(*from.Source.UID)
}
