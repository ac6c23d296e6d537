package vault_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

// The part of the model that knows of approvals and rotation.

// mWish is one act that waits.
type mWish struct{ action, path string }

// mTerms are what a token that was asked for would have been bound to.
type mTerms struct {
	ttl  time.Duration
	uses int
}

type mApproval struct {
	id, wish string // the latter says all that is asked for
	who      *mAgent
	wants    []mWish
	secrets  []string // as each was when it was asked for
	uses     int
	expires  time.Time
	status   string // as decided or closed; "" while it waits
}

// mGrant is one act that an owner has approved.
type mGrant struct {
	approval string
	who      *mAgent
	want     mWish
	secret   string
	until    time.Time
	uses     int // left; 0: no limit
}

// needs reports whether an agent needs an approval.
func needs(action, tier string) bool {
	return tier == "critical" || tier == "sensitive" && action == "read"
}

// state is what an approval of something at p is bound to.
func (m *model) state(p string) string {
	s := m.secrets[p]
	if s == nil {
		return "never was"
	}
	if !s.exists {
		return "gone " + s.tier
	}
	return s.id + " " + s.tier
}

// granted is the grant that the act would rest on: of several, the one of the
// request whose id comes first.
func (m *model) granted(who *mAgent, action, p string) (found *mGrant) {
	now := m.now()
	for _, g := range m.grants {
		if g.who == who && g.want == (mWish{action, p}) && g.secret == m.state(p) && now.Before(g.until) &&
			(found == nil || g.approval < found.approval) {
			found = g
		}
	}
	return found
}

// spend uses up a grant, if the act just done has rested on one. It is to be
// called before anything in the model changes.
func (m *model) spend(c mCaller, action, p string) {
	if c.who.owner || !needs(action, m.tier(p)) {
		return
	}
	if g := m.granted(c.who, action, p); g != nil && g.uses > 0 {
		if g.uses--; g.uses == 0 {
			m.grants = slices.DeleteFunc(m.grants, func(o *mGrant) bool { return o == g })
		}
	}
}

// waits checks which request a refusal names, if it names one.
func (m *model) waits(t *rapid.T, who *mAgent, err error, on mTerms, wants ...mWish) {
	var e *api.Error
	if !errors.As(err, &e) || e.Code != api.CodeApprovalRequired {
		return
	}
	slices.SortFunc(wants, func(x, y mWish) int { return strings.Compare(x.path+":"+x.action, y.path+":"+y.action) })
	wants = slices.Compact(wants)
	secrets := make([]string, len(wants))
	for i, w := range wants {
		secrets[i] = m.state(w.path)
	}
	wish := fmt.Sprint(who.id, wants, secrets, on)
	now := m.now()
	for _, a := range m.asked {
		switch {
		case a.id == e.ApprovalID && (a.wish != wish || a.status != "" || !now.Before(a.expires)):
			t.Fatalf("%q is answered with request %s of %q, which is %q", wish, a.id, a.wish, a.status)
		case a.id == e.ApprovalID:
			return
		case a.wish == wish && a.status == "" && now.Before(a.expires):
			t.Fatalf("%q is request %s, and %s waits", wish, e.ApprovalID, a.id)
		case a.wish == wish && a.status == "": // asking anew has closed it
			a.status = api.ApprovalExpired
			m.done[audit.ApprovalExpire]++
		}
	}
	m.done[audit.ApprovalRequest]++
	m.asked = append(m.asked, &mApproval{
		id: e.ApprovalID, wish: wish, who: who, wants: wants, secrets: secrets, uses: on.uses, expires: now.Add(time.Hour),
	})
}

// missing are the acts among scopes that wait for an approval.
func (m *model) missing(by *mAgent, scopes []string) (wants []mWish) {
	for _, s := range scopes {
		if m.mayCarry(by, s) == api.CodeApprovalRequired {
			p := parseScope(s)
			wants = append(wants, mWish{p.action, p.where})
		}
	}
	return wants
}

func (m *model) approve(t *rapid.T) { m.decide(t, api.ApprovalApproved, audit.ApprovalApprove) }
func (m *model) deny(t *rapid.T)    { m.decide(t, api.ApprovalDenied, audit.ApprovalDeny) }

func (m *model) decide(t *rapid.T, as string, action audit.Action) {
	if len(m.asked) == 0 {
		t.Skip("no requests")
	}
	by := m.agents[0]
	if rapid.IntRange(0, 4).Draw(t, "whoever") == 0 {
		by = m.drawKey(t)
	}
	a := m.asked[len(m.asked)-1-rapid.IntRange(0, len(m.asked)-1).Draw(t, "request")]
	expect := ownersAct(by)
	now := m.now()
	switch {
	case expect != "":
	case a.status != "", !now.Before(a.expires):
		expect = api.CodeConflict
	case as == api.ApprovalApproved && (a.who.revoked || m.changed(a)):
		expect = api.CodeConflict
	}
	decide := m.h.v.Approve
	if as == api.ApprovalDenied {
		decide = m.h.v.Deny
	}
	got, err := decide(ctx, m.h.as(by.key), a.id, api.ApprovalDecision{})
	wantCode(t, string(action)+" of "+a.wish, err, expect)
	if err != nil {
		return
	}
	if got.Status != as || got.ID != a.id || got.ActorID != a.who.id || len(got.RequestedScopes) != len(a.wants) {
		t.Fatalf("%s, it is %+v", as, got)
	}
	m.done[action]++
	a.status = as
	if as == api.ApprovalApproved {
		m.open(a, now)
	}
}

