package server

func (s *Server) compact(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	return s.cfg.Vault.Compact(rq.ctx(), rq.who())
}
