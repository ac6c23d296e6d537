package main

import (
	"errors"

	"github.com/agent-secret-store/assd/vault/api"
)

type approvalsRevokeCmd struct {
	ID     string `arg:"" name:"id" help:"The request that was approved, apr_..."`
	Reason string `placeholder:"TEXT" help:"Why; it is kept in the audit trail."`
}

// Help shows examples.
func (approvalsRevokeCmd) Help() string {
	return `Ends at once what an approval has opened, or the delay before it opens. What was
read is read; the agent can ask anew.

Examples:

  ass approvals list --status approved
  ass approvals revoke apr_abc123 --reason "wrong pipeline"`
}

// Run ends an approval.
func (c *approvalsRevokeCmd) Run(a *app) error {
	if !isApprovalID(c.ID) {
		return noRequest("with that id")
	}
	cl, err := a.connect()
	if err != nil {
		return err
	}
	answer, err := cl.RevokeApproval(a.ctx, c.ID, api.ApprovalDecision{Reason: c.Reason})
	if errors.Is(err, &api.Error{Code: api.CodeNotFound}) {
		return noRequest(c.ID)
	}
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(answer)
	}
	d := decision{verb: "Revoked"}
	return a.done(d.sentence(*answer, answer))
}
