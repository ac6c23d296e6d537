package vault_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
)

// The model of a vault: plain maps, and what DESIGN and CONTRACT say of them,
// written down a second time and on purpose differently.

// world is all that there is to name; it is small so that acts meet.
var (
	worldPaths      = []string{"a/K", "a/L", "a/b/K", "ab/K", "c/K"}
	worldNamespaces = []string{"a", "a/b", "ab", "c"}
	worldReaches    = [][]string{nil, {"a"}, {"a/b", "c"}, {"ab"}, {"*"}}
	worldScopes     = []string{
		"secrets:read:*", "secrets:write:*", "secrets:delete:*", "secrets:*:*", "secrets:*:a/*", "secrets:read:a/*",
		"secrets:write:a/b/*", "secrets:read:c/K", "secrets:write:a/K", "secrets:read", "write:secrets", "secrets:delete:c/*",
	}
	worldNames = []string{"bot", "Bot", "max"}
	worldTiers = []string{"", "standard", "sensitive", "critical"}
)

// mSecret is a path on which something is or was.
type mSecret struct {
	id       string
	ids      map[string]bool // all that the path ever had
	tier     string
	current  uint64
	exists   bool
	pending  bool // flagged for rotation
	rev      int  // how often the tier has changed
	versions map[uint64]mVersion
}

type mVersion struct {
	value string
	owner bool      // an owner wrote it
	until time.Time // when the next one came
}

type mAgent struct {
	id, name, key string
	owner         bool
	revoked       bool
	namespaces    []string
	scopes        []string
}

type mToken struct {
	id, text string
	holder   *mAgent
	scopes   []string
	expires  time.Time
	maxUses  int
	uses     int
	revoked  bool
	locked   int // how many lockdowns there were when it was made
}

type model struct {
	h       *house
	secrets map[string]*mSecret
	agents  []*mAgent // owners too; the first is the first owner
	tokens  []*mToken
	asked   []*mApproval
	wishes  map[string]*mApproval // the last request for a wish, as long as it is found by that
	grants  []*mGrant
	policy  *mPolicy
	held    *mPolicy // waits for an owner

	lockdowns int
	locked    bool

	done map[audit.Action]int // acts that succeeded, by what the trail calls them

	openedWith uint64    // the last event when the vault was opened
	openedAt   time.Time // and when that was, by the clock
}

// A grant of the grammar is an action, or "*", and a prefix that ends in "/"
// (or is empty) for a wildcard, or a whole path.
type mScope struct{ action, where string }

func parseScope(s string) mScope {
	switch s {
	case "write:secrets":
		return mScope{"write", ""}
	case "secrets:read":
		return mScope{"read", ""}
	}
	parts := strings.Split(s, ":")
	return mScope{parts[1], strings.TrimSuffix(parts[2], "*")}
}

func relative(s string) bool { return s == "write:secrets" || s == "secrets:read" }

// within reports whether all of inner lies in outer.
func within(inner, outer string) bool {
	if outer == "" || strings.HasSuffix(outer, "/") {
		return strings.HasPrefix(inner, outer)
	}
	return inner == outer
}

func allows(scopes []string, action, where string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool {
		p := parseScope(s)
		return (p.action == "*" || p.action == action) && within(where, p.where)
	})
}

// holds reports whether the agent's namespaces have all of where.
func (a *mAgent) holds(where string) bool {
	if len(a.namespaces) == 0 || slices.Contains(a.namespaces, "*") {
		return true
	}
	return slices.ContainsFunc(a.namespaces, func(n string) bool { return strings.HasPrefix(where, n+"/") })
}

func (a *mAgent) reaches(action, where string) bool {
	return a.owner || a.holds(where) && allows(a.scopes, action, where)
}

// carries reports whether the agent may have a token with the scope s, tiers
// left aside.
func (a *mAgent) carries(s string) bool {
	p := parseScope(s)
	actions := []string{p.action}
	if p.action == "*" {
		actions = []string{"read", "write", "delete", "rotate"}
	}
	for _, action := range actions {
		if relative(s) {
			if !a.does(action) {
				return false
			}
		} else if !a.reaches(action, p.where) {
			return false
		}
	}
	return true
}

