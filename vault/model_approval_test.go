package vault_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// The part of the model that knows of approvals, rules, lockdowns and rotation.

// mWish is one act that waits.
type mWish struct{ action, path string }

// mTerms are what a token that was asked for would have been bound to.
type mTerms struct {
	ttl  time.Duration
	uses int
}

// mNeed is what an approval of one act takes.
type mNeed struct {
	rule      string
	approvals int
	delay     time.Duration
}

// mRule denies, allows or asks for approval of an action ("": all) where it stands, to
// the agent of a name in lower case ("": all). Those with one text are one rule.
type mRule struct{ effect, action, where, agent string }

func (r mRule) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "[[rule]]\neffect = %q\n", r.effect)
	if r.action != "" {
		fmt.Fprintf(&b, "actions = [%q]\n", r.action)
	}
	if r.where != "" {
		where := r.where
		if strings.HasSuffix(where, "/") {
			where += "*"
		}
		fmt.Fprintf(&b, "paths = [%q]\n", where)
	}
	if r.agent != "" {
		fmt.Fprintf(&b, "agents = [%q]\n", strings.ToUpper(r.agent))
	}
	return b.String()
}

type mPolicy struct {
	sensitive, critical int // approvals
	delay               time.Duration
	any                 bool // may lock down
	rules               []mRule
}

func (p *mPolicy) text() string {
	text := ""
	for tier, n := range map[string]int{"critical": p.critical} {
		text += fmt.Sprintf("[tiers.%s]\napprovals = %d\ndelay = \"%s\"\n", tier, n, p.delay)
	}
	text += fmt.Sprintf("[tiers.sensitive]\napprovals = %d\n", p.sensitive)
	if p.any {
		text += "[lockdown]\nby = \"any\"\n"
	}
	for _, r := range p.rules {
		text += r.text()
	}
	return text
}

// terms are the approvals and the delay of a tier; only critical ones have one.
func (p *mPolicy) terms(tier string) (int, time.Duration) {
	if tier == "critical" {
		return p.critical, p.delay
	}
	return p.sensitive, 0
}

var worldPolicies = []*mPolicy{
	{sensitive: 1, critical: 1},
	{sensitive: 1, critical: 2},
	{sensitive: 2, critical: 1, delay: 10 * time.Minute},
	{sensitive: 1, critical: 1, delay: 20 * time.Minute, any: true},
	{sensitive: 1, critical: 1, rules: []mRule{{"deny", "read", "a/", "bot"}}},
	{sensitive: 1, critical: 1, rules: []mRule{{"approve", "", "a/", ""}}},
	{sensitive: 1, critical: 1, rules: []mRule{{"approve", "read", "c/K", ""}, {"approve", "", "a/", ""}}},
	{sensitive: 1, critical: 1, any: true, rules: []mRule{{"allow", "", "a/K", ""}, {"deny", "write", "a/", ""}, {"approve", "read", "", ""}}},
}

// rule is the one that decides on an act.
func (m *model) rule(who *mAgent, action, p string) *mRule {
	if who.owner {
		return nil
	}
	for i, r := range m.policy.rules {
		if r.about(who, action) && within(p, r.where) {
			return &m.policy.rules[i]
		}
	}
	return nil
}

func (r mRule) about(who *mAgent, action string) bool {
	return (r.action == "" || r.action == action) && (r.agent == "" || r.agent == strings.ToLower(who.name))
}

// refuses reports whether a rule denies part of what a scope with a wildcard names.
func (m *model) refuses(who *mAgent, s mScope) bool {
	actions := []string{s.action}
	if s.action == "*" {
		actions = []string{"read", "write", "delete", "rotate"}
	}
	for _, action := range actions {
		for _, r := range m.policy.rules {
			if !r.about(who, action) {
				continue
			}
			if r.effect == "deny" && (within(s.where, r.where) || within(r.where, s.where)) {
				return true
			}
			if r.effect != "deny" && within(s.where, r.where) {
				break
			}
		}
	}
	return false
}

// need is what an approval of an act would take now.
func (m *model) need(who *mAgent, action, p string) (n mNeed) {
	n.approvals, n.delay = m.policy.terms(m.tier(p))
	if r := m.rule(who, action, p); r != nil && r.effect == "approve" {
		n.rule = r.text()
	}
	return n
}

