package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

const (
	sensitive = "production/SENSITIVE"
	guarded   = "production/GUARDED" // sensitive as well
)

// desk is a vault with secrets that an owner is asked about, and two agents that
// may do everything their tiers let them.
type desk struct {
	*house
	mia, max api.AgentCreated
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{house: newHouse(t)}
	d.mustPut(d.owner, sensitive, "value of sensitive", tier("sensitive"))
	d.mustPut(d.owner, guarded, "value of guarded", tier("sensitive"))
	d.mustPut(d.owner, critical, "value of critical", tier("critical"))
	d.mustPut(d.owner, plain, "value of plain")
	d.mia, d.max = d.agent("mia", "secrets:*:*"), d.agent("max", "secrets:*:*")
	return d
}

// asked is the id of the request that err, a refusal, names.
func (h *house) asked(what string, err error) string {
	h.t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Code != api.CodeApprovalRequired {
		h.t.Fatalf("%s: %v, want APPROVAL_REQUIRED", what, err)
	}
	if len(e.ApprovalID) != 12 || !strings.HasPrefix(e.ApprovalID, "apr_") || e.Details["approval_id"] != e.ApprovalID {
		h.t.Fatalf("%s: the request is %q, in the details %q", what, e.ApprovalID, e.Details["approval_id"])
	}
	return e.ApprovalID
}

// askToRead is the request that a direct read of p opens or finds.
func (h *house) askToRead(who, p string) string {
	h.t.Helper()
	_, err := h.get(who, p)
	return h.asked("reading "+p, err)
}

// askFor is the request that a wish for a token opens or finds.
func (h *house) askFor(who string, want api.TokenRequest) string {
	h.t.Helper()
	_, err := h.v.IssueToken(ctx, h.as(who), want)
	return h.asked(fmt.Sprintf("asking for %q", want.Scopes), err)
}

func (h *house) approve(id string) (api.Approval, error) {
	return h.v.Approve(ctx, h.as(h.owner), id, api.ApprovalDecision{})
}

func (h *house) mustApprove(id string) api.Approval {
	h.t.Helper()
	a, err := h.approve(id)
	if err != nil {
		h.t.Fatalf("approving %s: %v", id, err)
	}
	return a
}

func (h *house) deny(id string) (api.Approval, error) {
	return h.v.Deny(ctx, h.as(h.owner), id, api.ApprovalDecision{})
}

func (h *house) mustDeny(id string) api.Approval {
	h.t.Helper()
	a, err := h.deny(id)
	if err != nil {
		h.t.Fatalf("denying %s: %v", id, err)
	}
	return a
}

// request is the request as owners see it.
func (h *house) request(id string) api.Approval {
	h.t.Helper()
	a, err := h.v.OwnApproval(ctx, h.as(h.owner), id)
	if err != nil {
		h.t.Fatalf("looking at %s: %v", id, err)
	}
	return a
}

func (h *house) wantStatus(id, want string) {
	h.t.Helper()
	if got := h.request(id).Status; got != want {
		h.t.Errorf("request %s is %s, want %s", id, got, want)
	}
}

// newest are the events since seq, as "action key outcome" each.
func (h *house) newest(seq uint64) (out []string) {
	h.t.Helper()
	for _, ev := range h.trail(audit.Filter{}) {
		if ev.Seq > seq {
			out = append(out, strings.Join(strings.Fields(fmt.Sprint(ev.Action, " ", ev.Key)), " "))
		}
	}
	return out
}

func (h *house) wantEvents(since uint64, want ...string) {
	h.t.Helper()
	if got := h.newest(since); !slices.Equal(got, want) {
		h.t.Errorf("in the trail stands\n\t%q, want\n\t%q", got, want)
	}
}

func TestApprovalOpensWhatWasAskedFor(t *testing.T) {
	d := newDesk(t)
	wild := d.token(d.mia.APIKey, "secrets:read:*") // older than the approval
	want := api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}}
	read := func(text, p string) error { _, err := d.get(text, p); return err }

	at := d.last().Seq
	id := d.askFor(d.mia.APIKey, want)
	d.wantEvents(at, "approval.request SENSITIVE", "secret.read.denied SENSITIVE")
	if again := d.askFor(d.mia.APIKey, want); again != id {
		t.Errorf("the same wish again is %s, it was %s", again, id)
	}
	if n := len(d.trail(audit.Filter{Action: string(audit.ApprovalRequest)})); n != 1 {
		t.Errorf("%d requests in the trail", n)
	}
	d.wantStatus(id, api.ApprovalPending)
	byToken := d.asked("the older token", read(wild.Token, sensitive))

	got := d.mustApprove(id)
	now := d.clock.Now()
	if got.Status != api.ApprovalApproved || got.DecidedBy == nil || *got.DecidedBy != "ada" || got.DeniedAt != nil ||
		got.ApprovedAt == nil || !got.ApprovedAt.Equal(now) || !got.ExpiresAt.Equal(now.Add(time.Hour)) {
		t.Errorf("approved, it is %+v", got)
	}
	if ev := d.last(); ev.Action != audit.ApprovalApprove || ev.Approval != id || ev.Actor.Name != "ada" || ev.Subject.Name != "mia" {
		t.Errorf("the event of it is %+v", ev.Event)
	}
	for what, text := range map[string]string{
		"a token for it": d.issue(d.mia.APIKey, want).Token, "the older token": wild.Token, "the key": d.mia.APIKey,
	} {
		d.mustGet(text, sensitive, "value of sensitive")
		if ev := d.last(); ev.Action != audit.SecretRead || ev.Approval != id {
			t.Errorf("%s: the read is %s resting on %q, want %s", what, ev.Action, ev.Approval, id)
		}
	}

	// It opens nothing else, and for nobody else.
	d.asked("another path", read(d.mia.APIKey, guarded))
	d.asked("another agent", read(d.max.APIKey, sensitive))
	narrow := d.token(d.mia.APIKey, "secrets:read:"+plain)
	wantCode(t, "a token that does not cover it", read(narrow.Token, sensitive), api.CodeScopeDenied)
	// The other wish is still open: it is a request of its own.
	d.wantStatus(byToken, api.ApprovalPending)
}

