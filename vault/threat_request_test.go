package vault_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

// accept puts a policy in force, as the daemon does where there is no passphrase.
func (h *house) accept(text string) {
	h.t.Helper()
	if _, err := h.v.OfferPolicy(ctx, "/etc/assd/policy.toml", []byte(text), nil); err != nil {
		h.t.Fatalf("accepting a policy: %v", err)
	}
}

// another is the key of one more owner.
func (h *house) another(name string) string {
	h.t.Helper()
	o, err := h.v.CreateOwner(ctx, h.as(h.owner), api.OwnerCreate{Name: name})
	if err != nil {
		h.t.Fatalf("making owner %q: %v", name, err)
	}
	return o.APIKey
}

func (h *house) approveAs(key, id string) (api.Approval, error) {
	return h.v.Approve(ctx, h.as(key), id, api.ApprovalDecision{})
}

func (h *house) revoke(id string) (api.Approval, error) {
	return h.v.Revoke(ctx, h.as(h.owner), id, api.ApprovalDecision{})
}

// reads reads the sensitive secret by key and wants it to end so.
func (d *desk) reads(what, key string, want api.Code) error {
	d.t.Helper()
	_, err := d.get(key, sensitive)
	wantCode(d.t, what, err, want)
	return err
}

// cooling is for how many seconds err, a refusal, says that the same is refused.
func (d *desk) cooling(what string, err error, id string) time.Duration {
	d.t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Code != api.CodeScopeDenied || e.Details["approval_id"] != id {
		d.t.Fatalf("%s: %v %v, want SCOPE_DENIED because of %s", what, err, e, id)
	}
	wait, _ := e.Details["retry_after"].(int)
	return time.Duration(wait) * time.Second
}

// refusalsInARow are how long the same is refused after each denial in a row.
var refusalsInARow = []time.Duration{
	time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, 64 * time.Minute,
	128 * time.Minute, 256 * time.Minute, 512 * time.Minute, 1024 * time.Minute, day, day, day,
}

// TestThreat17CoolingDown: after a denial the same is refused for a minute, twice
// as long with each further one, up to a day.
func TestThreat17CoolingDown(t *testing.T) {
	for name, meanwhile := range map[string]func(d *desk){
		"nothing else": func(*desk) {},
		"swept":        func(d *desk) { d.sweep() },
		"restarted":    func(d *desk) { d.reopen() },
		"asked again, and nobody answered": func(d *desk) {
			d.askToRead(d.mia.APIKey, sensitive)
			d.clock.advance(time.Hour)
		},
		"asked again, and nobody answered, swept": func(d *desk) {
			d.askToRead(d.mia.APIKey, sensitive)
			d.clock.advance(time.Hour)
			d.sweep()
			d.clock.advance(time.Minute)
			d.sweep()
		},
		"locked down and lifted": func(d *desk) {
			d.lockDown()
			d.lift()
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			for i, want := range refusalsInARow {
				id := d.askToRead(d.mia.APIKey, sensitive)
				d.mustDeny(id)
				if got := d.cooling("at once", d.reads("at once", d.mia.APIKey, api.CodeScopeDenied), id); got != want {
					t.Fatalf("after %d denials it is refused for %v, want %v", i+1, got, want)
				}
				d.clock.advance(want - time.Second)
				if got := d.cooling("later", d.reads("later", d.mia.APIKey, api.CodeScopeDenied), id); got != time.Second {
					t.Fatalf("a second before, it is refused for %v", got)
				}
				d.clock.advance(time.Second)
				meanwhile(d)
			}
		})
	}
}