// does reports whether the agent may do it to anything at all.
func (a *mAgent) does(action string) bool {
	return a.owner || slices.ContainsFunc(a.scopes, func(s string) bool {
		p := parseScope(s)
		return p.action == "*" || p.action == action
	})
}

// mCaller is an identity's key, or a token.
type mCaller struct {
	who *mAgent
	tok *mToken
}

func (c mCaller) text() string {
	if c.tok != nil {
		return c.tok.text
	}
	return c.who.key
}

// now is what time it is for the vault: the wall clock, or where that is behind,
// the time of the last event and what has passed since it was written, or since
// the vault was opened if that was later.
func (m *model) now() time.Time {
	now, last := m.h.clock.Now(), m.h.last()
	at := last.Time.Time
	switch {
	case last.Seq <= m.openedWith:
		at = m.openedAt
	case last.Clock != nil:
		at = last.Clock.Time
	}
	if passed := last.Time.Add(max(0, now.Sub(at))); passed.After(now) {
		return passed
	}
	return now
}

func (m *model) live(t *mToken, now time.Time) bool {
	return t.locked == m.lockdowns && !t.revoked && now.Before(t.expires) && (t.maxUses == 0 || t.uses < t.maxUses)
}

// stops is the code of any act of the caller that a lockdown stops too, "" if nothing
// stops it yet.
func (m *model) stops(c mCaller) api.Code {
	switch now := m.now(); {
	case c.tok != nil && m.locked && (now.Before(c.tok.expires) || slices.Contains(m.h.keys("tokens"), c.tok.id)): // it has not gone yet
		return api.CodeLockedDown
	case c.who.revoked, c.tok != nil && !m.live(c.tok, now):
		return api.CodeUnauthorized
	case m.locked:
		return api.CodeLockedDown
	}
	return ""
}

// covered reports whether the caller may do it, approvals left aside.
func (m *model) covered(c mCaller, action, p string) bool {
	if !c.who.reaches(action, p) || c.tok != nil && !allows(c.tok.scopes, action, p) {
		return false
	}
	r := m.rule(c.who, action, p)
	return r == nil || r.effect != "deny"
}

// may is the code that the act ends in, as far as the caller decides it, and the
// secret's tier.
func (m *model) may(c mCaller, action, p string) api.Code {
	if code := m.stops(c); code != "" {
		return code
	}
	switch {
	case !m.covered(c, action, p):
		return api.CodeScopeDenied
	case c.who.owner || !m.asks(c.who, action, p):
		return ""
	case m.granted(c.who, action, p) == nil:
		return api.CodeApprovalRequired
	}
	return ""
}

func (m *model) tier(p string) string {
	if s := m.secrets[p]; s != nil {
		return s.tier
	}
	return ""
}

func (m *model) used(c mCaller, action audit.Action) {
	m.done[action]++
	if c.tok != nil && c.tok.maxUses > 0 { // without a limit uses are not counted
		c.tok.uses++
	}
}

func (m *model) drawCaller(t *rapid.T) mCaller {
	i := rapid.IntRange(0, len(m.agents)+len(m.tokens)-1).Draw(t, "caller")
	if i < len(m.agents) {
		return mCaller{who: m.agents[i]}
	}
	tok := m.tokens[i-len(m.agents)]
	return mCaller{tok.holder, tok}
}

// What is drawn is a number and not a thing with a random id in it, so that a
// failure can be run again.
func (m *model) drawKey(t *rapid.T) *mAgent {
	return m.agents[rapid.IntRange(0, len(m.agents)-1).Draw(t, "key")]
}

func (m *model) drawPath(t *rapid.T) string { return rapid.SampledFrom(worldPaths).Draw(t, "path") }

func (m *model) put(t *rapid.T) { m.putAs(t, m.drawCaller(t), m.drawPath(t)) }

