package server

import "github.com/agent-secret-store/assd/vault/api"

func (s *Server) issueToken(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	want, err := decode[api.TokenRequest](rq)
	if err != nil {
		return nil, err
	}
	return s.cfg.Vault.IssueToken(rq.ctx(), rq.who(), want)
}

func (s *Server) listTokens(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	items, err := s.cfg.Vault.Tokens(rq.ctx(), rq.who())
	return api.Tokens{Items: items}, err
}

func (s *Server) revokeToken(rq *request) (any, error) {
	id, err := rq.id()
	if err != nil {
		return nil, err
	}
	return nil, s.cfg.Vault.RevokeToken(rq.ctx(), rq.who(), id)
}
