package server

import "github.com/agent-secret-store/assd/vault/api"

func (s *Server) exportSecrets(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	want, err := decode[api.ExportRequest](rq)
	if err != nil {
		return nil, err
	}
	readings, err := s.cfg.Vault.Export(rq.ctx(), rq.who(), want)
	if err != nil {
		return nil, err
	}
	out := api.Export{Items: make([]api.Secret, 0, len(readings))}
	for _, r := range readings {
		out.Items = append(out.Items, reveal(r))
	}
	return out, nil
}
