package server

import "github.com/agent-secret-store/assd/vault/api"

func (s *Server) listAgents(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	items, err := s.cfg.Vault.Agents(rq.ctx(), rq.who())
	return api.Agents{Items: items}, err
}

func (s *Server) createAgent(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	want, err := decode[api.AgentCreate](rq)
	if err != nil {
		return nil, err
	}
	return s.cfg.Vault.CreateAgent(rq.ctx(), rq.who(), want)
}

func (s *Server) revokeAgent(rq *request) (any, error) {
	id, err := rq.id()
	if err != nil {
		return nil, err
	}
	return nil, s.cfg.Vault.RevokeAgent(rq.ctx(), rq.who(), id)
}