func (m *model) putAs(t *rapid.T, c mCaller, p string) {
	value := rapid.StringMatching(`[a-z]{0,6}`).Draw(t, "value")
	want := rapid.SampledFrom(worldTiers).Draw(t, "tier")
	lower := rapid.IntRange(0, 3).Draw(t, "lower") == 0
	expect := m.asking(c.who, m.may(c, "write", p), mTerms{}, mWish{"write", p})
	if expect == "" && lower && !c.who.owner {
		expect = api.CodeScopeDenied
	}
	info, err := m.h.put(c.text(), p, value, func(w *api.SecretWrite) { w.AccessTier, w.LowerTier = want, lower })
	wantCode(t, "put "+p, err, expect)
	if err != nil {
		m.waits(t, c.who, err, mTerms{}, mWish{"write", p})
		return
	}
	m.used(c, audit.SecretWrite)
	m.spend(c, "write", p)
	s := m.secrets[p]
	fresh := s == nil
	if fresh {
		s = &mSecret{ids: map[string]bool{}, tier: "standard"}
		m.secrets[p] = s
	}
	m.newVersion(t, c, s, info, value)
	rank := slices.Index(worldTiers, want)
	if want != "" && (lower || rank > slices.Index(worldTiers, s.tier)) {
		if s.tier != want && !fresh {
			s.rev++
		}
		s.tier = want
	}
	if info.AccessTier != s.tier || info.Version != s.current || info.Namespace+"/"+info.Key != p {
		t.Fatalf("put %s is answered %+v, want tier %s and version %d", p, info, s.tier, s.current)
	}
}

// putOften writes so often that old versions go.
func (m *model) putOften(t *rapid.T) {
	if m.locked {
		t.Skip("locked down")
	}
	p, c := m.drawPath(t), mCaller{who: m.admin()}
	for i := range rapid.IntRange(4, 9).Draw(t, "times") {
		value := fmt.Sprint(p, i)
		info := m.h.mustPut(c.text(), p, value)
		m.used(c, audit.SecretWrite)
		if m.secrets[p] == nil {
			m.secrets[p] = &mSecret{ids: map[string]bool{}, tier: "standard"}
		}
		m.newVersion(t, c, m.secrets[p], info, value)
	}
}

func (m *model) newVersion(t *rapid.T, c mCaller, s *mSecret, info api.SecretInfo, value string) {
	if !s.exists {
		if s.ids[info.ID] {
			t.Fatalf("made anew it has an id that was there before")
		}
		s.id, s.exists, s.versions = info.ID, true, map[uint64]mVersion{}
		s.ids[s.id] = true
	}
	if info.ID != s.id {
		t.Fatalf("a new version has another id")
	}
	now := m.h.last().Time.Time // of the write
	if was, ok := s.versions[s.current]; ok {
		was.until = now
		s.versions[s.current] = was
	}
	s.current++
	s.versions[s.current], s.pending = mVersion{value: value, owner: c.who.owner}, false
	if info.RotationPending {
		t.Fatalf("written, it still waits for a new value")
	}
	s.forget(now)
}

// forget removes what need not be kept. Here nothing gets that old, nor becomes so much
// that an agent may not write, or an owner pushes something out: see TestThreat27.
func (s *mSecret) forget(now time.Time) {
	byOwner := uint64(0)
	for n, v := range s.versions {
		if v.owner {
			byOwner = max(byOwner, n)
		}
	}
	for n, v := range s.versions {
		if n+10 <= s.current && n != byOwner && v.until.Add(7*24*time.Hour).Compare(now) <= 0 {
			delete(s.versions, n)
		}
	}
}

func (m *model) get(t *rapid.T) { m.getAs(t, m.drawCaller(t), m.drawPath(t)) }

func (m *model) getAs(t *rapid.T, c mCaller, p string) {
	n := uint64(0)
	s := m.secrets[p]
	if s != nil && rapid.Bool().Draw(t, "an older version") {
		n = s.current + 1 - min(s.current, uint64(rapid.IntRange(0, 12).Draw(t, "back")))
	}
	exists := s != nil && s.exists
	expect := m.may(c, "read", p)
	if !exists && expect == api.CodeApprovalRequired {
		expect = "" // nobody is asked about what is not there
	}
	expect = m.asking(c.who, expect, mTerms{}, mWish{"read", p})
	want, kept := "", false
	if exists {
		at := n
		if at == 0 {
			at = s.current
		}
		var v mVersion
		v, kept = s.versions[at]
		want = v.value
	}
	if expect == "" && !kept {
		expect = api.CodeSecretNotFound
	}
	got, err := m.h.read(m.h.as(c.text()), p, n)
	wantCode(t, fmt.Sprintf("get %s version %d", p, n), err, expect)
	if err != nil {
		m.waits(t, c.who, err, mTerms{}, mWish{"read", p})
		return
	}
	m.used(c, audit.SecretRead)
	m.spend(c, "read", p)
	if got != want {
		t.Fatalf("%s version %d is %q, want %q", p, n, got, want)
	}
}

