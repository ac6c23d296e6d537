package vault_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

func (h *house) lockAs(key string) (api.Lockdown, error) {
	return h.v.Lockdown(ctx, h.as(key), api.LockdownRequest{Reason: "a leak"})
}

func (h *house) lockDown() {
	h.t.Helper()
	if got, err := h.lockAs(h.owner); err != nil || !got.Locked {
		h.t.Fatalf("locking down: %+v, %v", got, err)
	}
}

func (h *house) lift() {
	h.t.Helper()
	if got, err := h.v.Lift(ctx, h.as(h.owner), api.LiftRequest{}); err != nil || got.Locked {
		h.t.Fatalf("lifting: %+v, %v", got, err)
	}
}

// TestThreat21WhoMayPullIt: owners, agents where the policy says so, no token; only
// owners lift it.
func TestThreat21WhoMayPullIt(t *testing.T) {
	for _, tc := range []struct {
		name, policy string
		agents       api.Code
	}{
		{"without a policy", "", api.CodeScopeDenied},
		{"by owners", "[lockdown]\nby = 'owner'\n", api.CodeScopeDenied},
		{"by any", "[lockdown]\nby = 'any'\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDesk(t)
			d.accept(tc.policy)
			for what, text := range map[string]string{
				"an owner's token": d.token(d.owner, "secrets:*:*").Token, "an agent's token": d.token(d.mia.APIKey, "secrets:*:*").Token,
			} {
				_, err := d.lockAs(text)
				wantCode(t, what, err, api.CodeScopeDenied)
			}
			_, err := d.lockAs("nonsense")
			wantCode(t, "nobody", err, api.CodeUnauthorized)
			_, err = d.v.Lockdown(ctx, d.as(d.owner), api.LockdownRequest{Reason: "two\nlines"})
			wantCode(t, "a reason that is none", err, api.CodeValidation)
			d.wantLocked(false, "")

			_, err = d.lockAs(d.mia.APIKey)
			wantCode(t, "an agent", err, tc.agents)
			by := "mia"
			if tc.agents != "" {
				by = "ada"
				d.lockDown()
			}
			d.wantLocked(true, by)
			for what, text := range map[string]string{"an agent": d.mia.APIKey, "nobody": "nonsense"} {
				_, err := d.v.Lift(ctx, d.as(text), api.LiftRequest{})
				if err == nil {
					t.Errorf("%s has lifted it", what)
				}
			}
			d.lift()
			d.wantLocked(false, "")
			_, err = d.v.Lift(ctx, d.as(d.owner), api.LiftRequest{})
			wantCode(t, "lifting what is not locked", err, api.CodeConflict)
		})
	}
}

// wantLocked compares what owners and agents are told.
func (d *desk) wantLocked(locked bool, by string) {
	d.t.Helper()
	for _, key := range []string{d.owner, d.mia.APIKey} {
		me, err := d.v.Me(ctx, d.as(key))
		l := me.Lockdown
		if err != nil || l.Locked != locked || l.By != by || locked != (l.Since != nil) || locked != (l.Reason == "a leak") {
			d.t.Errorf("%s is told %+v, %v", me.Name, l, err)
		}
	}
}