// TestRequestTellsWhatIsAsked: all that an owner looks at comes from the daemon.
func TestRequestTellsWhatIsAsked(t *testing.T) {
	d := newDesk(t)
	id := d.askFor(d.mia.APIKey, api.TokenRequest{
		Scopes:  []string{"secrets:write:" + critical, "secrets:read:" + sensitive, "secrets:read:" + plain},
		MaxUses: ptr(3), IPAllowlist: []string{"local"},
	})
	now := d.clock.Now()
	got := d.request(id)
	want := []string{"secrets:write:" + critical, "secrets:read:" + sensitive}
	if !slices.Equal(got.RequestedScopes, want) || got.AccessTier != "critical" || got.AgentID != "mia" || got.ActorID != d.mia.ID ||
		got.MaxUses != 3 || !slices.Equal(got.IPAllowlist, []string{"local"}) || got.Source != "local uid 1000" ||
		!got.CreatedAt.Equal(now) || !got.ExpiresAt.Equal(now.Add(time.Hour)) || got.DecidedBy != nil || got.Reason != nil {
		t.Errorf("it is %+v", got)
	}
	events := d.trail(audit.Filter{Action: string(audit.ApprovalRequest)})
	if len(events) != len(want) {
		t.Fatalf("%d events tell of it", len(events))
	}
	for _, ev := range events { // one for each act, found by its namespace
		act := fmt.Sprintf("secrets:%s:%s/%s", strings.Fields(strings.ReplaceAll(ev.Reason, ",", ""))[1], ev.Namespace, ev.Key)
		if ev.Approval != id || ev.Actor.ID != d.mia.ID || !slices.Contains(want, act) || !strings.Contains(ev.Reason, " of 2 in "+got.Digest) {
			t.Errorf("its event is %+v", ev.Event)
		}
	}
	later := d.askToRead(d.max.APIKey, guarded)
	for status, ids := range map[string][]string{"": {later, id}, "pending": {later, id}, "approved": nil, "denied": nil, "expired": nil} {
		d.wantListed(status, ids...)
	}
	d.clock.advance(time.Minute)
	if _, err := d.v.Deny(ctx, d.as(d.owner), later, api.ApprovalDecision{Reason: "not today"}); err != nil {
		t.Fatal(err)
	}
	d.mustApprove(id)
	d.wantListed("pending")
	d.wantListed("approved", id)
	d.wantListed("denied", later)
	got = d.request(later)
	if got.Status != api.ApprovalDenied || got.DeniedAt == nil || got.ApprovedAt != nil || got.Reason == nil || *got.Reason != "not today" {
		t.Errorf("denied, it is %+v", got)
	}
	if ev := d.trail(audit.Filter{Action: string(audit.ApprovalDeny)})[0]; !strings.HasSuffix(ev.Reason, ": not today") || ev.Approval != later {
		t.Errorf("the event of it is %+v", ev.Event)
	}
	for _, bad := range []string{"two\nlines", strings.Repeat("x", 1025), "bell\a"} {
		_, err := d.v.Approve(ctx, d.as(d.owner), d.askToRead(d.max.APIKey, sensitive), api.ApprovalDecision{Reason: bad})
		wantCode(t, "a reason that is none", err, api.CodeValidation)
	}
}

// wantListed wants the requests of one status to be these, the order of those
// of one instant aside.
func (h *house) wantListed(status string, ids ...string) {
	h.t.Helper()
	list, err := h.v.Approvals(ctx, h.as(h.owner), status)
	if err != nil {
		h.t.Fatal(err)
	}
	var got []string
	for _, a := range list {
		got = append(got, a.ID)
	}
	slices.Sort(got)
	slices.Sort(ids)
	if !slices.Equal(got, ids) {
		h.t.Errorf("%q lists %q, want %q", status, got, ids)
	}
}

// TestThreat17ARequestIsADigest: what differs in anything is another request,
// what says the same in other words is not.
func TestThreat17ARequestIsADigest(t *testing.T) {
	d := newDesk(t)
	one, other := "secrets:read:"+sensitive, "secrets:read:"+guarded
	base := api.TokenRequest{Scopes: []string{one, other}, TTL: ptr(api.TTL(time.Hour)), MaxUses: ptr(2), IPAllowlist: []string{"local", "10.0.0.0/8"}}
	id := d.askFor(d.mia.APIKey, base)
	digest := d.request(id).Digest
	same := base
	for _, scopes := range [][]string{{other, one}, {one, other, one}, {one, "secrets:read:" + plain, other}} {
		same.Scopes = scopes
		if got := d.askFor(d.mia.APIKey, same); got != id {
			t.Errorf("%q is another request than %q", scopes, base.Scopes)
		}
	}
	seen := map[string]string{id: "the first"}
	for what, change := range map[string]func(*api.TokenRequest){
		"one path less":    func(r *api.TokenRequest) { r.Scopes = r.Scopes[:1] },
		"the other path":   func(r *api.TokenRequest) { r.Scopes = r.Scopes[1:] },
		"a longer life":    func(r *api.TokenRequest) { r.TTL = ptr(api.TTL(2 * time.Hour)) },
		"one use more":     func(r *api.TokenRequest) { r.MaxUses = ptr(3) },
		"any use":          func(r *api.TokenRequest) { r.MaxUses = nil },
		"from anywhere":    func(r *api.TokenRequest) { r.IPAllowlist = nil },
		"from a net less":  func(r *api.TokenRequest) { r.IPAllowlist = r.IPAllowlist[:1] },
		"from another net": func(r *api.TokenRequest) { r.IPAllowlist = []string{"local", "11.0.0.0/8"} },
		"another act":      func(r *api.TokenRequest) { r.Scopes = []string{"secrets:write:" + critical} },
		"yet another":      func(r *api.TokenRequest) { r.Scopes = []string{"secrets:delete:" + critical} },
		"and one more act": func(r *api.TokenRequest) { r.Scopes = []string{"secrets:rotate:" + critical} },
	} {
		want := base
		change(&want)
		got := d.askFor(d.mia.APIKey, want)
		if seen[got] != "" || d.request(got).Digest == digest {
			t.Errorf("%s is the same request as %s", what, seen[got])
		}
		seen[got] = what
	}
	if got := d.askFor(d.max.APIKey, base); seen[got] != "" || d.request(got).Digest == digest {
		t.Error("another agent's is the same request")
	}
	// The secret's id is part of it.
	d.mustDelete(d.owner, guarded)
	d.mustPut(d.owner, guarded, "another")
	if got := d.askFor(d.mia.APIKey, base); got == id {
		t.Error("for a secret made anew it is the same request")
	}
}