func (m *model) delete(t *rapid.T) { m.deleteAs(t, m.drawCaller(t), m.drawPath(t)) }

func (m *model) deleteAs(t *rapid.T, c mCaller, p string) {
	s := m.secrets[p]
	expect := m.asking(c.who, m.may(c, "delete", p), mTerms{}, mWish{"delete", p})
	if expect == "" && (s == nil || !s.exists) {
		expect = api.CodeSecretNotFound
	}
	err := m.h.delete(c.text(), p)
	wantCode(t, "delete "+p, err, expect)
	if err != nil {
		m.waits(t, c.who, err, mTerms{}, mWish{"delete", p})
		return
	}
	m.used(c, audit.SecretDelete)
	m.spend(c, "delete", p)
	s.exists, s.pending, s.versions = false, false, nil
}

func (m *model) list(t *rapid.T) {
	c := m.drawCaller(t)
	in := rapid.SampledFrom(append([]string{""}, worldNamespaces...)).Draw(t, "namespace")
	var at policy.Namespace
	if in != "" {
		at = ns(t, in)
	}
	var want []string
	for _, p := range worldPaths {
		s := m.secrets[p]
		if s == nil || !s.exists || !m.covered(c, "read", p) {
			continue
		}
		if in == "" || p[:strings.LastIndex(p, "/")] == in {
			want = append(want, fmt.Sprintf("%s %s %d %v", p, s.tier, s.current, s.pending))
		}
	}
	list, err := m.h.v.List(ctx, m.h.as(c.text()), at)
	switch {
	case m.stops(c) != "":
		wantCode(t, "list "+in, err, m.stops(c))
		return
	case err != nil && api.CodeOf(err) == api.CodeScopeDenied && in != "" && len(want) == 0:
		return // what could be there is for policy's own tests
	case err != nil:
		t.Fatalf("list %q: %v, want %v", in, err, want)
	}
	m.used(c, audit.SecretList)
	var got []string
	for _, i := range list.Items {
		got = append(got, fmt.Sprintf("%s/%s %s %d %v", i.Namespace, i.Key, i.AccessTier, i.Version, i.RotationPending))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("list %q is %q, want %q", in, got, want)
	}
}

func (m *model) createAgent(t *rapid.T) {
	by, name := m.drawKey(t), rapid.SampledFrom(worldNames).Draw(t, "name")
	want := api.AgentCreate{
		Name:              name,
		AllowedNamespaces: rapid.SampledFrom(worldReaches).Draw(t, "namespaces"),
		AllowedScopes:     rapid.SliceOfN(rapid.SampledFrom(worldScopes), 0, 3).Draw(t, "scopes"),
	}
	expect := m.stops(mCaller{who: by})
	if expect == "" {
		expect = ownersAct(by)
	}
	if expect == "" && m.living(name) != nil {
		expect = api.CodeConflict
	}
	a, err := m.h.v.CreateAgent(ctx, m.h.as(by.key), want)
	wantCode(t, "create agent "+name, err, expect)
	if err != nil {
		return
	}
	m.done[audit.AgentCreate]++
	scopes := want.AllowedScopes
	if len(scopes) == 0 {
		scopes = []string{"secrets:read:*"}
	}
	for _, o := range m.agents {
		if o.id == a.ID || o.key == a.APIKey {
			t.Fatalf("an id or key was given again")
		}
	}
	m.agents = append(m.agents, &mAgent{id: a.ID, name: name, key: a.APIKey, namespaces: want.AllowedNamespaces, scopes: scopes})
}

func ownersAct(by *mAgent) api.Code {
	switch {
	case by.revoked:
		return api.CodeUnauthorized
	case !by.owner:
		return api.CodeScopeDenied
	}
	return ""
}

func (m *model) living(name string) *mAgent {
	for _, a := range m.agents {
		if !a.owner && !a.revoked && strings.EqualFold(a.name, name) {
			return a
		}
	}
	return nil
}

