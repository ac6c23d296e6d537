package server

import (
	"context"
	"time"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

func (s *Server) listApprovals(rq *request) (any, error) {
	q, err := rq.query("status", "cursor", "wait")
	if err != nil {
		return nil, err
	}
	switch q["status"] {
	case "", api.ApprovalPending, api.ApprovalApproved, api.ApprovalDenied, api.ApprovalExpired, api.ApprovalRevoked:
	default:
		return nil, bad("status: pending, approved, denied, expired or revoked is expected")
	}
	wait, stop, err := s.patience(rq, q)
	if err != nil {
		return nil, err
	}
	defer stop()
	return s.cfg.Vault.WatchApprovals(rq.ctx(), rq.who(), q["status"], q["cursor"], wait)
}

// ownApproval answers the agent that asks how its request stands.
func (s *Server) ownApproval(rq *request) (any, error) {
	q, err := rq.query("wait")
	if err != nil {
		return nil, err
	}
	id, err := rq.pathID()
	if err != nil {
		return nil, err
	}
	wait, stop, err := s.patience(rq, q)
	if err != nil {
		return nil, err
	}
	defer stop()
	return s.cfg.Vault.WaitApproval(rq.ctx(), rq.who(), id, wait)
}

// patience is a context that lasts as long as the answer may wait: "wait" of the
// query, not at all without it, nor once the server is to stop, nor for a bearer
// that has many waiting already.
func (s *Server) patience(rq *request, q map[string]string) (context.Context, func(), error) {
	ctx, cancel := context.WithCancel(s.open)
	text, ok := q["wait"]
	if !ok {
		cancel()
		return ctx, cancel, nil
	}
	ttl, err := api.ParseTTL(text)
	if err != nil || time.Duration(ttl) > maxWait {
		cancel()
		return nil, nil, bad("wait: a time from 1s to 60s is expected")
	}
	leave, ok := s.waiting.tryEnter(rq.who().Bearer())
	if !ok {
		cancel()
		return ctx, cancel, nil
	}
	ctx, stop := context.WithTimeout(ctx, time.Duration(ttl))
	return ctx, func() { stop(); cancel(); leave() }, nil
}

func (s *Server) approve(rq *request) (any, error) { return s.conclude(rq, s.cfg.Vault.Approve) }

func (s *Server) deny(rq *request) (any, error) { return s.conclude(rq, s.cfg.Vault.Deny) }

func (s *Server) revokeApproval(rq *request) (any, error) {
	return s.conclude(rq, s.cfg.Vault.Revoke)
}

type concluder func(context.Context, vault.Request, string, api.ApprovalDecision) (api.Approval, error)

func (s *Server) conclude(rq *request, fn concluder) (any, error) {
	id, err := rq.id()
	if err != nil {
		return nil, err
	}
	want, err := decode[api.ApprovalDecision](rq)
	if err != nil {
		return nil, err
	}
	return fn(rq.ctx(), rq.who(), id, want)
}
