package server

// auditStats counts over a time.
func (s *Server) auditStats(rq *request) (any, error) {
	q, err := rq.query(filterQuery...)
	if err != nil {
		return nil, err
	}
	f, err := s.filterOf(q)
	if err != nil {
		return nil, err
	}
	if err := s.walkTrail(rq); err != nil {
		return nil, err
	}
	return s.cfg.Vault.Stats(rq.ctx(), rq.who(), f)
}