func (m *model) revokeAgent(t *rapid.T) {
	by, who := m.drawKey(t), m.drawKey(t)
	called := []string{who.id, who.name, strings.ToUpper(who.name)}[rapid.IntRange(0, 2).Draw(t, "called")]
	expect := ownersAct(by)
	gone := m.living(called)
	if called == who.id && !who.owner && !who.revoked {
		gone = who
	}
	if expect == "" && gone == nil {
		expect = api.CodeNotFound
	}
	err := m.h.v.RevokeAgent(ctx, m.h.as(by.key), called)
	wantCode(t, "revoke agent "+called, err, expect)
	if err == nil {
		m.done[audit.AgentRevoke]++
		gone.revoked = true
	}
}

func (m *model) issue(t *rapid.T) {
	by := m.drawKey(t)
	want := api.TokenRequest{Scopes: rapid.SliceOfN(rapid.SampledFrom(worldScopes), 1, 3).Draw(t, "scopes")}
	ttl := time.Duration(rapid.SampledFrom([]int{1, 15, 60}).Draw(t, "minutes")) * time.Minute
	want.TTL = ptr(api.TTL(ttl))
	if n := rapid.IntRange(0, 3).Draw(t, "uses"); n > 0 {
		want.MaxUses = &n
	}
	expect := api.Code("")
	switch {
	case m.stops(mCaller{who: by}) != "":
		expect = m.stops(mCaller{who: by})
	default:
		for _, s := range want.Scopes { // what is beyond reach is told before what waits
			if code := m.mayCarry(by, s); code != "" && expect != api.CodeScopeDenied {
				expect = code
			}
		}
	}
	on, missing := mTerms{ttl, *cmp.Or(want.MaxUses, new(int))}, m.missing(by, want.Scopes)
	expect = m.asking(by, expect, on, missing...)
	tok, err := m.h.v.IssueToken(ctx, m.h.as(by.key), want)
	wantCode(t, fmt.Sprintf("issue %q", want.Scopes), err, expect)
	if err != nil {
		m.waits(t, by, err, on, missing...)
		return
	}
	m.done[audit.TokenCreate]++
	if end := m.now().Truncate(time.Second).Add(ttl); !tok.ExpiresAt.Equal(end) {
		t.Fatalf("a token ends at %v, want %v", tok.ExpiresAt, end)
	}
	mt := &mToken{id: tok.TokenID, text: tok.Token, holder: by, scopes: want.Scopes, expires: tok.ExpiresAt, locked: m.lockdowns}
	if want.MaxUses != nil {
		mt.maxUses = *want.MaxUses
	}
	m.tokens = append(m.tokens, mt)
}

func (m *model) mayCarry(by *mAgent, s string) api.Code {
	p := parseScope(s)
	if p.where == "" || strings.HasSuffix(p.where, "/") {
		if by.carries(s) && (by.owner || relative(s) || !m.refuses(by, p)) {
			return ""
		}
		return api.CodeScopeDenied
	}
	return m.may(mCaller{who: by}, p.action, p.where)
}

func (m *model) revokeToken(t *rapid.T) {
	if len(m.tokens) == 0 {
		t.Skip("no tokens")
	}
	by, tok := m.drawKey(t), m.tokens[rapid.IntRange(0, len(m.tokens)-1).Draw(t, "token")]
	expect := api.Code("")
	switch {
	case by.revoked:
		expect = api.CodeUnauthorized
	case !m.live(tok, m.now()), !by.owner && tok.holder != by:
		expect = api.CodeNotFound
	}
	err := m.h.v.RevokeToken(ctx, m.h.as(by.key), tok.id)
	wantCode(t, "revoke token", err, expect)
	if err == nil {
		m.done[audit.TokenRevoke]++
		tok.revoked = true
	}
}

