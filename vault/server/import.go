package server

import "github.com/agent-secret-store/assd/vault/api"

func (s *Server) importSecrets(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	want, err := decode[api.ImportRequest](rq)
	if err != nil {
		return nil, err
	}
	return s.cfg.Vault.Import(rq.ctx(), rq.who(), want)
}