// changed reports whether something that a is about is not what it was.
func (m *model) changed(a *mApproval) bool {
	for i, w := range a.wants {
		if m.state(w.path) != a.secrets[i] {
			return true
		}
	}
	return false
}

func (m *model) open(a *mApproval, now time.Time) {
	for i, w := range a.wants {
		uses := a.uses
		if w.action != "read" {
			uses = 1
		}
		m.grants = append(m.grants, &mGrant{a.id, a.who, w, a.secrets[i], now.Add(time.Hour), uses})
	}
}

// listApprovals compares what owners see. A listing goes by the wall clock.
func (m *model) listApprovals(t *rapid.T) {
	list, err := m.h.v.Approvals(ctx, m.h.as(m.agents[0].key), "")
	if err != nil {
		t.Fatalf("listing requests: %v", err)
	}
	now := m.h.clock.Now()
	var got, want []string
	for _, a := range list {
		got = append(got, a.ID+" "+a.Status+" "+a.ActorID)
	}
	for _, a := range m.asked {
		status := a.status
		switch {
		case status == "" && now.Before(a.expires):
			status = api.ApprovalPending
		case status == "":
			status = api.ApprovalExpired
		}
		want = append(want, a.id+" "+status+" "+a.who.id)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("requests are %q, want %q", got, want)
	}
}

// sweep closes what has expired by the wall clock.
func (m *model) sweep(t *rapid.T) {
	if err := m.h.v.Sweep(ctx); err != nil {
		t.Fatalf("sweeping: %v", err)
	}
	now := m.h.clock.Now()
	for _, a := range m.asked {
		if a.status == "" && !now.Before(a.expires) {
			a.status = api.ApprovalExpired
			m.done[audit.ApprovalExpire]++
		}
	}
}

func (m *model) rotate(t *rapid.T) { m.rotateAs(t, m.drawCaller(t), m.drawPath(t)) }

func (m *model) rotateAs(t *rapid.T, c mCaller, p string) {
	value := rapid.StringMatching(`[a-z]{0,6}`).Draw(t, "value")
	s := m.secrets[p]
	expect := m.may(c, "write", p, m.tier(p))
	if expect == "" && (s == nil || !s.exists) {
		expect = api.CodeSecretNotFound
	}
	info, err := m.h.rotate(c.text(), p, to(value))
	wantCode(t, "rotate "+p, err, expect)
	if err != nil {
		m.waits(t, c.who, err, mTerms{}, mWish{"write", p})
		return
	}
	m.used(c, audit.SecretRotate)
	m.spend(c, "write", p)
	m.newVersion(t, s, info, value)
	if info.AccessTier != s.tier || info.Version != s.current {
		t.Fatalf("rotate %s is answered %+v, want tier %s and version %d", p, info, s.tier, s.current)
	}
}

// use does, once or more, what a request asks for, as the agent that asks.
func (m *model) use(t *rapid.T) {
	if len(m.asked) == 0 {
		t.Skip("no requests")
	}
	a := m.asked[len(m.asked)-1-rapid.IntRange(0, len(m.asked)-1).Draw(t, "request")]
	w := a.wants[0]
	for range rapid.IntRange(1, 3).Draw(t, "times") {
		map[string]func(*rapid.T, mCaller, string){
			"read": m.getAs, "write": m.putAs, "delete": m.deleteAs, "rotate": m.flagAs,
		}[w.action](t, mCaller{who: a.who}, w.path)
	}
}

// flag rotates without a value.
func (m *model) flag(t *rapid.T) { m.flagAs(t, m.drawCaller(t), m.drawPath(t)) }

func (m *model) flagAs(t *rapid.T, c mCaller, p string) {
	s := m.secrets[p]
	expect := m.may(c, "rotate", p, m.tier(p))
	if expect == "" && (s == nil || !s.exists) {
		expect = api.CodeSecretNotFound
	}
	info, err := m.h.rotate(c.text(), p, api.SecretRotate{})
	wantCode(t, "flag "+p, err, expect)
	if err != nil {
		m.waits(t, c.who, err, mTerms{}, mWish{"rotate", p})
		return
	}
	m.used(c, audit.SecretRotate)
	m.done[audit.SecretRotationPending]++
	m.spend(c, "rotate", p)
	s.pending = true
	if !info.RotationPending || info.Version != s.current || info.ID != s.id {
		t.Fatalf("flag %s is answered %+v", p, info)
	}
}