// asks reports whether an agent needs an approval.
func (m *model) asks(who *mAgent, action, p string) bool {
	return m.need(who, action, p).rule != "" || needs(action, m.tier(p))
}

// needs reports whether a tier asks for an approval.
func needs(action, tier string) bool {
	return tier == "critical" || tier == "sensitive" && action == "read"
}

type mApproval struct {
	id, wish string // the latter says all that is asked for
	who      *mAgent
	wants    []mWish
	secrets  []string // as each was when it was asked for
	needs    []mNeed
	uses     int
	locked   int
	expires  time.Time
	votes    []*mAgent
	decided  string // approved, denied, revoked; "" while nobody has
	closed   bool   // an event says that it has expired
	at       time.Time
	until    time.Time
	denials  int // in a row
	recalls  time.Time
}

// status is how it stands at that time.
func (m *model) status(a *mApproval, now time.Time) string {
	switch {
	case a.decided == api.ApprovalApproved && a.locked != m.lockdowns:
		return api.ApprovalExpired
	case a.decided != "":
		return a.decided
	case a.closed, a.locked != m.lockdowns, !now.Before(a.expires):
		return api.ApprovalExpired
	}
	return api.ApprovalPending
}

func (a *mApproval) refusal() time.Duration {
	return refusalsInARow[min(a.denials, len(refusalsInARow))-1]
}

// recalled reports whether denials are known by it.
func (m *model) recalled(a *mApproval, now time.Time) bool {
	switch a.decided {
	case api.ApprovalDenied:
		return now.Before(a.at.Add(a.refusal() + day))
	case "":
		return m.status(a, now) == api.ApprovalExpired && now.Before(a.recalls)
	}
	return false
}

// mGrant is one act that an owner has approved.
type mGrant struct {
	approval    string
	who         *mAgent
	want        mWish
	secret      string
	need        mNeed
	from, until time.Time
	uses        int // left; 0: no limit
	locked      int
}

// state is what an approval of something at p is bound to.
func (m *model) state(w mWish) string {
	if strings.Contains(w.action, ".") {
		return "of owners"
	}
	s := m.secrets[w.path]
	if s == nil {
		return "never was"
	}
	if !s.exists {
		return fmt.Sprint("gone ", s.tier, s.rev)
	}
	return fmt.Sprint(s.id, " ", s.tier, s.rev)
}

// needOf is what an approval of it would take now; of owners' acts, one more owner.
func (m *model) needOf(who *mAgent, w mWish) mNeed {
	if strings.Contains(w.action, ".") {
		return mNeed{approvals: 1}
	}
	return m.need(who, w.action, w.path)
}

// answering are the grants for an act as it would be asked for now, that last.
func (m *model) answering(who *mAgent, w mWish) (found []*mGrant) {
	now, need := m.now(), m.needOf(who, w)
	for _, g := range m.grants {
		if g.who == who && g.want == w && g.secret == m.state(w) && g.locked == m.lockdowns && now.Before(g.until) &&
			g.need.approvals >= need.approvals && g.need.delay >= need.delay && (need.rule == "" || need.rule == g.need.rule) {
			found = append(found, g)
		}
	}
	return found
}

// granted is the grant that the act would rest on: of several, the one of the
// request whose id comes first.
func (m *model) granted(who *mAgent, action, p string) (found *mGrant) {
	now := m.now()
	for _, g := range m.answering(who, mWish{action, p}) {
		if !now.Before(g.from) && (found == nil || g.approval < found.approval) {
			found = g
		}
	}
	return found
}

// spend uses up a grant, if the act just done has rested on one. It is to be
// called before anything in the model changes.
func (m *model) spend(c mCaller, action, p string) {
	if !c.who.owner && m.asks(c.who, action, p) {
		m.spendOne(m.granted(c.who, action, p))
	}
}

func (m *model) spendOne(g *mGrant) {
	if g != nil && g.uses > 0 {
		if g.uses--; g.uses == 0 {
			m.grants = slices.DeleteFunc(m.grants, func(o *mGrant) bool { return o == g })
		}
	}
}