// TestThreat17WhatWasShown: an approver's client sends the digest that it showed.
func TestThreat17WhatWasShown(t *testing.T) {
	d := newDesk(t)
	id, other := d.askToRead(d.mia.APIKey, sensitive), d.askToRead(d.mia.APIKey, guarded)
	shown := d.request(other).Digest
	at := d.last().Seq
	_, err := d.v.Approve(ctx, d.as(d.owner), id, api.ApprovalDecision{Digest: shown})
	wantCode(t, "approving what was not shown", err, api.CodeConflict)
	_, err = d.v.Deny(ctx, d.as(d.owner), id, api.ApprovalDecision{Digest: shown})
	wantCode(t, "denying what was not shown", err, api.CodeConflict)
	d.wantStatus(id, api.ApprovalPending)
	d.wantEvents(at)
	d.asked("a read", func() error { _, err := d.get(d.mia.APIKey, sensitive); return err }())
	if _, err := d.v.Approve(ctx, d.as(d.owner), id, api.ApprovalDecision{Digest: d.request(id).Digest}); err != nil {
		t.Errorf("what was shown: %v", err)
	}
	d.mustGet(d.mia.APIKey, sensitive, "value of sensitive")
}

func TestDecidedStaysDecided(t *testing.T) {
	d := newDesk(t)
	for _, tc := range []struct {
		status string
		decide func(id string)
		then   api.Code // of a read
	}{
		{api.ApprovalApproved, func(id string) { d.mustApprove(id) }, ""},
		{api.ApprovalDenied, func(id string) { d.mustDeny(id) }, api.CodeScopeDenied},
		{api.ApprovalExpired, func(string) { d.clock.advance(time.Hour) }, api.CodeApprovalRequired},
	} {
		bot := d.agent("bot-"+tc.status, "secrets:*:*")
		id := d.askToRead(bot.APIKey, sensitive)
		tc.decide(id)
		at, was := d.last().Seq, d.request(id)
		_, err := d.approve(id)
		wantCode(t, "approving one "+tc.status, err, api.CodeConflict)
		_, err = d.deny(id)
		wantCode(t, "denying one "+tc.status, err, api.CodeConflict)
		d.wantEvents(at)
		if now := d.request(id); now.Status != tc.status || now.Digest != was.Digest || !now.ExpiresAt.Equal(was.ExpiresAt) {
			t.Errorf("%s, it has become %+v", tc.status, now)
		}
		_, err = d.get(bot.APIKey, sensitive)
		wantCode(t, "a read of one "+tc.status, err, tc.then)
		if tc.then == api.CodeApprovalRequired && d.asked("a read", err) == id {
			t.Errorf("one %s is asked for again", tc.status)
		}
	}
	_, err := d.approve("apr_aaaaaaaa")
	wantCode(t, "approving what there is not", err, api.CodeNotFound)
	_, err = d.deny("apr_aaaaaaaa")
	wantCode(t, "denying what there is not", err, api.CodeNotFound)
}

// TestOnlyOwnersDecide: no agent and no token, not even an owner's, decides.
func TestOnlyOwnersDecide(t *testing.T) {
	d := newDesk(t)
	id := d.askToRead(d.mia.APIKey, sensitive)
	for what, text := range map[string]string{
		"the agent that asks": d.mia.APIKey, "another agent": d.max.APIKey,
		"its token": d.token(d.mia.APIKey, "secrets:*:*").Token, "an owner's token": d.token(d.owner, "secrets:*:*").Token,
	} {
		for action, decide := range map[audit.Action]func() error{
			audit.ApprovalApprove: func() error {
				_, err := d.v.Approve(ctx, d.as(text), id, api.ApprovalDecision{})
				return err
			},
			audit.ApprovalDeny: func() error {
				_, err := d.v.Deny(ctx, d.as(text), id, api.ApprovalDecision{})
				return err
			},
		} {
			wantCode(t, what+": "+string(action), decide(), api.CodeScopeDenied)
		}
		_, err := d.v.Approvals(ctx, d.as(text), "")
		wantCode(t, what+" lists", err, api.CodeScopeDenied)
	}
	for _, action := range []audit.Action{audit.ApprovalApprove, audit.ApprovalDeny, audit.ApprovalList} {
		denied := d.trail(audit.Filter{Action: string(action.Denied())})
		actors := map[string]bool{}
		for _, ev := range denied {
			actors[ev.Actor.Name] = true
			if ev.Outcome != audit.Denied || ev.Reason == "" {
				t.Errorf("a refusal is %+v", ev.Event)
			}
		}
		if len(actors) != 3 {
			t.Errorf("%s: refusals of %v in the trail", action, actors)
		}
	}
	_, err := d.v.Approve(ctx, d.as("ask_live_nobody"), id, api.ApprovalDecision{})
	wantCode(t, "nobody approves", err, api.CodeUnauthorized)
	d.wantStatus(id, api.ApprovalPending)
}

