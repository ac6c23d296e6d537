package vault

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// Approve opens what a request asks for, for owners: one grant for each act.
func (v *Vault) Approve(ctx context.Context, req Request, id string, want api.ApprovalDecision) (api.Approval, error) {
	return v.conclude(ctx, req, id, want, audit.ApprovalApprove)
}

// Deny refuses a request, for owners; also when the disk is full.
func (v *Vault) Deny(ctx context.Context, req Request, id string, want api.ApprovalDecision) (api.Approval, error) {
	return v.conclude(ctx, req, id, want, audit.ApprovalDeny)
}

// conclude writes an owner's decision. A decided request stays decided.
func (v *Vault) conclude(ctx context.Context, req Request, id string, want api.ApprovalDecision, as audit.Action) (out api.Approval, err error) {
	if err := checkReason(want.Reason); err != nil {
		return out, err
	}
	do := v.do
	if as == audit.ApprovalDeny {
		do = v.doReserved
	}
	err = do(ctx, req, func(a *act) error {
		out, err = a.conclude(id, want, as)
		return err
	})
	return out, err
}

func (a *act) conclude(id string, want api.ApprovalDecision, as audit.Action) (out api.Approval, err error) {
	if err := a.ownerOnly(as); err != nil {
		return out, err
	}
	r, err := a.pending(id, want.Digest)
	if err != nil {
		return out, err
	}
	now := a.v.log.Now()
	next := *r
	next.Decided, next.By, next.Reason = now, a.caller.Name, want.Reason
	changes := []audit.Change{remove(store.Wishes, r.wishKey())}
	if as == audit.ApprovalApprove {
		next.Approved, next.Until = true, now.Add(policy.GrantTTL)
		grants, err := a.grantsFor(&next)
		if err != nil {
			return out, err
		}
		changes = append(changes, grants...)
	}
	return next.describe(now), a.v.recordRequest(a.tx, a.event(as), &next, want.Reason, append(changes, put(store.Approvals, r.ID, next))...)
}

// checkReason bounds what an owner writes: it is kept in the trail and printed.
func checkReason(s string) error {
	if len(s) > api.MaxReason || strings.ContainsFunc(s, unicode.IsControl) {
		return invalid("reason", fmt.Sprintf("at most %d bytes of text in one line", api.MaxReason))
	}
	return nil
}

// pending is the request with that id, if it waits and asks for what was shown.
func (a *act) pending(id, shown string) (*approval, error) {
	r, err := load[approval](a.v, a.tx, store.Approvals, id)
	switch {
	case err != nil:
		return nil, err
	case r == nil:
		return nil, approvalNotFound()
	}
	switch status := r.status(a.v.log.Now()); {
	case status != api.ApprovalPending:
		return nil, api.New(api.CodeConflict, "this request is "+status+" already").
			WithHint("ass approvals list shows what is open; the agent can ask anew")
	case shown != "" && shown != r.Digest:
		return nil, api.New(api.CodeConflict, "this request asks for something else than what was shown").
			WithHint("look again: ass approvals list")
	}
	return r, nil
}

func approvalNotFound() *api.Error {
	return api.New(api.CodeNotFound, "there is no such request").WithHint("ass approvals list shows them")
}

// grantsFor is the grants that r opens. What has changed since it was asked for
// is not what an owner has looked at, and is refused.
func (a *act) grantsFor(r *approval) ([]audit.Change, error) {
	who, err := load[identity](a.v, a.tx, store.Agents, r.Agent)
	if err != nil {
		return nil, err
	}
	if who == nil || !who.Revoked.IsZero() {
		return nil, api.New(api.CodeConflict, "the agent that asked has been revoked").WithHint("ass approvals deny " + r.ID)
	}
	var out []audit.Change
	for _, w := range r.Wants {
		p, err := policy.ParsePath(w.Path)
		if err != nil {
			return nil, fmt.Errorf("reading request %s: %w", r.ID, err)
		}
		h, err := a.v.header(a.tx, p)
		if err != nil {
			return nil, err
		}
		if wants(w.Action, p, h) != w {
			return nil, api.New(api.CodeConflict, w.Path+" is not any more what it was when the agent asked").
				WithHint("ass approvals deny " + r.ID + ", and the agent can ask anew")
		}
		out = append(out, put(store.Grants, grantPrefix(r.Agent, w.Action, p)+r.ID, r.grant(w)))
	}
	return out, nil
}

// grant is what r opens for one act: to read, as often as was asked for; to
// change something, once.
func (r *approval) grant(w want) grant {
	return grant{
		Approval: r.ID, Secret: w.Secret, Tier: w.Tier, Rev: w.Rev, Until: r.Until,
		Once: w.Action != policy.Read, Uses: r.Terms.MaxUses, Sources: r.Terms.Sources,
	}
}
