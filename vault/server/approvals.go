package server

import (
	"context"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

func (s *Server) listApprovals(rq *request) (any, error) {
	q, err := rq.query("status")
	if err != nil {
		return nil, err
	}
	switch q["status"] {
	case "", api.ApprovalPending, api.ApprovalApproved, api.ApprovalDenied, api.ApprovalExpired:
	default:
		return nil, bad("status: pending, approved, denied or expired is expected")
	}
	items, err := s.cfg.Vault.Approvals(rq.ctx(), rq.who(), q["status"])
	return api.Approvals{Items: items}, err
}

// ownApproval answers the agent that asks how its request stands.
func (s *Server) ownApproval(rq *request) (any, error) {
	id, err := rq.id()
	if err != nil {
		return nil, err
	}
	return s.cfg.Vault.OwnApproval(rq.ctx(), rq.who(), id)
}

func (s *Server) approve(rq *request) (any, error) { return s.conclude(rq, s.cfg.Vault.Approve) }

func (s *Server) deny(rq *request) (any, error) { return s.conclude(rq, s.cfg.Vault.Deny) }

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
