package server

import "github.com/agent-secret-store/assd/vault/api"

func (s *Server) listWebhooks(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	items, err := s.cfg.Vault.Webhooks(rq.ctx(), rq.who())
	return api.Webhooks{Items: items}, err
}

func (s *Server) testWebhook(rq *request) (any, error) {
	name, err := rq.id()
	if err != nil {
		return nil, err
	}
	return s.cfg.Vault.TestWebhook(rq.ctx(), rq.who(), name)
}
