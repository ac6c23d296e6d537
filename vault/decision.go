package vault

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// Approve agrees to a request, for owners. When as many different owners as the
// policy wants have, it opens one grant for each act. With an approval passphrase
// it takes that, and the digest of what was shown.
func (v *Vault) Approve(ctx context.Context, req Request, id string, want api.ApprovalDecision) (out api.Approval, err error) {
	if err := checkReason(want.Reason); err != nil {
		return out, err
	}
	if req, err = v.stepUp(ctx, req, want.Passphrase); err != nil {
		return out, err
	}
	if req.proof != nil && want.Digest == "" {
		return out, invalid("digest", "missing: a passphrase approves just what was shown")
	}
	var opened *approval
	err = v.do(ctx, on("approval.approve"), req, func(a *act) error {
		opened = nil
		r, err := a.approve(id, want)
		if err != nil {
			return err
		}
		if r.Approved && r.needsKey(a.moment) { // before anyone else can look: it is dropped if this fails
			v.keys.keep(r.ID, req.proof.key, r.Until, r.values(a.moment))
			opened = r
		}
		out = r.describe(a.moment)
		return nil
	})
	if err != nil && opened != nil {
		v.keys.drop(opened.ID)
	}
	return out, err
}

// approve adds the caller's vote.
func (a *act) approve(id string, want api.ApprovalDecision) (*approval, error) {
	if err := a.ownerOnly(audit.ApprovalApprove); err != nil {
		return nil, err
	}
	r, err := a.pending(id, want.Digest)
	if err != nil {
		return nil, err
	}
	if err := a.mayVote(r); err != nil {
		return nil, err
	}
	next := *r
	if next.Votes, err = a.livingVotes(r); err != nil {
		return nil, err
	}
	next.Votes = append(next.Votes, vote{a.caller.ID, a.caller.Name, a.v.log.Now()})
	var changes []audit.Change
	if next.agreed() {
		if changes, err = a.openGrants(&next, want.Reason); err != nil {
			return nil, err
		}
	} else if err := a.unchanged(&next); err != nil { // nobody is to agree to what cannot be opened any more
		return nil, err
	}
	return &next, a.settleRequest(&next, audit.ApprovalApprove, want.Reason, changes...)
}

// livingVotes are the votes for r of those who are still owners.
func (a *act) livingVotes(r *approval) (votes []vote, err error) {
	for _, v := range r.Votes {
		who, err := load[identity](a.v, a.tx, store.Owners, v.ID)
		if err != nil {
			return nil, err
		}
		if who != nil && who.Revoked.IsZero() {
			votes = append(votes, v)
		}
	}
	return votes, nil
}

// agreed reports whether as many different owners as are needed have agreed.
func (r *approval) agreed() bool { return len(r.Votes) >= r.needed() }

// mayVote refuses one's own request, and a second vote.
func (a *act) mayVote(r *approval) error {
	if r.Agent == a.caller.ID {
		const reason = "nobody approves their own request"
		return refuse(a.event(audit.ApprovalApprove), api.New(api.CodeScopeDenied, reason).WithHint("another owner does: ass approvals approve "+r.ID), reason)
	}
	if slices.ContainsFunc(r.Votes, func(v vote) bool { return v.ID == a.caller.ID }) {
		return api.New(api.CodeConflict, "you have approved this already; another owner has to as well").
			WithHint("with another owner's key: ass approvals approve " + r.ID)
	}
	return nil
}

// openGrants decides r and makes its grants.
func (a *act) openGrants(r *approval, reason string) ([]audit.Change, error) {
	r.decide(a, reason)
	r.Approved = true
	opens := r.Decided
	if d := r.delay(); d > 0 {
		opens = opens.Add(d)
		r.From = opens
	}
	r.Until = opens.Add(r.grantTTL(a.moment))
	grants, err := a.grantsFor(r)
	return append(grants, remove(store.Wishes, r.wishKey())), err
}

func (r *approval) decide(a *act, reason string) {
	r.Decided, r.By, r.Reason = a.v.log.Now(), a.caller.Name, reason
}

// settleRequest writes what the caller has decided about r.
func (a *act) settleRequest(r *approval, as audit.Action, reason string, changes ...audit.Change) error {
	a.news = true
	return a.v.recordRequest(a.tx, a.event(as), r, reason, append(changes, put(store.Approvals, r.ID, r))...)
}

// Deny refuses a request, for owners; also when the disk is full, and it never
// waits for a passphrase.
func (v *Vault) Deny(ctx context.Context, req Request, id string, want api.ApprovalDecision) (out api.Approval, err error) {
	if err := checkWeakens(want); err != nil {
		return out, err
	}
	err = v.doReserved(ctx, on("approval.deny"), req, func(a *act) error {
		if err := a.ownerOnly(audit.ApprovalDeny); err != nil {
			return err
		}
		r, err := a.pending(id, want.Digest)
		if err != nil {
			return err
		}
		next := *r
		next.decide(a, want.Reason)
		next.Denials++
		out = next.describe(a.moment)
		return a.settleRequest(&next, audit.ApprovalDeny, want.Reason) // its wish stays, and remembers
	})
	return out, err
}