// TestThreat21PulledTwice: it is one lockdown with one event, also when many pull
// it at once.
func TestThreat21PulledTwice(t *testing.T) {
	d := newDesk(t)
	d.accept("[lockdown]\nby = 'any'\n")
	at := d.last().Seq
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if _, err := d.lockAs([]string{d.owner, d.mia.APIKey}[i%2]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	d.wantEvents(at, "vault.lockdown")
	d.lift()
	d.lockDown()
	d.wantEvents(at, "vault.lockdown", "vault.lift", "vault.lockdown")
}

// TestThreat21NothingLeaves: no value leaves and no secret changes for anyone,
// while what stops and looks goes on; all of it outlives a restart.
func TestThreat21NothingLeaves(t *testing.T) {
	d := newDesk(t)
	id := d.askToRead(d.mia.APIKey, guarded)
	before := d.all()
	d.lockDown()
	for range 2 {
		for _, key := range []string{d.owner, d.mia.APIKey} {
			for what, act := range map[string]func() error{
				"read":       func() error { _, err := d.get(key, plain); return err },
				"write":      func() error { _, err := d.put(key, plain, "x"); return err },
				"new":        func() error { _, err := d.put(key, "production/NEW", "x"); return err },
				"delete":     func() error { return d.delete(key, plain) },
				"rotate":     func() error { _, err := d.rotate(key, plain, to("x")); return err },
				"flag":       func() error { _, err := d.rotate(key, plain, api.SecretRotate{}); return err },
				"import":     func() error { _, err := d.importAs(key, "A=1"); return err },
				"list":       func() error { _, err := d.v.List(ctx, d.as(key), policy.Namespace{}); return err },
				"namespaces": func() error { _, err := d.v.Namespaces(ctx, d.as(key)); return err },
				"token": func() error {
					_, err := d.v.IssueToken(ctx, d.as(key), api.TokenRequest{Scopes: []string{"secrets:read:*"}})
					return err
				},
				"ask": func() error {
					_, err := d.v.IssueToken(ctx, d.as(key), api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}})
					return err
				},
			} {
				wantCode(t, what, act(), api.CodeLockedDown)
			}
		}
		for what, act := range map[string]func() error{
			"an agent":  func() error { _, err := d.v.CreateAgent(ctx, d.as(d.owner), api.AgentCreate{Name: "new"}); return err },
			"an owner":  func() error { _, err := d.v.CreateOwner(ctx, d.as(d.owner), api.OwnerCreate{Name: "new"}); return err },
			"a request": func() error { _, err := d.approve(id); return err },
			"a file": func() error {
				_, err := d.v.AcceptFile(ctx, d.as(d.owner), api.PolicyAccept{Name: api.PolicyFile})
				return err
			},
		} {
			wantCode(t, "opening by "+what, act(), api.CodeLockedDown)
		}
		for what, act := range map[string]func() error{
			"me":        func() error { _, err := d.v.Me(ctx, d.as(d.mia.APIKey)); return err },
			"the trail": func() error { _, _, _, err := d.v.Audit(ctx, d.as(d.owner), audit.Filter{}, 1); return err },
			"agents":    func() error { _, err := d.v.Agents(ctx, d.as(d.owner)); return err },
			"requests":  func() error { _, err := d.v.Approvals(ctx, d.as(d.owner), ""); return err },
			"the files": func() error { _, err := d.v.Files(ctx, d.as(d.owner)); return err },
			"the check": func() error {
				_, err := d.v.CheckPolicy(ctx, d.as(d.owner), "mia", "secrets:read:"+plain, "")
				return err
			},
		} {
			wantCode(t, "looking at "+what, act(), "")
		}
		d.wantLocked(true, "ada")
		d.reopen()
	}
	if ev := d.trail(audit.Filter{Action: string(audit.SecretRead.Denied())}); len(ev) == 0 || ev[len(ev)-1].Key != "PLAIN" || !strings.Contains(ev[len(ev)-1].Reason, "locked down") {
		t.Error("the refusals are not in the trail")
	}
	d.revokeAgent("max")
	d.lift()
	diff(t, "the secrets after it", d.all(), before)
}

// TestThreat21Ended: tokens, grants, requests and delays from before are ended and
// not paused.
func TestThreat21Ended(t *testing.T) {
	d := newDesk(t)
	tok, owners := d.token(d.mia.APIKey, "secrets:*:*"), d.token(d.owner, "secrets:*:*")
	granted, open := d.askToRead(d.mia.APIKey, sensitive), d.askToRead(d.mia.APIKey, guarded)
	d.mustApprove(granted)
	_, err := d.put(d.mia.APIKey, critical, "x")
	write := d.asked("a write", err)
	d.mustApprove(write)
	d.accept("[tiers.sensitive]\ndelay = '10m'\n")
	later := d.askToRead(d.max.APIKey, sensitive)
	d.mustApprove(later)
	d.accept("")
	d.clock.advance(time.Second)
	d.lockDown()
	for _, id := range []string{granted, open, write, later} {
		d.wantStatus(id, api.ApprovalExpired)
	}
	_, err = d.get(tok.Token, plain)
	wantCode(t, "a token in the lockdown", err, api.CodeLockedDown)
	if list, err := d.v.Tokens(ctx, d.as(d.owner)); err != nil || len(list) != 0 {
		t.Errorf("%d tokens are listed, %v", len(list), err)
	}
	wantCode(t, "revoking one", d.v.RevokeToken(ctx, d.as(d.owner), tok.TokenID), api.CodeNotFound)
	for _, swept := range []bool{false, true} {
		if swept {
			d.sweep()
			d.reopen()
		} else {
			d.lift()
		}
		for what, text := range map[string]string{"an agent's token": tok.Token, "an owner's token": owners.Token} {
			_, err := d.get(text, plain)
			wantCode(t, what+" after it", err, api.CodeUnauthorized)
		}
		for _, id := range []string{granted, open, write, later} {
			d.wantStatus(id, api.ApprovalExpired)
			for _, decide := range []func(string) (api.Approval, error){d.approve, d.deny, d.revoke} {
				_, err := decide(id)
				wantCode(t, "deciding on one from before", err, api.CodeConflict)
			}
		}
		d.clock.advance(10 * time.Minute)
		d.mustGet(d.mia.APIKey, plain, "value of plain") // keys are not ended
		for _, id := range []string{d.askToRead(d.mia.APIKey, sensitive), d.askToRead(d.mia.APIKey, guarded), d.askToRead(d.max.APIKey, sensitive)} {
			if slices.Contains([]string{granted, open, later}, id) {
				t.Errorf("request %s is from before", id)
			}
			d.wantStatus(id, api.ApprovalPending)
		}
		_, err = d.put(d.mia.APIKey, critical, "y")
		d.asked("a write", err)
	}
}