func TestOwnApproval(t *testing.T) {
	d := newDesk(t)
	id := d.askToRead(d.mia.APIKey, sensitive)
	own := func(text, id string) error { _, err := d.v.OwnApproval(ctx, d.as(text), id); return err }
	wantCode(t, "the agent that asks looks", own(d.mia.APIKey, id), "")
	wantCode(t, "an owner looks", own(d.owner, id), "")
	others, none := own(d.max.APIKey, id), own(d.max.APIKey, "apr_aaaaaaaa")
	wantCode(t, "another agent looks", others, api.CodeNotFound)
	wantCode(t, "a request that is not", none, api.CodeNotFound)
	if others.Error() != none.Error() {
		t.Errorf("another agent can tell: %q and %q", others, none)
	}
	wantCode(t, "a token looks", own(d.token(d.mia.APIKey, "secrets:read:*").Token, id), api.CodeScopeDenied)
	d.revokeAgent("mia")
	wantCode(t, "a revoked agent looks", own(d.mia.APIKey, id), api.CodeUnauthorized)
}

// TestThreat17AGrantLapses: it is of the secret that was looked at, as it was,
// for the agent that asked, for an hour.
func TestThreat17AGrantLapses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(d *desk)
		want   api.Code
		value  string
	}{
		{"nothing happens", func(*desk) {}, "", "value of sensitive"},
		{"a new version", func(d *desk) { d.mustPut(d.owner, sensitive, "later") }, "", "later"},
		{"nearly an hour", func(d *desk) { d.clock.advance(time.Hour - time.Millisecond) }, "", "value of sensitive"},
		{"an hour", func(d *desk) { d.clock.advance(time.Hour) }, api.CodeApprovalRequired, ""},
		{"an hour, and the clock put back", func(d *desk) {
			d.clock.advance(time.Hour)
			d.mustPut(d.owner, plain, "v") // time does not go back behind an event
			d.clock.advance(-30 * time.Minute)
		}, api.CodeApprovalRequired, ""},
		{"deleted", func(d *desk) { d.mustDelete(d.owner, sensitive) }, api.CodeSecretNotFound, ""},
		{"deleted and made anew", func(d *desk) {
			d.mustDelete(d.owner, sensitive)
			d.mustPut(d.owner, sensitive, "another")
		}, api.CodeApprovalRequired, ""},
		{"deleted and made anew by the agent", func(d *desk) {
			d.mustDelete(d.mia.APIKey, sensitive)
			d.mustPut(d.mia.APIKey, sensitive, "another")
		}, api.CodeApprovalRequired, ""},
		{"the tier raised", func(d *desk) { d.mustPut(d.owner, sensitive, "v", tier("critical")) }, api.CodeApprovalRequired, ""},
		{"the tier raised and lowered again", func(d *desk) {
			d.mustPut(d.owner, sensitive, "v", tier("critical"))
			d.mustPut(d.owner, sensitive, "v", lowerTo("sensitive"))
		}, api.CodeApprovalRequired, ""},
		{"the agent revoked", func(d *desk) { d.revokeAgent("mia") }, api.CodeUnauthorized, ""},
		{"the agent revoked and another of its name made", func(d *desk) {
			d.revokeAgent("mia")
			d.mia = d.agent("mia", "secrets:*:*")
		}, api.CodeApprovalRequired, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDesk(t)
			wild := d.issue(d.mia.APIKey, api.TokenRequest{Scopes: []string{"secrets:read:*"}, TTL: ptr(api.TTL(24 * time.Hour))})
			id := d.askToRead(d.mia.APIKey, sensitive)
			d.mustApprove(id)
			d.mustGet(wild.Token, sensitive, "value of sensitive")
			key := d.mia.APIKey
			tc.change(d)
			got, err := d.get(d.mia.APIKey, sensitive)
			wantCode(t, "the key reads", err, tc.want)
			if got != tc.value {
				t.Errorf("it reads %q, want %q", got, tc.value)
			}
			if key == d.mia.APIKey {
				_, err = d.get(wild.Token, sensitive)
				wantCode(t, "the token reads", err, tc.want)
			}
		})
	}
}

// TestThreat17ApproveWhatIsThere: what has changed since it was asked for is not
// what an owner has looked at.
func TestThreat17ApproveWhatIsThere(t *testing.T) {
	for name, change := range map[string]func(d *desk){
		"deleted": func(d *desk) { d.mustDelete(d.owner, sensitive) },
		"made anew": func(d *desk) {
			d.mustDelete(d.owner, sensitive)
			d.mustPut(d.owner, sensitive, "another")
		},
		"the tier raised": func(d *desk) { d.mustPut(d.owner, sensitive, "v", tier("critical")) },
		"the tier raised and lowered again": func(d *desk) {
			d.mustPut(d.owner, sensitive, "v", tier("critical"))
			d.mustPut(d.owner, sensitive, "v", lowerTo("sensitive"))
		},
		"the tier lowered":  func(d *desk) { d.mustPut(d.owner, sensitive, "v", lowerTo("standard")) },
		"the agent revoked": func(d *desk) { d.revokeAgent("mia") },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			id := d.askFor(d.mia.APIKey, api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive, "secrets:read:" + guarded}})
			change(d)
			at := d.last().Seq
			_, err := d.approve(id)
			wantCode(t, "approving it", err, api.CodeConflict)
			d.wantEvents(at)
			if n := len(d.keys("grants")); n != 0 {
				t.Errorf("%d grants were opened", n)
			}
			_, err = d.deny(id)
			wantCode(t, "denying it", err, "")
			d.wantStatus(id, api.ApprovalDenied)
		})
	}
}