// A denial is forgotten a day after its refusal was over, an approval at once.
func TestThreat17DenialsAreForgotten(t *testing.T) {
	const denied = 3 // times
	for _, tc := range []struct {
		name string
		then func(d *desk)
		want time.Duration
	}{
		{"at once", func(*desk) {}, 8 * time.Minute},
		{"nearly a day", func(d *desk) { d.clock.advance(day - time.Millisecond) }, 8 * time.Minute},
		{"a day", func(d *desk) { d.clock.advance(day) }, time.Minute},
		{"a day, swept", func(d *desk) { d.clock.advance(day); d.sweep(); d.wantLeft(denied, 0, 0) }, time.Minute},
		{"weeks, the daemon stopped", func(d *desk) {
			d.close()
			d.clock.advance(30 * day)
			d.open()
			d.sweep()
			d.wantLeft(0, 0, 0)
		}, time.Minute},
		{"asked again, and a day without an answer", func(d *desk) {
			d.askToRead(d.mia.APIKey, sensitive)
			d.clock.advance(day)
		}, time.Minute},
		{"asked again, and a day without an answer, swept now and then", func(d *desk) {
			d.askToRead(d.mia.APIKey, sensitive)
			for range 24 {
				d.clock.advance(time.Hour)
				d.sweep()
			}
			d.wantLeft(denied+1, 0, 0)
		}, time.Minute},
		{"approved", func(d *desk) {
			d.mustApprove(d.askToRead(d.mia.APIKey, sensitive))
			d.clock.advance(time.Hour)
		}, time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDesk(t)
			for _, wait := range refusalsInARow[:denied] {
				d.mustDeny(d.askToRead(d.mia.APIKey, sensitive))
				d.clock.advance(wait)
			}
			tc.then(d)
			id := d.askToRead(d.mia.APIKey, sensitive)
			d.mustDeny(id)
			if got := d.cooling("once more", d.reads("once more", d.mia.APIKey, api.CodeScopeDenied), id); got != tc.want {
				t.Errorf("it is refused for %v, want %v", got, tc.want)
			}
			d.reopen()
			if got := d.checked(); got != "ok" {
				t.Error(got)
			}
		})
	}
}

// TestThreat17DeniedIsJustThat: a denial is of one digest, the refusals that follow
// open nothing and are in the trail, and the owner's reason is told.
func TestThreat17DeniedIsJustThat(t *testing.T) {
	d := newDesk(t)
	id := d.askToRead(d.mia.APIKey, sensitive)
	if _, err := d.v.Deny(ctx, d.as(d.owner), id, api.ApprovalDecision{Reason: "not on Fridays"}); err != nil {
		t.Fatal(err)
	}
	before := len(d.keys("approvals"))
	if err := d.reads("the same", d.mia.APIKey, api.CodeScopeDenied); !strings.Contains(err.Error(), "not on Fridays") || !strings.Contains(err.Error(), id) {
		t.Errorf("it is told %q", err)
	}
	if ev := d.last(); ev.Action != audit.SecretRead.Denied() || ev.Approval != id || ev.Key != "SENSITIVE" {
		t.Errorf("the event is %+v", ev.Event)
	}
	at := d.last().Seq
	for range 100 { // equal refusals are counted
		d.reads("the same", d.mia.APIKey, api.CodeScopeDenied)
	}
	d.wantEvents(at)
	if n := len(d.keys("approvals")); n != before {
		t.Errorf("%d requests were opened", n-before)
	}
	d.askToRead(d.mia.APIKey, guarded)
	d.askToRead(d.max.APIKey, sensitive)
	d.askFor(d.mia.APIKey, api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, MaxUses: ptr(1)})
}

// TestThreat17OneLine: however often and with whatever words it is asked, an owner
// sees one request, and the trail has one event of it.
func TestThreat17OneLine(t *testing.T) {
	d := newDesk(t)
	at, first := d.last().Seq, ""
	for n := range 200 {
		id := d.askFor(d.mia.APIKey, api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, Reason: fmt.Sprintf("please %d", n)})
		if first == "" {
			first = id
		}
		if id != first {
			t.Fatalf("asked again it is %s, it was %s", id, first)
		}
	}
	d.wantListed("", first)
	d.wantEvents(at, "approval.request SENSITIVE", "secret.read.denied SENSITIVE")
	if got := d.request(first).ClaimedReason; got == nil || *got != "please 0" {
		t.Errorf("it says %v", got)
	}
	d.mustDeny(first)
	_, err := d.v.IssueToken(ctx, d.as(d.mia.APIKey), api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, Reason: "other words"})
	d.cooling("in other words", err, first)
}

