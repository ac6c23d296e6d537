package server

import "github.com/agent-secret-store/assd/vault/api"

func (s *Server) listOwners(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	items, err := s.cfg.Vault.Owners(rq.ctx(), rq.who())
	return api.Owners{Items: items}, err
}

func (s *Server) createOwner(rq *request) (any, error) {
	want, err := bodyOf[api.OwnerCreate](rq)
	if err != nil {
		return nil, err
	}
	return s.cfg.Vault.CreateOwner(rq.ctx(), rq.who(), want)
}

func (s *Server) revokeOwner(rq *request) (any, error) {
	id, err := rq.id()
	if err != nil {
		return nil, err
	}
	want, err := decode[api.OwnerRevoke](rq)
	if err != nil {
		return nil, err
	}
	return nil, s.cfg.Vault.RevokeOwner(rq.ctx(), rq.who(), id, want)
}

// changePassphrase gives an owner a new approval passphrase for the old one.
func (s *Server) changePassphrase(rq *request) (any, error) {
	want, err := bodyOf[api.PassphraseChange](rq)
	if err != nil {
		return nil, err
	}
	return nil, s.cfg.Vault.ChangePassphrase(rq.ctx(), rq.who(), want)
}

// bodyOf is decode for a route that takes no query.
func bodyOf[T any](rq *request) (out T, err error) {
	if _, err := rq.query(); err != nil {
		return out, err
	}
	return decode[T](rq)
}