// once are the acts that an approval is good for one of.
var once = map[string]struct {
	scope string
	act   func(d *desk, text string, n int) error
}{
	"write":  {"secrets:write:", func(d *desk, text string, n int) error { _, err := d.put(text, critical, fmt.Sprint(n)); return err }},
	"delete": {"secrets:delete:", func(d *desk, text string, _ int) error { return d.delete(text, critical) }},
	"rotate": {"secrets:rotate:", func(d *desk, text string, _ int) error {
		_, err := d.rotate(text, critical, api.SecretRotate{})
		return err
	}},
	"rotate to a value": {"secrets:write:", func(d *desk, text string, n int) error {
		_, err := d.rotate(text, critical, api.SecretRotate{Value: ptr(fmt.Sprint(n))})
		return err
	}},
}

func TestThreat17OneApprovalOneChange(t *testing.T) {
	for name, tc := range once {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			wild := d.token(d.mia.APIKey, "secrets:*:*")
			id := d.asked(name, tc.act(d, wild.Token, 1))
			d.wantScopes(id, tc.scope+critical)
			d.mustApprove(id)
			for other, oc := range once {
				if oc.scope != tc.scope {
					d.asked(other+", which was not approved", oc.act(d, wild.Token, 1))
				}
			}
			d.issue(d.mia.APIKey, api.TokenRequest{Scopes: []string{tc.scope + critical}}) // uses up nothing
			if err := tc.act(d, wild.Token, 1); err != nil {
				t.Fatalf("approved: %v", err)
			}
			if n := len(d.keys("grants")); n != 0 {
				t.Errorf("%d grants are left", n)
			}
			if name == "delete" {
				d.mustPut(d.owner, critical, "again")
			}
			if again := d.asked("once more", tc.act(d, wild.Token, 2)); again == id {
				t.Error("the request that was approved is asked for again")
			}
		})
	}
}

func (h *house) wantScopes(id string, want ...string) {
	h.t.Helper()
	if got := h.request(id).RequestedScopes; !slices.Equal(got, want) {
		h.t.Errorf("request %s is for %q, want %q", id, got, want)
	}
}

// An act that changes nothing uses up nothing.
func TestAFailedActUsesUpNothing(t *testing.T) {
	d := newDesk(t)
	d.mustDelete(d.owner, critical)
	id := d.asked("deleting what is not there", d.delete(d.mia.APIKey, critical))
	d.mustApprove(id)
	for range 2 {
		wantCode(t, "deleting what is not there", d.delete(d.mia.APIKey, critical), api.CodeSecretNotFound)
	}
	if n := len(d.keys("grants")); n != 1 {
		t.Errorf("%d grants are left, want 1", n)
	}
}

// TestThreat17OneApprovalOneChangeRaced: of many that act at once, by key and by
// token, exactly one rests on the approval.
func TestThreat17OneApprovalOneChangeRaced(t *testing.T) {
	const many = 16
	for name, tc := range once {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			texts := []string{d.mia.APIKey}
			for range 3 {
				texts = append(texts, d.token(d.mia.APIKey, "secrets:*:*").Token)
			}
			id := d.asked(name, tc.act(d, d.mia.APIKey, 0))
			d.mustApprove(id)
			won := d.race(many, func(n int) error { return tc.act(d, texts[n%len(texts)], n) })
			if won != 1 {
				t.Errorf("%d of %d won", won, many)
			}
			if n := d.resting(id); n != 1 {
				t.Errorf("%d acts in the trail rest on the approval", n)
			}
		})
	}
}

// race runs act so often at once and returns how often it was allowed; the others
// are to be asked to wait for an approval, or find nothing.
func (d *desk) race(n int, act func(n int) error) (won int) {
	d.t.Helper()
	errs := make([]error, n)
	var ready, done sync.WaitGroup
	ready.Add(1)
	for i := range n {
		done.Go(func() {
			ready.Wait()
			errs[i] = act(i)
		})
	}
	ready.Done()
	done.Wait()
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case api.CodeOf(err) != api.CodeApprovalRequired:
			d.t.Errorf("one of %d: %v", n, err)
		}
	}
	return won
}

// resting is how many acts that succeeded rest on an approval, other than its own.
func (h *house) resting(id string) (n int) {
	h.t.Helper()
	for _, ev := range h.trail(audit.Filter{}) {
		if ev.Approval == id && ev.Outcome == audit.OK && strings.HasPrefix(string(ev.Action), "secret.") {
			n++
		}
	}
	return n
}

