package server

import (
	"context"
	"math"
	"strconv"
	"strings"

	"github.com/agent-secret-store/assd/vault/api"
)

// typeNote is what a checkpoint is to those who ask for text.
const typeNote = "text/plain"

// checkpoint is the newest checkpoint: the signed note alone for those who ask for text.
func (s *Server) checkpoint(rq *request) (any, error) {
	q, err := rq.query("size")
	if err != nil {
		return nil, err
	}
	size := uint64(0)
	if text, ok := q["size"]; ok {
		if size, err = strconv.ParseUint(text, 10, 64); err != nil || size < 1 || size > math.MaxInt64 {
			return nil, bad("size: a whole number from 1 is expected")
		}
	}
	c, err := s.cfg.Vault.Checkpoint(rq.ctx(), rq.who(), size)
	if err != nil || !strings.HasPrefix(rq.http.Header.Get("Accept"), "text/plain") {
		return c, err
	}
	return &stream{typ: typeNote + "; charset=utf-8", send: func(_ context.Context, out *outlet) error {
		_, err := out.WriteString(c.Checkpoint)
		return err
	}}, nil
}

func (s *Server) verifyTrail(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	return s.cfg.Vault.CheckTrail(rq.ctx(), rq.who())
}

func (s *Server) rotateAuditKey(rq *request) (any, error) {
	want, err := bodyOf[api.KeyRotation](rq)
	if err != nil {
		return nil, err
	}
	return s.cfg.Vault.RotateAuditKey(rq.ctx(), rq.who(), want)
}
