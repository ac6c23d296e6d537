package server

import "github.com/agent-secret-store/assd/vault/api"

func (s *Server) getPolicy(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	items, err := s.cfg.Vault.Files(rq.ctx(), rq.who())
	return api.OperatorFiles{Items: items}, err
}

func (s *Server) checkPolicy(rq *request) (any, error) {
	q, err := rq.query("agent", "scope", "from")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"agent", "scope"} {
		if q[name] == "" {
			return nil, bad(name + ": missing")
		}
	}
	return s.cfg.Vault.CheckPolicy(rq.ctx(), rq.who(), q["agent"], q["scope"], q["from"])
}

func (s *Server) acceptPolicy(rq *request) (any, error) {
	want, err := bodyOf[api.PolicyAccept](rq)
	if err != nil {
		return nil, err
	}
	return s.cfg.Vault.AcceptFile(rq.ctx(), rq.who(), want)
}