func (m *model) listTokens(t *rapid.T) {
	by := m.drawKey(t)
	list, err := m.h.v.Tokens(ctx, m.h.as(by.key))
	if by.revoked {
		wantCode(t, "list tokens", err, api.CodeUnauthorized)
		return
	}
	if err != nil {
		t.Fatalf("listing tokens: %v", err)
	}
	now := m.now()
	var got, want []string
	for _, i := range list {
		got = append(got, fmt.Sprint(i.ID, i.AgentID, i.Uses))
	}
	for _, tok := range m.tokens {
		if m.live(tok, now) && (by.owner || tok.holder == by) {
			want = append(want, fmt.Sprint(tok.id, tok.holder.id, tok.uses))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("tokens are %q, want %q", got, want)
	}
}

func (m *model) listAgents(t *rapid.T) {
	by := m.drawKey(t)
	list, err := m.h.v.Agents(ctx, m.h.as(by.key))
	wantCode(t, "list agents", err, ownersAct(by))
	if err != nil {
		return
	}
	var got, want []string
	for _, a := range list {
		got = append(got, a.ID)
	}
	for _, a := range m.agents {
		if !a.owner && !a.revoked {
			want = append(want, a.id)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("agents are %q, want %q", got, want)
	}
}

func (m *model) clock(t *rapid.T) {
	m.h.clock.advance(time.Duration(rapid.IntRange(-30, 60).Draw(t, "minutes")) * time.Minute)
}

func (m *model) reopen(*rapid.T) {
	m.h.reopen()
	m.held = nil // until the file is offered again
	m.openedWith, m.openedAt = m.h.last().Seq, m.h.clock.Now()
}

// check is run after each act: what is wrong with the chain would be known now
// and then, and times never fall.
func (m *model) check(t *rapid.T) {
	if err := m.h.v.Alive(); err != nil {
		t.Fatalf("the vault has died: %v", err)
	}
}

// settle compares the trail with what was done.
func (m *model) settle(t *rapid.T) {
	got := map[audit.Action]int{}
	var last time.Time
	for i, ev := range m.h.trail(audit.Filter{}) {
		if ev.Seq != uint64(i)+1 || ev.Time.Before(last) {
			t.Fatalf("event %d at %v follows %d at %v", ev.Seq, ev.Time, i, last)
		}
		last = ev.Time.Time
		if ev.Outcome == audit.OK && !strings.Contains(ev.Reason, "by the key itself") {
			got[ev.Action]++
		}
	}
	for _, a := range []audit.Action{
		audit.SecretRead, audit.SecretWrite, audit.SecretDelete, audit.SecretList,
		audit.TokenCreate, audit.TokenRevoke, audit.AgentCreate, audit.AgentRevoke,
		audit.SecretRotate, audit.SecretRotationPending, audit.SecretRollback,
		audit.ApprovalRequest, audit.ApprovalApprove, audit.ApprovalDeny, audit.ApprovalExpire,
		audit.ApprovalRevoke, audit.VaultLockdown, audit.VaultLift, audit.PolicyReload, audit.OwnerCreate, audit.OwnerRevoke,
	} {
		if got[a] != m.done[a] {
			t.Fatalf("the trail has %d of %s, there were %d", got[a], a, m.done[a])
		}
	}
}

// TestModel runs random acts on a vault and on the model of it.
func TestModel(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		h := houseIn(t, filepath.Join(dir, "data"))
		h.claimIt()
		m := &model{
			h: h, secrets: map[string]*mSecret{}, wishes: map[string]*mApproval{}, policy: worldPolicies[0],
			done: map[audit.Action]int{audit.OwnerCreate: 1},
		}
		m.agents = []*mAgent{{id: h.claim.OwnerID, name: "ada", key: h.owner, owner: true}}
		t.Repeat(map[string]func(*rapid.T){
			"put": m.put, "put again": m.put, "put often": m.putOften, "get": m.get, "get again": m.get, "delete": m.delete, "list": m.list,
			"create agent": m.createAgent, "revoke agent": m.revokeAgent, "list agents": m.listAgents,
			"issue": m.issue, "issue again": m.issue, "revoke token": m.revokeToken, "list tokens": m.listTokens,
			"rotate": m.rotate, "flag": m.flag, "rollback": m.rollback, "approve": m.approve, "approve again": m.approve, "deny": m.deny, "use": m.use, "use again": m.use,
			"list approvals": m.listApprovals, "sweep": m.sweep, "revoke approval": m.revokeApproval,
			"create owner": m.createOwner, "revoke owner": m.revokeOwner, "lockdown": m.lockdown, "lift": m.lift, "lift again": m.lift,
			"offer policy": m.offerPolicy, "accept policy": m.acceptPolicy,
			"clock": m.clock, "reopen": m.reopen, "": m.check,
		})
		m.settle(t)
		h.end()
	})
}
