package server

import "github.com/agent-secret-store/assd/vault/api"

func (s *Server) rotateKEK(rq *request) (any, error) {
	want, err := bodyOf[api.KEKRotation](rq)
	if err != nil {
		return nil, err
	}
	return s.cfg.Vault.RotateKEK(rq.ctx(), rq.who(), want)
}

func (s *Server) vaultStatus(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	return s.cfg.Vault.Status(rq.ctx(), rq.who())
}
