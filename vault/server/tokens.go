package server

import (
	"errors"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

// issueToken answers 202 where a token waits for an owner's approval: the
// published clients look for requires_approval in a success.
func (s *Server) issueToken(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	want, err := decode[api.TokenRequest](rq)
	if err != nil {
		return nil, err
	}
	token, err := s.cfg.Vault.IssueToken(rq.ctx(), rq.who(), want)
	if e, ok := errors.AsType[*api.Error](err); ok && e.Code == api.CodeApprovalRequired {
		waits := api.TokenWaits{RequiresApproval: true, ApprovalID: e.ApprovalID, Message: e.Message, Hint: e.Hint, Scopes: want.Scopes}
		if at, ok := e.Details[api.OpensAt].(time.Time); ok {
			waits.OpensAt = &at
		}
		return accepted{waits}, nil
	}
	return token, err
}

func (s *Server) listTokens(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	items, err := s.cfg.Vault.Tokens(rq.ctx(), rq.who())
	return api.Tokens{Items: items}, err
}

func (s *Server) revokeToken(rq *request) (any, error) {
	id, err := rq.id()
	if err != nil {
		return nil, err
	}
	return nil, s.cfg.Vault.RevokeToken(rq.ctx(), rq.who(), id)
}