// Revoke ends what an approval opened, or the delay before it, for owners.
func (v *Vault) Revoke(ctx context.Context, req Request, id string, want api.ApprovalDecision) (out api.Approval, err error) {
	if err := checkWeakens(want); err != nil {
		return out, err
	}
	err = v.doReserved(ctx, on("approval.revoke"), req, func(a *act) error {
		if err := a.ownerOnly(audit.ApprovalRevoke); err != nil {
			return err
		}
		r, err := a.approved(id)
		if err != nil {
			return err
		}
		next := *r
		next.Revoked = v.log.Now()
		changes, err := a.withoutGrants(&next)
		if err != nil {
			return err
		}
		out = next.describe(a.moment)
		return a.settleRequest(&next, audit.ApprovalRevoke, want.Reason, changes...)
	})
	if err == nil {
		v.keys.drop(id)
	}
	return out, err
}

// withoutGrants is the changes that remove what is left of r's grants.
func (a *act) withoutGrants(r *approval) (changes []audit.Change, err error) {
	for _, w := range r.Wants {
		key := grantPrefix(r.Agent, w.Action, w.Path) + r.ID
		g, err := load[grant](a.v, a.tx, store.Grants, key)
		if err != nil {
			return nil, err
		}
		if g != nil {
			changes = append(changes, remove(store.Grants, key))
		}
	}
	return changes, nil
}

// checkWeakens checks a decision that opens nothing: it takes no passphrase.
func checkWeakens(want api.ApprovalDecision) error {
	if want.Passphrase != nil {
		return invalid("passphrase", "this opens nothing, so it takes none")
	}
	return checkReason(want.Reason)
}

// checkReason bounds what an owner writes: it is kept in the trail and printed.
func checkReason(s string) error {
	if len(s) > api.MaxReason || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
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
	switch status := r.status(a.moment); {
	case status != api.ApprovalPending:
		return nil, api.New(api.CodeConflict, "this request is "+status+" already").
			WithHint("ass approvals list shows what is open; the agent can ask anew")
	case shown != "" && shown != r.Digest:
		return nil, api.New(api.CodeConflict, "this request asks for something else than what was shown").
			WithHint("look again: ass approvals list")
	}
	return r, nil
}

// approved is the request with that id, if what it opened has not ended.
func (a *act) approved(id string) (*approval, error) {
	r, err := load[approval](a.v, a.tx, store.Approvals, id)
	switch {
	case err != nil:
		return nil, err
	case r == nil:
		return nil, approvalNotFound()
	case !r.Approved:
		return nil, api.New(api.CodeConflict, "this request is "+r.status(a.moment)+": it has opened nothing").WithHint("ass approvals list shows what waits, and ass approvals deny refuses it")
	case !r.open(a.moment):
		return nil, api.New(api.CodeConflict, "what this request opened has ended already").WithHint("ass approvals list --status all shows how it stands")
	}
	return r, nil
}

func approvalNotFound() *api.Error {
	return api.New(api.CodeNotFound, "there is no such request").WithHint("ass approvals list shows them")
}

// unchanged refuses to approve what is not any more what was asked for: no owner
// has looked at it.
func (a *act) unchanged(r *approval) error {
	who, err := load[identity](a.v, a.tx, r.kindOfAsker().bucket(), r.Agent)
	if err != nil {
		return err
	}
	if who == nil || !who.Revoked.IsZero() {
		return api.New(api.CodeConflict, "the "+string(r.kindOfAsker())+" that asked has been revoked").WithHint("ass approvals deny " + r.ID)
	}
	if r.Kind == kindOwner {
		return nil
	}
	for _, w := range r.Wants {
		now, err := a.wantNow(who, w, r.askedFrom())
		if err != nil {
			return fmt.Errorf("reading request %s: %w", r.ID, err)
		}
		if now != w {
			return a.changed(r, w, now)
		}
	}
	return nil
}

// changed is the refusal to approve w, which is now something else.
func (a *act) changed(r *approval, w, now want) error {
	message := w.Path + " is not any more what it was when the agent asked"
	if now.Secret == w.Secret && now.Rev == w.Rev && now.Tier == w.Tier {
		message = "for " + w.Path + " the policy asks for something else than when the agent asked"
	}
	return api.New(api.CodeConflict, message).WithHint("ass approvals deny " + r.ID + "; what the agent asks for anew is another request")
}

// kindOfAsker is that of r's asker.
func (r *approval) kindOfAsker() kind {
	if r.Kind == "" {
		return kindAgent
	}
	return r.Kind
}

// askedFrom is where r was asked from, as policy looks at it.
func (r *approval) askedFrom() policy.Place {
	if addr, err := netip.ParseAddr(r.Source); err == nil {
		return policy.Place{Addr: addr}
	}
	return policy.Place{Local: true}
}

// wantNow is w as who would ask for it now from there; the zero want, where a rule
// forbids it by now.
func (a *act) wantNow(who *identity, w want, from policy.Place) (want, error) {
	p, err := policy.ParsePath(w.Path)
	if err != nil {
		return want{}, err
	}
	h, err := a.v.header(a.tx, p)
	if err != nil {
		return want{}, err
	}
	h = h.forAgents(a.now)
	rule := a.policy.For(who.Name, from).First(w.Action, p)
	if rule != nil && rule.Effect() == policy.Deny {
		return want{}, nil
	}
	return wants(w.Action, p, h, a.policy.Need(h.tier(), rule)), nil
}

// grantsFor is the grants that r opens.
func (a *act) grantsFor(r *approval) ([]audit.Change, error) {
	if err := a.unchanged(r); err != nil {
		return nil, err
	}
	var out []audit.Change
	for _, w := range r.Wants {
		out = append(out, put(store.Grants, grantPrefix(r.Agent, w.Action, w.Path)+r.ID, r.grant(w)))
	}
	return out, nil
}
