package server

func (s *Server) doctor(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	d, err := s.cfg.Vault.Doctor(rq.ctx(), rq.who())
	if err == nil && s.cfg.Certificates != nil {
		d.Checks = append(d.Checks, s.cfg.Certificates.Check())
	}
	return d, err
}