// These are policies that ask for more than another, or for something else.
const (
	onceOwner    = "[tiers.sensitive]\napprovals = 1\n"
	twoOwners    = "[tiers.sensitive]\napprovals = 2\n"
	delayed      = "[tiers.sensitive]\ndelay = '10m'\n"
	longer       = "[tiers.sensitive]\ndelay = '20m'\n"
	ruleAsks     = "[[rule]]\nagents = ['mia']\npaths = ['production/*']\neffect = 'approve'\nreason = 'as agreed'\n"
	ruleAsksToo  = "# elsewhere\n[[rule]]\npaths = ['staging/*']\neffect = 'deny'\n[[rule]]\nagents = ['mia']\npaths = ['production/*']\neffect = 'approve'\n"
	otherAsks    = "[[rule]]\nagents = ['mia', 'max']\npaths = ['production/*']\neffect = 'approve'\n"
	asksToWrite  = "[[rule]]\nactions = ['write']\neffect = 'approve'\n"
	ruleDenies   = "[[rule]]\nagents = ['mia']\npaths = ['production/*']\neffect = 'deny'\n"
	deniesOthers = "[[rule]]\nagents = ['max']\neffect = 'deny'\n"
	shortGrants  = "[tiers.sensitive]\ngrant_ttl = '1s'\nrequest_ttl = '1s'\n"
)

// TestThreat17RulesThatRise: an approval counts as long as no more is asked for
// than was, and is given only for what was asked for.
func TestThreat17RulesThatRise(t *testing.T) {
	for _, tc := range []struct {
		name, before, after string
		read                api.Code // resting on what was approved before
		approve             api.Code // what was asked for before
	}{
		{"nothing", "", "", "", ""},
		{"a policy that says the same", "", onceOwner, "", ""},
		{"a second owner", "", twoOwners, api.CodeApprovalRequired, api.CodeConflict},
		{"a delay", "", delayed, api.CodeApprovalRequired, api.CodeConflict},
		{"a longer delay", delayed, longer, api.CodeApprovalRequired, api.CodeConflict},
		{"a shorter delay", longer, delayed, "", api.CodeConflict},
		{"a rule that asks", "", ruleAsks, api.CodeApprovalRequired, api.CodeConflict},
		{"a rule that asks for another act", "", asksToWrite, "", ""},
		{"the rule in other words and at another line", ruleAsks, ruleAsksToo, "", ""},
		{"the rule changed", ruleAsks, otherAsks, api.CodeApprovalRequired, api.CodeConflict},
		{"the rule gone", ruleAsks, "", "", api.CodeConflict},
		{"a rule that denies", "", ruleDenies, api.CodeScopeDenied, api.CodeConflict},
		{"the rule denies now", ruleAsks, ruleDenies, api.CodeScopeDenied, api.CodeConflict},
		{"a rule that denies others", "", deniesOthers, "", ""},
		{"shorter grants", "", shortGrants, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDesk(t)
			d.accept(tc.before)
			d.mustApprove(d.askToRead(d.mia.APIKey, sensitive))
			open := d.askToRead(d.mia.APIKey, guarded)
			if tc.before != "" {
				d.clock.advance(20 * time.Minute) // a delay is over
			}
			d.reads("before", d.mia.APIKey, "")
			d.accept(tc.after)
			d.reads("after", d.mia.APIKey, tc.read)
			_, err := d.approve(open)
			wantCode(t, "approving what was asked for before", err, tc.approve)
			if tc.approve != "" {
				d.wantStatus(open, api.ApprovalPending)
				if _, err := d.get(d.mia.APIKey, guarded); api.CodeOf(err) == api.CodeApprovalRequired && d.asked("asked anew", err) == open {
					t.Error("asked anew it is the same request")
				}
				_, err = d.deny(open)
				wantCode(t, "denying it", err, "")
			}
		})
	}
}

// TestThreat17ByPlace: a rule of a network asks where it binds; an approval from
// elsewhere does not answer it.
func TestThreat17ByPlace(t *testing.T) {
	d := newDesk(t)
	d.accept("[[rule]]\nnetworks = ['10.0.0.0/8']\npaths = ['production/SENSITIVE']\neffect = 'approve'\n")
	near, far := local(1000), remote("10.1.2.3")
	d.mustApprove(d.askToRead(d.mia.APIKey, sensitive))
	d.reads("on the socket", d.mia.APIKey, "")
	_, err := d.read(d.from(d.mia.APIKey, far), sensitive, 0)
	id := d.asked("from the network", err)
	d.mustApprove(id) // though it is decided on elsewhere
	for _, from := range []string{"the socket", "the network"} {
		o := near
		if from == "the network" {
			o = far
		}
		_, err := d.read(d.from(d.mia.APIKey, o), sensitive, 0)
		wantCode(t, "from "+from, err, "")
	}
}

