package server

import "github.com/agent-secret-store/assd/vault/api"

func (s *Server) lockdown(rq *request) (any, error) {
	want, err := bodyOf[api.LockdownRequest](rq)
	if err != nil {
		return nil, err
	}
	return s.cfg.Vault.Lockdown(rq.ctx(), rq.who(), want)
}

func (s *Server) lift(rq *request) (any, error) {
	want, err := bodyOf[api.LiftRequest](rq)
	if err != nil {
		return nil, err
	}
	return s.cfg.Vault.Lift(rq.ctx(), rq.who(), want)
}
