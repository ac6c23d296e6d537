package server

import "github.com/agent-secret-store/assd/vault/api"

// certificate is what the daemon shows on TLS: public, as on every handshake.
func (s *Server) certificate(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	if s.cfg.Certificates == nil {
		return nil, api.New(api.CodeNotFound, "this daemon does not serve TLS").WithHint("start it with --listen")
	}
	return s.cfg.Certificates.Certificate(), nil
}