// TestThreat17TermsBindReads: what a token was asked to be bound to binds what
// was approved for it, whatever it is read with.
func TestThreat17TermsBindReads(t *testing.T) {
	t.Run("max_uses", func(t *testing.T) {
		d := newDesk(t)
		wild := d.token(d.mia.APIKey, "secrets:read:*")
		want := api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, MaxUses: ptr(3)}
		d.mustApprove(d.askFor(d.mia.APIKey, want))
		d.mustGet(wild.Token, sensitive, "value of sensitive")
		d.mustGet(d.mia.APIKey, sensitive, "value of sensitive")
		d.mustGet(d.issue(d.mia.APIKey, want).Token, sensitive, "value of sensitive")
		d.asked("a fourth read", func() error { _, err := d.get(wild.Token, sensitive); return err }())
		d.askFor(d.mia.APIKey, want)
	})
	t.Run("max_uses of several", func(t *testing.T) {
		d := newDesk(t)
		want := api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive, "secrets:read:" + guarded}, MaxUses: ptr(2)}
		d.mustApprove(d.askFor(d.mia.APIKey, want))
		d.mustGet(d.mia.APIKey, guarded, "value of guarded")
		d.mustGet(d.mia.APIKey, sensitive, "value of sensitive")
		d.asked("a third read", func() error { _, err := d.get(d.mia.APIKey, guarded); return err }())
	})
	t.Run("addresses are kept as they are read", func(t *testing.T) {
		d := newDesk(t)
		long := "::1%" + strings.Repeat("only this host ", 1000)
		id := d.askFor(d.mia.APIKey, api.TokenRequest{
			Scopes: []string{"secrets:read:" + sensitive}, IPAllowlist: []string{long, "::ffff:10.0.0.0/104", "10.0.0.7/8", "local", "::1"},
		})
		if got := d.request(id).IPAllowlist; !slices.Equal(got, []string{"local", "::1", "10.0.0.0/8"}) {
			t.Errorf("an approver is shown %q", got)
		}
	})
	t.Run("max_uses raced", func(t *testing.T) {
		d := newDesk(t)
		want := api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, MaxUses: ptr(5)}
		id := d.askFor(d.mia.APIKey, want)
		d.mustApprove(id)
		won := d.race(24, func(int) error { _, err := d.get(d.mia.APIKey, sensitive); return err })
		if n := d.resting(id); won != 5 || n != 5 {
			t.Errorf("%d reads, %d in the trail, want 5", won, n)
		}
	})
	t.Run("ip_allowlist", func(t *testing.T) {
		d := newDesk(t)
		wild := d.token(d.mia.APIKey, "secrets:read:*")
		want := api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, IPAllowlist: []string{"10.0.0.0/8", "2001:db8::/32"}}
		id := d.askFor(d.mia.APIKey, want)
		d.mustApprove(id)
		for from, want := range map[vault.Origin]api.Code{
			remote("10.9.8.7"): "", remote("2001:db8::1"): "",
			remote("11.0.0.1"): api.CodeApprovalRequired, remote("2001:db9::1"): api.CodeApprovalRequired,
			local(1000): api.CodeApprovalRequired,
		} {
			for _, text := range []string{wild.Token, d.mia.APIKey} {
				_, err := d.read(d.from(text, from), sensitive, 0)
				wantCode(t, "a read from "+from.Source.String(), err, want)
			}
		}
	})
}

// TestAskingForSeveral: all that waits is one request; what is beyond reach
// refuses the whole and opens nothing.
func TestAskingForSeveral(t *testing.T) {
	d := newDesk(t)
	bot := d.limited("bot", []string{"production"}, "secrets:read:*")
	for _, scopes := range [][]string{
		{"secrets:read:" + sensitive, "secrets:read:" + hidden},
		{"secrets:read:" + hidden, "secrets:read:" + sensitive},
		{"secrets:read:" + sensitive, "secrets:write:" + plain},
		{"secrets:read:" + sensitive, "secrets:read:*"},
	} {
		_, err := d.v.IssueToken(ctx, d.as(bot.APIKey), api.TokenRequest{Scopes: scopes})
		wantCode(t, fmt.Sprint(scopes), err, api.CodeScopeDenied)
	}
	if n := len(d.keys("approvals")) + len(d.keys("wishes")); n != 0 || len(d.trail(audit.Filter{Action: string(audit.ApprovalRequest)})) != 0 {
		t.Errorf("%d records of requests were made", n)
	}
	want := api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive, "secrets:read:" + plain, "secrets:read:" + guarded}}
	id := d.askFor(bot.APIKey, want)
	d.wantScopes(id, "secrets:read:"+guarded, "secrets:read:"+sensitive)
	d.mustApprove(id)
	tok := d.issue(bot.APIKey, want)
	d.mustGet(tok.Token, sensitive, "value of sensitive")
	d.mustGet(tok.Token, guarded, "value of guarded")
	d.mustGet(tok.Token, plain, "value of plain")
}

func TestTooManyRequests(t *testing.T) {
	const most = 32
	d := newDesk(t)
	wish := func(who string, n int) (string, error) {
		_, err := d.v.IssueToken(ctx, d.as(who), api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, MaxUses: ptr(n + 1)})
		if api.CodeOf(err) == api.CodeApprovalRequired {
			return d.asked("a wish", err), nil
		}
		return "", err
	}
	var ids []string
	for n := range most {
		id, err := wish(d.mia.APIKey, n)
		if err != nil {
			t.Fatalf("wish %d: %v", n, err)
		}
		ids = append(ids, id)
	}
	for range 3 {
		_, err := wish(d.mia.APIKey, most)
		var e *api.Error
		if !errors.As(err, &e) || e.Code != api.CodeRateLimited || e.RetryAfter < 1 || e.ApprovalID != "" {
			t.Fatalf("one wish more: %v", err)
		}
		_, err = d.get(d.mia.APIKey, guarded)
		wantCode(t, "a read that needs one more", err, api.CodeRateLimited)
	}
	if a, w := len(d.keys("approvals")), len(d.keys("wishes")); a != most || w != most {
		t.Errorf("%d requests and %d wishes are kept, want %d", a, w, most)
	}
	if id, err := wish(d.mia.APIKey, 7); err != nil || id != ids[7] {
		t.Errorf("one that is open is %s, %v, want %s", id, err, ids[7])
	}
	if _, err := wish(d.max.APIKey, 0); err != nil {
		t.Errorf("another agent's: %v", err)
	}
	for what, decide := range map[string]func(string) error{
		"denied":   func(id string) error { _, err := d.deny(id); return err },
		"approved": func(id string) error { _, err := d.approve(id); return err },
	} {
		if err := decide(ids[0]); err != nil {
			t.Fatal(err)
		}
		ids = ids[1:]
		_, err := d.get(d.mia.APIKey, guarded)
		d.mustDeny(d.asked("after one was "+what+", a read", err))
		d.clock.advance(2 * time.Minute) // the next one may be asked for
	}
	d.clock.advance(time.Hour) // and none of them is open any more, closed or not
	for n := range most {
		if _, err := wish(d.mia.APIKey, 100+n); err != nil {
			t.Errorf("after an hour, wish %d: %v", n, err)
		}
	}
}