// wish is all that is asked for, with the acts in order.
func (m *model) wish(who *mAgent, on mTerms, wants []mWish) (*mApproval, string) {
	wants = slices.Clone(wants)
	slices.SortFunc(wants, func(x, y mWish) int { return strings.Compare(x.path+":"+x.action, y.path+":"+y.action) })
	a := &mApproval{who: who, wants: slices.Compact(wants), uses: on.uses}
	for _, w := range a.wants {
		a.secrets, a.needs = append(a.secrets, m.state(w)), append(a.needs, m.needOf(who, w))
	}
	a.wish = fmt.Sprintf("%s %q %q %v %v", who.id, a.wants, a.secrets, a.needs, on)
	return a, a.wish
}

// delayed are the ids of the approvals of one of the acts that have not begun.
func (m *model) delayed(who *mAgent, wants []mWish) (ids []string) {
	now := m.now()
	for _, w := range wants {
		for _, g := range m.answering(who, w) {
			if now.Before(g.from) {
				ids = append(ids, g.approval)
			}
		}
	}
	return ids
}

// asking is expect, unless that is to ask for an approval of what was just denied.
func (m *model) asking(who *mAgent, expect api.Code, on mTerms, wants ...mWish) api.Code {
	if expect != api.CodeApprovalRequired || len(m.delayed(who, wants)) > 0 {
		return expect
	}
	_, wish := m.wish(who, on, wants)
	if last := m.wishes[wish]; last != nil && last.decided == api.ApprovalDenied && m.now().Before(last.at.Add(last.refusal())) {
		return api.CodeScopeDenied
	}
	return expect
}

// waits checks which request a refusal names, if it names one.
func (m *model) waits(t *rapid.T, who *mAgent, err error, on mTerms, wants ...mWish) {
	var e *api.Error
	if !errors.As(err, &e) || e.Code != api.CodeApprovalRequired {
		return
	}
	if ids := m.delayed(who, wants); len(ids) > 0 {
		if !slices.Contains(ids, e.ApprovalID) {
			t.Fatalf("%v is answered with request %s, want one of %q", wants, e.ApprovalID, ids)
		}
		return
	}
	a, wish := m.wish(who, on, wants)
	last, now := m.wishes[wish], m.now()
	if last != nil && m.status(last, now) == api.ApprovalPending {
		if last.id != e.ApprovalID {
			t.Fatalf("%q is request %s, and %s waits", wish, e.ApprovalID, last.id)
		}
		return
	}
	if slices.ContainsFunc(m.asked, func(o *mApproval) bool { return o.id == e.ApprovalID }) {
		t.Fatalf("%q is answered with the older request %s", wish, e.ApprovalID)
	}
	if last != nil {
		m.close(last, now) // asking anew has closed it
		if m.recalled(last, now) {
			a.denials, a.recalls = last.denials, last.recalls
			if last.decided != "" {
				a.recalls = last.at.Add(last.refusal() + day)
			}
		}
	}
	a.id, a.expires, a.locked = e.ApprovalID, now.Add(time.Hour), m.lockdowns
	m.done[audit.ApprovalRequest] += len(a.wants)
	m.asked, m.wishes[wish] = append(m.asked, a), a
}