// TestThreat17Revoke: an owner ends a delay, or what it led to.
func TestThreat17Revoke(t *testing.T) {
	for _, tc := range []struct {
		name string
		wait time.Duration
		read api.Code
	}{
		{"in the delay", 9 * time.Minute, api.CodeApprovalRequired},
		{"while it lasts", 10 * time.Minute, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDesk(t)
			d.accept(delayed)
			want := api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive, "secrets:read:" + guarded}}
			id := d.askFor(d.mia.APIKey, want)
			_, err := d.revoke(id)
			wantCode(t, "revoking what is pending", err, api.CodeConflict)
			got := d.mustApprove(id)
			if opens := d.clock.Now().Add(10 * time.Minute); got.OpensAt == nil || !got.OpensAt.Equal(opens) || !got.ExpiresAt.Equal(opens.Add(time.Hour)) {
				t.Errorf("it is %+v", got)
			}
			if again := d.asked("in the delay", d.reads("in the delay", d.mia.APIKey, api.CodeApprovalRequired)); again != id {
				t.Errorf("the delay of %s is told as request %s", id, again)
			}
			d.clock.advance(tc.wait)
			d.reads("before", d.mia.APIKey, tc.read)
			for _, key := range []string{d.mia.APIKey, d.max.APIKey, d.token(d.owner, "secrets:read:*").Token} {
				_, err := d.v.Revoke(ctx, d.as(key), id, api.ApprovalDecision{})
				wantCode(t, "revoking by who is no owner", err, api.CodeScopeDenied)
			}
			_, err = d.v.Revoke(ctx, d.as(d.owner), id, api.ApprovalDecision{Passphrase: ptr("x")})
			wantCode(t, "revoking with a passphrase", err, api.CodeValidation)

			at := d.last().Seq
			got, err = d.v.Revoke(ctx, d.as(d.owner), id, api.ApprovalDecision{Reason: "enough"})
			if err != nil || got.Status != api.ApprovalRevoked || got.RevokedAt == nil || !got.RevokedAt.Equal(d.clock.Now()) {
				t.Fatalf("revoked it is %+v, %v", got, err)
			}
			d.wantEvents(at, "approval.revoke GUARDED", "approval.revoke SENSITIVE")
			d.wantLeft(1, 0, 0)
			if again := d.asked("after", d.reads("after", d.mia.APIKey, api.CodeApprovalRequired)); again == id {
				t.Error("what was revoked is asked for again")
			}
			d.clock.advance(10 * time.Minute)
			d.reads("after the delay", d.mia.APIKey, api.CodeApprovalRequired)
			for _, decide := range []func(string) (api.Approval, error){d.revoke, d.approve, d.deny} {
				_, err := decide(id)
				wantCode(t, "deciding once more", err, api.CodeConflict)
			}
		})
	}
	d := newDesk(t)
	id := d.askToRead(d.mia.APIKey, sensitive)
	d.mustApprove(id)
	d.clock.advance(time.Hour)
	_, err := d.revoke(id)
	wantCode(t, "revoking what is over", err, api.CodeConflict)
	denied := d.askToRead(d.mia.APIKey, guarded)
	d.mustDeny(denied)
	_, err = d.revoke(denied)
	wantCode(t, "revoking what was denied", err, api.CodeConflict)
	_, err = d.revoke("apr_aaaaaaaa")
	wantCode(t, "revoking what there is not", err, api.CodeNotFound)
}