// TestRequestsOutliveARestart: requests and grants are in the file.
func TestRequestsOutliveARestart(t *testing.T) {
	d := newDesk(t)
	open, lasting := d.askToRead(d.mia.APIKey, guarded), d.askToRead(d.mia.APIKey, sensitive)
	d.mustApprove(lasting)
	spent := d.asked("a write", func() error { _, err := d.put(d.mia.APIKey, critical, "x"); return err }())
	d.mustApprove(spent)
	d.mustPut(d.mia.APIKey, critical, "x")
	for range 2 {
		d.reopen()
		d.mustGet(d.mia.APIKey, sensitive, "value of sensitive")
		_, err := d.put(d.mia.APIKey, critical, "y")
		d.asked("a second write", err)
		if again := d.askToRead(d.mia.APIKey, guarded); again != open {
			t.Errorf("the open request is %s, it was %s", again, open)
		}
		if got := d.checked(); got != "ok" {
			t.Fatal(got)
		}
	}
	d.wantStatus(spent, api.ApprovalApproved)
	d.mustApprove(open)
	d.mustGet(d.mia.APIKey, guarded, "value of guarded")
}

// TestGuarantee2EventBesideApproval: what opens or closes a request is named by
// the event that did it.
func TestGuarantee2EventBesideApproval(t *testing.T) {
	d := newDesk(t)
	var id, denied string
	for _, step := range []struct {
		action  audit.Action
		records []string
		act     func()
	}{
		{audit.ApprovalRequest, []string{"approvals", "wishes"}, func() { id = d.asked("a write", d.delete(d.mia.APIKey, critical)) }},
		{audit.ApprovalApprove, []string{"approvals", "grants", "wishes"}, func() { d.mustApprove(id) }},
		{audit.SecretDelete, []string{"grants", "namespaces", "secrets"}, func() { d.mustDelete(d.mia.APIKey, critical) }},
		{audit.ApprovalRequest, []string{"approvals", "wishes"}, func() { denied = d.askToRead(d.mia.APIKey, sensitive) }},
		{audit.ApprovalDeny, []string{"approvals"}, func() { d.mustDeny(denied) }}, // its wish remembers it
		{audit.ApprovalRequest, []string{"approvals", "wishes"}, func() { d.askToRead(d.mia.APIKey, guarded) }},
		{audit.ApprovalExpire, []string{"approvals", "wishes"}, func() {
			d.clock.advance(time.Hour)
			d.sweep()
		}},
		{audit.ApprovalExpire, []string{"wishes"}, func() { // a day after its minute a denial is forgotten
			d.clock.advance(day)
			d.sweep()
		}},
	} {
		at := len(d.onDisk())
		step.act()
		buckets, found := map[string]bool{}, false
		for _, ev := range d.onDisk()[at:] {
			if ev.Action != step.action {
				continue
			}
			found = true
			for name := range ev.Records {
				bucket, _, _ := strings.Cut(name, "/")
				buckets[bucket] = true
			}
		}
		got := []string{}
		for b := range buckets {
			got = append(got, b)
		}
		slices.Sort(got)
		if !found || !slices.Equal(got, step.records) {
			t.Errorf("%s names records of %q, want %q", step.action, got, step.records)
		}
	}
}

