package vault_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

// atOnce runs acts at once and returns how each ended.
func atOnce(acts ...func() error) []error {
	errs := make([]error, len(acts))
	var ready, done sync.WaitGroup
	ready.Add(1)
	for i, act := range acts {
		done.Go(func() {
			ready.Wait()
			errs[i] = act()
		})
	}
	ready.Done()
	done.Wait()
	return errs
}

// numbered is a wish for the sensitive secret that differs from those of other
// numbers.
func (d *desk) numbered(n int) string {
	d.t.Helper()
	return d.askFor(d.mia.APIKey, api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, MaxUses: ptr(n + 1)})
}

// decisions are the events that settle a request.
func (h *house) decisions(id string) (out []string) {
	h.t.Helper()
	for _, ev := range h.trail(audit.Filter{Action: "approval"}) {
		if ev.Approval == id && ev.Outcome == audit.OK && ev.Action != audit.ApprovalRequest {
			out = append(out, string(ev.Action))
		}
	}
	return out
}

// TestDecideAtOnce: approved, denied, revoked and expired at once, a request ends in
// one way, the trail has that one, and there is a grant only if it was approved.
func TestDecideAtOnce(t *testing.T) {
	d := newDesk(t)
	ended := map[string]int{}
	for n := range 60 {
		id := d.numbered(n)
		expire := func() error {
			if n%3 == 0 {
				d.clock.advance(time.Hour)
			}
			return d.v.Sweep(ctx)
		}
		approve := func() error { _, err := d.approve(id); return err }
		deny := func() error { _, err := d.deny(id); return err }
		acts := [][]func() error{{approve, deny, approve}, {approve, approve, deny}, {deny, approve, deny}}[n%3] // whoever comes last has a small lead
		errs := atOnce(acts[0], expire, acts[1], acts[2])
		if errs[1] != nil {
			t.Fatal(errs[1])
		}
		won := 0
		for _, err := range slices.Delete(errs, 1, 2) {
			if err == nil {
				won++
			} else {
				wantCode(t, "the slower one", err, api.CodeConflict)
			}
		}
		d.sweep()
		got := d.request(id)
		status, grants := got.Status, 0
		for _, k := range d.keys("grants") {
			if k[len(k)-len(id):] == id {
				grants++
			}
		}
		ended[status]++
		want := map[string][]string{
			api.ApprovalApproved: {string(audit.ApprovalApprove)}, api.ApprovalDenied: {string(audit.ApprovalDeny)}, api.ApprovalExpired: {string(audit.ApprovalExpire)},
		}[status]
		if told := d.decisions(id); !slices.Equal(told, want) || (won == 1) == (status == api.ApprovalExpired) || won > 1 {
			t.Errorf("%d have won, it is %s, and in the trail %q", won, status, told)
		}
		open := status == api.ApprovalApproved && d.clock.Now().Before(got.ExpiresAt)
		if (grants == 1) != open || grants > 1 {
			t.Errorf("%d grants are left of what is %s until %v", grants, status, got.ExpiresAt)
		}
		d.clock.advance(time.Hour) // nothing of it is left for the next one
	}
	if ended[api.ApprovalApproved] == 0 || ended[api.ApprovalDenied] == 0 {
		t.Errorf("they ended as %v: nothing raced", ended)
	}
}

// TestTwoOwnersAtOnce: two votes at once are two votes, two of one owner are one.
func TestTwoOwnersAtOnce(t *testing.T) {
	d := newDesk(t)
	bob := d.another("bob")
	d.accept(twoOwners)
	for n := range 30 {
		id := d.numbered(n)
		vote := func(key string) func() error {
			return func() error { _, err := d.approveAs(key, id); return err }
		}
		errs := atOnce(vote(d.owner), vote(bob), vote(d.owner), vote(bob))
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				wantCode(t, "one vote too many", err, api.CodeConflict)
			}
		}
		got := d.request(id)
		slices.Sort(got.ApprovedBy)
		if won != 2 || got.Status != api.ApprovalApproved || !slices.Equal(got.ApprovedBy, []string{"ada", "bob"}) {
			t.Errorf("%d votes counted, it is %+v", won, got)
		}
		if events := d.decisions(id); len(events) != 2 {
			t.Errorf("in the trail stands %q", events)
		}
		if grants := len(d.keys("grants")); grants != 1 {
			t.Fatalf("%d grants are open", grants)
		}
		if _, err := d.revoke(id); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAskAtOnce: of many that ask for the same at once, or just after a denial, one
// request comes.
func TestAskAtOnce(t *testing.T) {
	d := newDesk(t)
	for n := range 20 {
		ids := make([]string, 8)
		var acts []func() error
		for i := range ids {
			acts = append(acts, func() error {
				_, err := d.v.IssueToken(ctx, d.as(d.mia.APIKey), api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, MaxUses: ptr(n + 1)})
				ids[i] = d.asked("a wish", err)
				return nil
			})
		}
		atOnce(acts...)
		if slices.Sort(ids); ids[0] != ids[len(ids)-1] {
			t.Fatalf("they are requests %q", ids)
		}
		if n%2 == 0 {
			d.mustDeny(ids[0])
		} else {
			d.mustApprove(ids[0])
			d.clock.advance(time.Hour)
		}
	}
}

// TestRevokeAtOnce: with a revoke, one use of what it opened either comes first or
// not at all.
func TestRevokeAtOnce(t *testing.T) {
	d := newDesk(t)
	for n := range 30 {
		id := d.numbered(n)
		d.mustApprove(id)
		errs := atOnce(
			func() error { _, err := d.get(d.mia.APIKey, sensitive); return err },
			func() error { _, err := d.revoke(id); return err },
			func() error { _, err := d.get(d.mia.APIKey, sensitive); return err },
		)
		if errs[1] != nil {
			t.Fatal(errs[1])
		}
		revoked := false
		for _, ev := range d.trail(audit.Filter{}) {
			if ev.Approval != id || ev.Outcome != audit.OK {
				continue
			}
			if revoked {
				t.Errorf("event %d is %s, behind the revoke", ev.Seq, ev.Action)
			}
			revoked = ev.Action == audit.ApprovalRevoke
		}
		if n := len(d.keys("grants")); n != 0 {
			t.Fatalf("%d grants are left", n)
		}
		if list, err := d.v.Approvals(ctx, d.as(d.owner), api.ApprovalPending); err == nil {
			for _, a := range list { // of the reads that came too late
				d.mustDeny(a.ID)
				d.clock.advance(day)
			}
		}
	}
}