// TestThreat21PutBack: to undo a lockdown by hand is found.
func TestThreat21PutBack(t *testing.T) {
	at := place{"vault", "lockdown"}
	for name, undo := range map[string]func(d *desk, lifted []byte){
		"put back": func(d *desk, lifted []byte) { d.setRaw(map[place][]byte{at: lifted}) },
		"removed":  func(d *desk, _ []byte) { d.removeRaw(at) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.lockDown()
			d.lift()
			lifted := d.raw(at.bucket, at.key)
			d.lockDown()
			d.close()
			undo(d, lifted)
			wantProblem(t, d.verify(), "record vault/lockdown")
			_, err := vault.OpenUnchecked(d.cfg)
			wantNotOpened(t, err)
		})
	}
}

// TestThreat21Raced: with reads, writes and tokens under way, none of them succeeds
// behind the lockdown in the trail until it is lifted, and nothing from before works
// after that.
func TestThreat21Raced(t *testing.T) {
	d := newDesk(t)
	d.mustApprove(d.askToRead(d.mia.APIKey, sensitive))
	tok := d.token(d.mia.APIKey, "secrets:*:*").Token
	var locked atomic.Bool
	var done atomic.Int64
	var tokens sync.Map
	var wg sync.WaitGroup
	run := func(act func(n int) error) {
		wg.Go(func() {
			for n := 0; ; n++ {
				late := locked.Load()
				err := act(n)
				switch {
				case err == nil && late:
					t.Error("done after the lockdown had returned")
					return
				case err != nil && api.CodeOf(err) != api.CodeConflict: // a write that lost a race
					wantCode(t, "an act", err, api.CodeLockedDown)
					return
				}
				done.Add(1)
			}
		})
	}
	for i, text := range []string{tok, d.mia.APIKey, d.owner} {
		run(func(int) error { _, err := d.get(text, plain); return err })
		run(func(n int) error { _, err := d.put(text, fmt.Sprintf("production/W%d", i), fmt.Sprint(n)); return err })
	}
	run(func(int) error { _, err := d.get(d.mia.APIKey, sensitive); return err })
	for _, key := range []string{d.mia.APIKey, d.owner} {
		run(func(int) error {
			got, err := d.v.IssueToken(ctx, d.as(key), api.TokenRequest{Scopes: []string{"secrets:read:*"}})
			if err == nil {
				tokens.Store(got.Token, true)
			}
			return err
		})
	}
	eventually(t, "some acts are done", func() bool { return done.Load() > 200 })
	d.lockDown()
	locked.Store(true)
	wg.Wait()
	d.lift()
	d.quietInLockdown()
	n := 0
	tokens.Range(func(text, _ any) bool {
		n++
		_, err := d.get(text.(string), plain)
		wantCode(t, "a token from before", err, api.CodeUnauthorized)
		return n < 100
	})
	if n == 0 {
		t.Error("no token was issued")
	}
	d.reads("what was approved before", d.mia.APIKey, api.CodeApprovalRequired)
}

// quietInLockdown looks at the trail: nothing that a lockdown stops succeeded in one.
func (h *house) quietInLockdown() {
	h.t.Helper()
	locked := false
	for _, ev := range h.trail(audit.Filter{}) {
		switch {
		case ev.Action == audit.VaultLockdown && ev.Outcome == audit.OK:
			locked = true
		case ev.Action == audit.VaultLift && ev.Outcome == audit.OK:
			locked = false
		case locked && ev.Outcome == audit.OK && (strings.HasPrefix(string(ev.Action), "secret.") || ev.Action == audit.TokenCreate):
			h.t.Errorf("event %d is %s, in a lockdown", ev.Seq, ev.Action)
		}
	}
}