// TestThreat01ApprovalsPutBack: older states of requests and grants are genuine
// records; a grant of one agent is none of another.
func TestThreat01ApprovalsPutBack(t *testing.T) {
	only := func(d *desk, bucket, prefix string) place {
		d.t.Helper()
		var found []string
		for _, k := range d.keys(bucket) {
			if strings.HasPrefix(k, prefix) {
				found = append(found, k)
			}
		}
		if len(found) != 1 {
			d.t.Fatalf("%s holds %q under %q", bucket, found, prefix)
		}
		return place{bucket, found[0]}
	}
	write := func(d *desk) error { _, err := d.put(d.mia.APIKey, critical, "x"); return err }
	for _, tc := range []struct {
		name   string
		at     func(d *desk) place // of what is put back, before change
		before func(d *desk) string
		change func(d *desk, id string)
		use    func(d *desk, id string) error
	}{
		{
			"a denied request to pending",
			func(d *desk) place { return only(d, "approvals", "") },
			func(d *desk) string { return d.askToRead(d.mia.APIKey, sensitive) },
			func(d *desk, id string) { d.mustDeny(id) },
			func(d *desk, id string) error { _, err := d.approve(id); return err },
		},
		{
			"an approved request to pending",
			func(d *desk) place { return only(d, "approvals", "") },
			func(d *desk) string { return d.askToRead(d.mia.APIKey, sensitive) },
			func(d *desk, id string) { d.mustApprove(id) },
			func(d *desk, id string) error { _, err := d.deny(id); return err },
		},
		{
			"the wish of the first of two denials",
			func(d *desk) place { return only(d, "wishes", "") },
			func(d *desk) string {
				id := d.askToRead(d.mia.APIKey, sensitive)
				d.mustDeny(id)
				return id
			},
			func(d *desk, _ string) {
				d.clock.advance(time.Minute)
				d.mustDeny(d.askToRead(d.mia.APIKey, sensitive))
			},
			func(d *desk, _ string) error { _, err := d.get(d.mia.APIKey, sensitive); return err },
		},
		{
			"the wish of an approved request",
			func(d *desk) place { return only(d, "wishes", "") },
			func(d *desk) string { return d.askToRead(d.mia.APIKey, sensitive) },
			func(d *desk, id string) {
				d.mustApprove(id)
				d.clock.advance(time.Hour) // what it opened is over
			},
			func(d *desk, _ string) error {
				_, err := d.get(d.mia.APIKey, sensitive)
				if api.CodeOf(err) == api.CodeApprovalRequired {
					return nil
				}
				return err
			},
		},
		{
			"a used-up grant",
			func(d *desk) place { return only(d, "grants", "") },
			func(d *desk) string {
				id := d.asked("a write", write(d))
				d.mustApprove(id)
				return id
			},
			func(d *desk, _ string) { d.mustPut(d.mia.APIKey, critical, "once") },
			func(d *desk, _ string) error { return write(d) },
		},
		{
			"a request with a use left",
			func(d *desk) place { return only(d, "approvals", "") },
			func(d *desk) string {
				id := d.askFor(d.mia.APIKey, api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, MaxUses: ptr(2)})
				d.mustApprove(id)
				return id
			},
			func(d *desk, _ string) { d.mustGet(d.mia.APIKey, sensitive, "value of sensitive") },
			func(d *desk, _ string) error { _, err := d.get(d.mia.APIKey, sensitive); return err },
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDesk(t)
			id := tc.before(d)
			at := tc.at(d)
			older := d.raw(at.bucket, at.key)
			tc.change(d, id)
			d.close()
			d.setRaw(map[place][]byte{at: older})
			wantProblem(t, d.verify(), "record "+at.bucket+"/"+at.key+": put back")
			d.open()
			if got := d.checked(); !strings.Contains(got, "put back") {
				t.Errorf("the check of the chain ends with %q", got)
			}
			if tc.use(d, id) == nil {
				t.Error("it is used")
			}
		})
		t.Run(tc.name+", used before the check", func(t *testing.T) {
			d := newDesk(t)
			id := tc.before(d)
			at := tc.at(d)
			older := d.raw(at.bucket, at.key)
			tc.change(d, id)
			d.close()
			d.setRaw(map[place][]byte{at: older})
			v, err := vault.OpenUnchecked(d.cfg)
			if err != nil {
				t.Fatal(err)
			}
			d.v = v
			tc.use(d, id) //nolint:errcheck // what counts is that it is found
			d.close()
			wantProblem(t, d.verify(), "record "+at.bucket+"/"+at.key)
		})
	}
	t.Run("another agent's grant", testForeignGrant)
	t.Run("the wish of a denied request removed", testWishRemoved)
	t.Run("running", testApprovalsPutBackWhileRunning)
}

// testWishRemoved: to forget a denial by hand is found.
func testWishRemoved(t *testing.T) {
	d := newDesk(t)
	d.mustDeny(d.askToRead(d.mia.APIKey, sensitive))
	wish := d.keys("wishes")[0]
	d.close()
	d.removeRaw(place{"wishes", wish})
	wantProblem(t, d.verify(), "record wishes/"+wish+": missing")
	v, err := vault.OpenUnchecked(d.cfg)
	if err != nil {
		t.Fatal(err)
	}
	d.v = v
	d.get(d.mia.APIKey, sensitive) //nolint:errcheck // what counts is that it is found
	d.close()
	wantProblem(t, d.verify(), "record wishes/"+wish)
}

func testForeignGrant(t *testing.T) {
	d := newDesk(t)
	d.mustApprove(d.askToRead(d.max.APIKey, sensitive))
	theirs := d.keys("grants")[0]
	mine := strings.Replace(theirs, d.max.ID, d.mia.ID, 1)
	d.close()
	d.setRaw(map[place][]byte{{"grants", mine}: d.raw("grants", theirs)})
	wantProblem(t, d.verify(), "record grants/"+mine+": inserted")
	v, err := vault.OpenUnchecked(d.cfg)
	if err != nil {
		t.Fatal(err)
	}
	d.v = v
	_, err = d.get(d.mia.APIKey, sensitive)
	wantTampered(t, "a read that rests on another's grant", err, "record grants/"+mine)
}

// testApprovalsPutBackWhileRunning edits the file under the running vault.
func testApprovalsPutBackWhileRunning(t *testing.T) {
	d := newDesk(t)
	id := d.askToRead(d.mia.APIKey, sensitive)
	pending := d.raw("approvals", id)
	if _, err := d.deny(id); err != nil {
		t.Fatal(err)
	}
	denied := d.raw("approvals", id)
	d.swap(id, denied, pending)
	if got := d.raw("approvals", id); !bytes.Equal(got, pending) {
		t.Fatal("nothing was put back")
	}
	_, err := d.approve(id)
	wantTampered(t, "approving what was denied", err, "record approvals/"+id)
	d.setLive(id, pending, denied)

	want := api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, MaxUses: ptr(2)}
	request := d.askFor(d.mia.APIKey, want)
	d.mustApprove(request)
	unused := d.raw("approvals", request)
	d.mustGet(d.mia.APIKey, sensitive, "value of sensitive")
	used := d.raw("approvals", request)
	d.swap(request, used, unused)
	_, err = d.get(d.mia.APIKey, sensitive)
	wantTampered(t, "a use given back", err, "record approvals/"+request)
	d.setLive(request, unused, used)

	d.patch(used, replaced(t, used, `"used":1`, `"used":0`))
	_, err = d.get(d.mia.APIKey, sensitive)
	wantTampered(t, "a use less", err, "record approvals/"+request)
	d.patch(replaced(t, used, `"used":1`, `"used":0`), used)
	d.mustGet(d.mia.APIKey, sensitive, "value of sensitive")
}