// TestThreat17AGrantToChangeLapses: one to write ends with the same things as one
// to read, and with its one use.
func TestThreat17AGrantToChangeLapses(t *testing.T) {
	for name, change := range map[string]func(d *desk, id string){
		"used":            func(d *desk, _ string) { d.mustPut(d.mia.APIKey, critical, "x") },
		"an owner writes": nil, // a later version is covered
		"deleted":         func(d *desk, _ string) { d.mustDelete(d.owner, critical); d.mustPut(d.owner, critical, "x") },
		"lowered, and raised": func(d *desk, _ string) {
			d.mustPut(d.owner, critical, "x", lowerTo("standard"))
			d.mustPut(d.owner, critical, "x", tier("critical"))
		},
		"a second owner": func(d *desk, _ string) { d.accept("[tiers.critical]\napprovals = 2\n") },
		"revoked":        func(d *desk, id string) { d.revoke(id) }, //nolint:errcheck // seen below
		"locked down":    func(d *desk, _ string) { d.lockDown(); d.lift() },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			_, err := d.put(d.mia.APIKey, critical, "x")
			id := d.asked("a write", err)
			d.mustApprove(id)
			want := api.CodeApprovalRequired
			if change == nil {
				want = ""
				change = func(d *desk, _ string) { d.mustPut(d.owner, critical, "y") }
			}
			change(d, id)
			_, err = d.put(d.mia.APIKey, critical, "z")
			wantCode(t, "a write", err, want)
		})
	}
}

// TestTwoOwnersApprove: each votes once, none alone, in any order.
func TestTwoOwnersApprove(t *testing.T) {
	d := newDesk(t)
	bob := d.another("bob")
	d.accept(twoOwners)
	id := d.askToRead(d.mia.APIKey, sensitive)
	at := d.last().Seq
	got, err := d.approveAs(bob, id)
	if err != nil || got.Status != api.ApprovalPending || got.ApprovalsNeeded != 2 || !slices.Equal(got.ApprovedBy, []string{"bob"}) {
		t.Fatalf("after one vote it is %+v, %v", got, err)
	}
	d.wantLeft(1, 1, 0)
	d.reads("after one vote", d.mia.APIKey, api.CodeApprovalRequired)
	_, err = d.approveAs(bob, id)
	wantCode(t, "a second vote of one owner", err, api.CodeConflict)
	d.reopen() // votes are in the file
	got = d.mustApprove(id)
	if got.Status != api.ApprovalApproved || !slices.Equal(got.ApprovedBy, []string{"bob", "ada"}) || *got.DecidedBy != "ada" {
		t.Errorf("after two votes it is %+v", got)
	}
	d.mustGet(d.mia.APIKey, sensitive, "value of sensitive")
	var by []string
	for _, ev := range d.trail(audit.Filter{Action: string(audit.ApprovalApprove)}) {
		if ev.Seq > at {
			by = append(by, ev.Actor.Name)
		}
	}
	if !slices.Equal(by, []string{"bob", "ada"}) {
		t.Errorf("in the trail %q approved", by)
	}
	// One owner's denial is enough, before or after the other's vote.
	other := d.askToRead(d.mia.APIKey, guarded)
	d.mustApprove(other)
	if _, err := d.v.Deny(ctx, d.as(bob), other, api.ApprovalDecision{}); err != nil {
		t.Error(err)
	}
	d.wantStatus(other, api.ApprovalDenied)
}

// A vote is worth nothing once who gave it is no owner any more.
func TestVotesOfRevokedOwners(t *testing.T) {
	d := newDesk(t)
	bob, cyd := d.another("bob"), d.another("cyd")
	d.accept(twoOwners)
	id := d.askToRead(d.mia.APIKey, sensitive)
	if _, err := d.approveAs(bob, id); err != nil {
		t.Fatal(err)
	}
	revoke := func() error { return d.v.RevokeOwner(ctx, d.as(d.owner), "bob", api.OwnerRevoke{}) }
	if _, err := d.approveAs(cyd, d.asked("revoking an owner", revoke())); err != nil {
		t.Fatal(err)
	}
	if err := revoke(); err != nil {
		t.Fatal(err)
	}
	got, err := d.approveAs(cyd, id)
	if err != nil || got.Status != api.ApprovalPending || !slices.Equal(got.ApprovedBy, []string{"cyd"}) {
		t.Errorf("with the vote of a revoked owner it is %+v, %v", got, err)
	}
	d.reads("after that", d.mia.APIKey, api.CodeApprovalRequired)
	if got := d.mustApprove(id); got.Status != api.ApprovalApproved {
		t.Errorf("with two votes it is %+v", got)
	}
}