// close says by an event that nobody has answered, where that is so.
func (m *model) close(a *mApproval, now time.Time) (closed bool) {
	if a.decided != "" || a.closed || m.status(a, now) != api.ApprovalExpired {
		return false
	}
	a.closed = true
	m.done[audit.ApprovalExpire] += len(a.wants)
	return true
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

// drawDecider is mostly an owner.
func (m *model) drawDecider(t *rapid.T) *mAgent {
	if rapid.IntRange(0, 4).Draw(t, "whoever") == 0 {
		return m.drawKey(t)
	}
	owners := m.owners()
	return owners[rapid.IntRange(0, len(owners)-1).Draw(t, "owner")]
}

func (m *model) drawRequest(t *rapid.T) *mApproval {
	if len(m.asked) == 0 {
		t.Skip("no requests")
	}
	return m.asked[len(m.asked)-1-rapid.IntRange(0, len(m.asked)-1).Draw(t, "request")]
}

func (m *model) decide(t *rapid.T, as string, action audit.Action) {
	a, by := m.drawRequest(t), m.drawDecider(t)
	now, approves := m.now(), as == api.ApprovalApproved
	expect := m.ownersMay(by, !approves)
	switch {
	case expect != "":
	case m.status(a, now) != api.ApprovalPending:
		expect = api.CodeConflict
	case approves && a.who == by:
		expect = api.CodeScopeDenied
	case approves && (slices.Contains(a.votes, by) || a.who.revoked || m.changed(a)):
		expect = api.CodeConflict
	}
	decide := m.h.v.Approve
	if !approves {
		decide = m.h.v.Deny
	}
	got, err := decide(ctx, m.h.as(by.key), a.id, api.ApprovalDecision{})
	wantCode(t, string(action)+" of "+a.wish, err, expect)
	if err != nil {
		return
	}
	m.done[action] += len(a.wants)
	if approves {
		m.vote(a, by, now)
	} else {
		a.decided, a.at = api.ApprovalDenied, now
		a.denials++
	}
	if got.Status != m.status(a, now) || got.ID != a.id || got.ActorID != a.who.id || len(got.RequestedScopes) != len(a.wants) {
		t.Fatalf("it is %+v, want it %s", got, m.status(a, now))
	}
}

// vote adds one; those of owners who were revoked meanwhile do not count.
func (m *model) vote(a *mApproval, by *mAgent, now time.Time) {
	a.votes = append(slices.DeleteFunc(a.votes, func(o *mAgent) bool { return o.revoked }), by)
	needed, delay := 0, time.Duration(0)
	for _, n := range a.needs {
		needed, delay = max(needed, n.approvals), max(delay, n.delay)
	}
	if len(a.votes) < needed {
		return
	}
	a.decided, a.at = api.ApprovalApproved, now
	a.until = now.Add(delay + time.Hour)
	delete(m.wishes, a.wish)
	for i, w := range a.wants {
		uses := a.uses
		if w.action != "read" {
			uses = 1
		}
		m.grants = append(m.grants, &mGrant{a.id, a.who, w, a.secrets[i], a.needs[i], now.Add(delay), a.until, uses, a.locked})
	}
}

// changed reports whether something that a is about is not what it was, or is not
// asked for as it was.
func (m *model) changed(a *mApproval) bool {
	for i, w := range a.wants {
		if m.state(w) != a.secrets[i] || m.needOf(a.who, w) != a.needs[i] {
			return true
		}
		if r := m.rule(a.who, w.action, w.path); a.secrets[i] != "of owners" && r != nil && r.effect == "deny" {
			return true
		}
	}
	return false
}

func (m *model) revokeApproval(t *rapid.T) {
	a, by := m.drawRequest(t), m.drawDecider(t)
	now, expect := m.now(), m.ownersMay(by, true)
	if expect == "" && (m.status(a, now) != api.ApprovalApproved || !now.Before(a.until)) {
		expect = api.CodeConflict
	}
	_, err := m.h.v.Revoke(ctx, m.h.as(by.key), a.id, api.ApprovalDecision{})
	wantCode(t, "revoking "+a.wish, err, expect)
	if err == nil {
		a.decided = api.ApprovalRevoked
		m.done[audit.ApprovalRevoke] += len(a.wants)
		m.grants = slices.DeleteFunc(m.grants, func(g *mGrant) bool { return g.approval == a.id })
	}
}

// listApprovals compares what owners see. A listing goes by the trail's time.
func (m *model) listApprovals(t *rapid.T) {
	list, err := m.h.v.Approvals(ctx, m.h.as(m.admin().key), "")
	if err != nil {
		t.Fatalf("listing requests: %v", err)
	}
	now := m.now()
	var got, want []string
	for _, a := range list {
		got = append(got, fmt.Sprint(a.ID, a.Status, a.ActorID, len(a.ApprovedBy)))
	}
	for _, a := range m.asked {
		want = append(want, fmt.Sprint(a.id, m.status(a, now), a.who.id, len(a.votes)))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("requests are %q, want %q", got, want)
	}
}

// sweep closes what has expired, and forgets denials.
func (m *model) sweep(t *rapid.T) {
	now := m.now()
	if err := m.h.v.Sweep(ctx); err != nil {
		t.Fatalf("sweeping: %v", err)
	}
	for wish, a := range m.wishes {
		if m.status(a, now) == api.ApprovalPending {
			continue
		}
		closed := m.close(a, now)
		if m.recalled(a, now) {
			continue
		}
		delete(m.wishes, wish)
		if !closed {
			m.done[audit.ApprovalExpire]++
		}
	}
}

// ownersMay is the code of an act that only owners may do.
func (m *model) ownersMay(by *mAgent, inLockdown bool) api.Code {
	if m.locked && !inLockdown && !by.revoked {
		return api.CodeLockedDown
	}
	return ownersAct(by)
}

func (m *model) owners() (living []*mAgent) {
	for _, a := range m.agents {
		if a.owner && !a.revoked {
			living = append(living, a)
		}
	}
	return living
}

// admin is an owner who is still one.
func (m *model) admin() *mAgent { return m.owners()[0] }

// two is expect, unless the act needs the approval of another owner.
func (m *model) two(by *mAgent, expect api.Code, w mWish) api.Code {
	if expect != "" || max(m.policy.sensitive, m.policy.critical) < 2 || len(m.owners()) < 2 || m.granted(by, w.action, w.path) != nil {
		return expect
	}
	return m.asking(by, api.CodeApprovalRequired, mTerms{}, w)
}

// didTwo settles an act of owners that was done or refused.
func (m *model) didTwo(t *rapid.T, by *mAgent, err error, w mWish) {
	if err != nil {
		m.waits(t, by, err, mTerms{}, w)
	} else if max(m.policy.sensitive, m.policy.critical) >= 2 && len(m.owners()) >= 2 {
		m.spendOne(m.granted(by, w.action, w.path))
	}
}

func (m *model) createOwner(t *rapid.T) {
	by, name := m.drawDecider(t), rapid.SampledFrom([]string{"bob", "cyd"}).Draw(t, "name")
	w, expect := mWish{"owner.create", name}, m.ownersMay(by, false)
	if expect == "" && slices.ContainsFunc(m.owners(), func(o *mAgent) bool { return o.name == name }) {
		expect = api.CodeConflict
	}
	o, err := m.h.v.CreateOwner(ctx, m.h.as(by.key), api.OwnerCreate{Name: name})
	wantCode(t, "create owner", err, m.two(by, expect, w))
	m.didTwo(t, by, err, w)
	if err == nil {
		m.done[audit.OwnerCreate]++
		m.agents = append(m.agents, &mAgent{id: o.ID, name: name, key: o.APIKey, owner: true})
	}
}

func (m *model) revokeOwner(t *rapid.T) {
	by, who := m.drawDecider(t), m.drawKey(t)
	w, expect := mWish{"owner.revoke", who.name}, m.ownersMay(by, true)
	switch {
	case expect != "":
	case !who.owner || who.revoked:
		expect = api.CodeNotFound
	case len(m.owners()) == 1:
		expect = api.CodeConflict
	}
	expect = m.two(by, expect, w)
	err := m.h.v.RevokeOwner(ctx, m.h.as(by.key), who.id, api.OwnerRevoke{})
	if err == nil && who.key == m.h.owner {
		for _, o := range m.owners() {
			if o != who {
				m.h.owner = o.key
			}
		}
	}
	wantCode(t, "revoke owner", err, expect)
	m.didTwo(t, by, err, w)
	if err == nil {
		m.done[audit.OwnerRevoke]++
		who.revoked = true
	}
}

func (m *model) lockdown(t *rapid.T) {
	by := m.drawKey(t)
	expect := ownersAct(by)
	if expect == api.CodeScopeDenied && m.policy.any {
		expect = ""
	}
	_, err := m.h.v.Lockdown(ctx, m.h.as(by.key), api.LockdownRequest{})
	wantCode(t, "lockdown", err, expect)
	if err == nil && !m.locked {
		m.locked = true
		m.lockdowns++
		m.done[audit.VaultLockdown]++
	}
}

func (m *model) lift(t *rapid.T) {
	by := m.drawDecider(t)
	expect := ownersAct(by)
	if expect == "" && !m.locked {
		expect = api.CodeConflict
	}
	_, err := m.h.v.Lift(ctx, m.h.as(by.key), api.LiftRequest{})
	wantCode(t, "lift", err, expect)
	if err == nil {
		m.locked = false
		m.done[audit.VaultLift]++
	}
}

// fewer reports whether two owners have to agree to a policy.
func (m *model) fewer(p *mPolicy) bool {
	return max(m.policy.sensitive, m.policy.critical) >= 2 && len(m.owners()) >= 2 &&
		(p.sensitive < m.policy.sensitive || p.critical < m.policy.critical)
}

func (m *model) offerPolicy(t *rapid.T) {
	p := worldPolicies[rapid.IntRange(0, len(worldPolicies)-1).Draw(t, "policy")]
	changed, err := m.h.v.OfferPolicy(ctx, policyPath, []byte(p.text()), nil)
	first, hold := m.done[audit.PolicyReload] == 0, m.fewer(p)
	if hold != errors.Is(err, vault.ErrHeld) || !hold && err != nil || changed != (!hold && (first || p != m.policy)) {
		t.Fatalf("offering a policy: %v, %v; want it held: %v", changed, err, hold)
	}
	m.held = nil
	if hold {
		m.held = p
	} else {
		m.policy = p
	}
	if changed {
		m.done[audit.PolicyReload]++
	}
}

func (m *model) acceptPolicy(t *rapid.T) {
	by, digest := m.drawDecider(t), m.h.policyFile().HeldDigest
	w, expect := mWish{"policy.accept", digest}, m.ownersMay(by, false)
	if expect == "" && m.held == nil {
		expect = api.CodeConflict
	}
	if expect == "" && m.fewer(m.held) {
		expect = m.two(by, expect, w)
	}
	_, err := m.h.v.AcceptFile(ctx, m.h.as(by.key), api.PolicyAccept{Name: api.PolicyFile, Digest: digest})
	wantCode(t, "accepting a policy", err, expect)
	if err != nil || m.fewer(m.held) {
		m.didTwo(t, by, err, w)
	}
	if err == nil {
		m.policy, m.held = m.held, nil
		m.done[audit.PolicyReload]++
	}
}

func (m *model) rotate(t *rapid.T) { m.rotateAs(t, m.drawCaller(t), m.drawPath(t)) }

func (m *model) rotateAs(t *rapid.T, c mCaller, p string) {
	value := rapid.StringMatching(`[a-z]{0,6}`).Draw(t, "value")
	s := m.secrets[p]
	expect := m.asking(c.who, m.may(c, "write", p), mTerms{}, mWish{"write", p})
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
	m.newVersion(t, c, s, info, value)
	if info.AccessTier != s.tier || info.Version != s.current {
		t.Fatalf("rotate %s is answered %+v, want tier %s and version %d", p, info, s.tier, s.current)
	}
}

// rollback goes back to a version that may be kept.
func (m *model) rollback(t *rapid.T) {
	c, p := m.drawCaller(t), m.drawPath(t)
	s, n := m.secrets[p], uint64(1)
	if s != nil {
		n = s.current + 1 - min(s.current, uint64(rapid.IntRange(1, 12).Draw(t, "back")))
	}
	expect := m.asking(c.who, m.may(c, "write", p), mTerms{}, mWish{"write", p})
	var was mVersion
	if expect == "" {
		kept := false
		if s != nil && s.exists {
			was, kept = s.versions[n]
		}
		switch {
		case !kept:
			expect = api.CodeSecretNotFound
		case n == s.current:
			expect = api.CodeConflict
		}
	}
	info, err := m.h.rollback(c.text(), p, n)
	wantCode(t, fmt.Sprintf("roll back %s to %d", p, n), err, expect)
	if err != nil {
		m.waits(t, c.who, err, mTerms{}, mWish{"write", p})
		return
	}
	m.used(c, audit.SecretRollback)
	m.spend(c, "write", p)
	pending := s.pending
	s.pending, info.RotationPending = false, info.RotationPending && !pending
	m.newVersion(t, c, s, info, was.value)
	if s.pending = pending; info.AccessTier != s.tier || info.Version != s.current {
		t.Fatalf("rollback of %s is answered %+v, want tier %s and version %d", p, info, s.tier, s.current)
	}
}

// use does, once or more, what a request asks for, as the agent that asks.
func (m *model) use(t *rapid.T) {
	a := m.drawRequest(t)
	w := a.wants[0]
	if a.who.owner {
		t.Skip("of an owner")
	}
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
	expect := m.asking(c.who, m.may(c, "rotate", p), mTerms{}, mWish{"rotate", p})
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
