package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// decideFunc sends one decision.
type decideFunc func(ctx context.Context, id string, d api.ApprovalDecision) (*api.Approval, error)

// decision is one decision about several requests.
type decision struct {
	verb, reason string
	do           decideFunc
	guarded      *client.Client // it takes the approval passphrase, where the vault has one; nil: it takes none
	shown        bool           // on the terminal that asks for it
}

// lasting says how often what r asks for can be done once it is approved: to
// read as often as one likes, to change something once.
func lasting(r api.Approval) string {
	reads := 0
	for _, scope := range r.RequestedScopes {
		if strings.HasPrefix(scope, "secrets:read:") {
			reads++
		}
	}
	switch reads {
	case len(r.RequestedScopes):
		return ""
	case 0:
		return "once, "
	}
	return "each change once, "
}

// sentence says what was decided, and how long an approval lasts; with several
// acts they stand below, one a line.
func (d *decision) sentence(r api.Approval, answer *api.Approval) string {
	decided, which := acts(r), ""
	s := d.verb + " " + foreign(r.ID, uncut)
	if len(decided) > 1 {
		which = ":\n" + strings.TrimSuffix(block(decided), "\n")
	} else {
		s += ": " + foreign(strings.Join(decided, ""), uncut)
	}
	return s + " for " + foreign(r.AgentID, uncut) + outcome(r, answer) + which
}

// outcome says what is open by a decision about r, and until when.
func outcome(r api.Approval, answer *api.Approval) string {
	switch {
	case answer.Status == api.ApprovalPending && answer.ApprovalsNeeded > 1:
		return fmt.Sprintf(" (%d of %d owners; another has to approve too)", len(answer.ApprovedBy), answer.ApprovalsNeeded)
	case answer.Status != api.ApprovalApproved:
		return ""
	case answer.OpensAt != nil && answer.ApprovedAt != nil && answer.OpensAt.After(*answer.ApprovedAt):
		return ", " + lasting(r) + "from " + moment(*answer.OpensAt) + " until " + moment(answer.ExpiresAt) + " UTC; to stop it before: ass approvals revoke " + foreign(r.ID, uncut)
	}
	return ", " + lasting(r) + "until " + moment(answer.ExpiresAt) + " UTC"
}

// run decides each of items as it was shown, and says which are done even when
// another fails. One that cannot be decided any more is left, and told at the end.
func (d *decision) run(a *app, items []api.Approval) error {
	if len(items) == 0 && !a.JSON {
		return a.done("Nothing waits for approval")
	}
	done, failed := d.each(a, items)
	if a.JSON && (failed == nil || len(done) > 0) {
		if err := a.json(requestList{done}); err != nil {
			return err
		}
	}
	return failed
}

// each decides items one by one, and returns the answers; they are never nil.
func (d *decision) each(a *app, items []api.Approval) ([]api.Approval, error) {
	done, left := []api.Approval{}, &undecided{}
	s := a.stepUp()
	defer s.wipe()
	if d.guarded != nil && len(items) > 0 {
		if err := s.ahead(d.guarded, d.toApprove(a, items)); err != nil {
			return done, err
		}
	}
	for _, r := range items {
		answer, err := d.one(a, s, r, items)
		if left.takes(r.ID, err) {
			continue
		}
		if err != nil {
			return done, err
		}
		done = append(done, *answer)
		if a.JSON {
			continue
		}
		if err := a.done(d.sentence(r, answer)); err != nil {
			return done, err
		}
	}
	return done, left.error()
}

// one decides r, which is one of items.
func (d *decision) one(a *app, s *stepUp, r api.Approval, items []api.Approval) (answer *api.Approval, err error) {
	send := func(passphrase *string) (err error) {
		answer, err = d.do(a.ctx, r.ID, api.ApprovalDecision{Reason: d.reason, Digest: r.Digest, Passphrase: passphrase})
		return err
	}
	if d.guarded == nil {
		err = send(nil)
	} else {
		err = s.do(d.toApprove(a, items), send)
	}
	return answer, err
}

// toApprove is what the passphrase is asked for: all that it will be sent with, if
// that is not on the screen already.
func (d *decision) toApprove(a *app, items []api.Approval) string {
	if d.shown || a.seesStderr() {
		return "approve the " + plural(len(items), "request") + " above"
	}
	return "approve " + plural(len(items), "request") + "\n" + describeRequests(items) + " "
}

// undecided gathers the refusals of requests that cannot be decided any more.
type undecided struct {
	messages []string
	hint     string // of the first
}

// takes reports whether err is about that request alone, and keeps it then.
func (u *undecided) takes(id string, err error) bool {
	refusal, ok := errors.AsType[*api.Error](err)
	if !ok || refusal.Code != api.CodeConflict {
		return false
	}
	if u.messages == nil {
		u.hint = refusal.Hint
	}
	u.messages = append(u.messages, id+": "+refusal.Message)
	return true
}

// error is one error for all of them, nil for none.
func (u *undecided) error() error {
	if u.messages == nil {
		return nil
	}
	hint := u.hint
	if hint == "" {
		hint = "see what waits with: ass approvals list"
	}
	return api.New(api.CodeConflict, "not decided: "+strings.Join(u.messages, "; ")).WithHint(hint)
}
