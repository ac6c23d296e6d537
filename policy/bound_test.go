package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/policy"
)

// lines names rules by where they are.
func lines(rules []*policy.Rule) string {
	var out []string
	for _, r := range rules {
		if r != nil {
			out = append(out, fmt.Sprint(r.Line()))
		}
	}
	return strings.Join(out, " ")
}

func TestRefuses(t *testing.T) {
	b := mustPolicy(t, `[[rule]]
paths = ["production/web/*"]
actions = ["read"]
effect = "allow"
[[rule]]
paths = ["production/*_ROOT", "*/TOP"]
effect = "deny"
[[rule]]
paths = ["production/*"]
actions = ["read", "write"]
effect = "approve"
[[rule]]
actions = ["read", "rotate"]
effect = "deny"
`).For("bot", policy.Place{})
	for _, tc := range []struct{ action, pattern, refuses, overlapping string }{
		{"read", "production/web/*", "", "1 8 12"},
		{"read", "production/web/KEY", "", "1 8 12"},
		{"read", "production/w*/*", "", "1 8 12"},
		{"read", "production/*", "5", "1 5 8 12"},
		{"read", "production/KEY", "", "8 12"},
		{"read", "production/X_ROOT", "5", "5 8 12"},
		{"read", "production/A*T", "5", "5 8 12"},
		{"read", "production/A*X", "", "8 12"},
		{"read", "staging/*", "5", "5 12"},
		{"read", "staging/KEY", "12", "12"},
		{"read", "*", "5", "1 5 8 12"},
		{"write", "production/web/*", "", "8"},
		{"write", "staging/KEY", "", ""},
		{"write", "staging/a/*", "", ""},
		{"write", "*/T*", "5", "5 8"},
		{"delete", "production/KEY", "", ""},
		{"delete", "production/K_*", "5", "5"},
		{"rotate", "production/web/KEY", "12", "12"},
		{"*", "production/web/KEY", "12", "1 8 12"},
		{"*", "production/Z_ROOT", "5", "5 8 12"},
		{"list", "production/*", "", ""},
		{"", "*", "", ""},
	} {
		a, pat := policy.Action(tc.action), mustPattern(t, tc.pattern)
		refuses, overlapping := lines([]*policy.Rule{b.Refuses(a, pat)}), lines(b.Overlapping(a, pat))
		if refuses != tc.refuses || overlapping != tc.overlapping {
			t.Errorf("%s %s: refused by %q, overlapping %q; want %q, %q", tc.action, tc.pattern, refuses, overlapping, tc.refuses, tc.overlapping)
		}
	}
	all := mustPattern(t, "*")
	if b.Refuses(policy.Read, policy.Pattern{}) != nil || len(b.Overlapping(policy.Read, policy.Pattern{})) > 0 {
		t.Error("the zero Pattern is about something")
	}
	if b.First(policy.ActionAny, mustPath(t, "a/b")) != nil || b.First(policy.Read, policy.Path{}) != nil {
		t.Error("a rule is about what is no act")
	}
	if (policy.Bound{}).First(policy.Read, mustPath(t, "a/b")) != nil || (policy.Bound{}).Refuses(policy.Read, all) != nil {
		t.Error("the zero Bound has rules")
	}
}

func TestForFollowsAgentAndPlace(t *testing.T) {
	p := mustPolicy(t, `[[rule]]
agents = ["CI-*"]
effect = "deny"
[[rule]]
networks = ["local"]
effect = "deny"
[[rule]]
agents = ["*"]
networks = ["10.0.0.77/8"]
effect = "deny"
[[rule]]
effect = "deny"
`)
	for _, tc := range []struct{ agent, from, want string }{
		{"ci-1", "nowhere", "1 11"},
		{"ci-1", "local", "1 4 11"},
		{"Ci-1", "10.9.9.9", "1 7 11"},
		{"bot", "10.9.9.9", "7 11"},
		{"bot", "11.9.9.9", "11"},
	} {
		if got := lines(p.For(tc.agent, mustPlace(t, tc.from)).Overlapping(policy.Read, mustPattern(t, "*"))); got != tc.want {
			t.Errorf("%s from %s is bound by %q; want %q", tc.agent, tc.from, got, tc.want)
		}
	}
	both := policy.Place{Local: true, Addr: mustPlace(t, "10.1.1.1").Addr}
	if got := lines(p.For("bot", both).Overlapping(policy.Read, mustPattern(t, "*"))); got != "4 11" {
		t.Errorf("the socket with an address is bound by %q", got)
	}
}

// TestRuleID: it stays while the rule means the same, and only then.
func TestRuleID(t *testing.T) {
	rule := func(text string) *policy.Rule {
		return mustPolicy(t, text).For("ci-1", policy.Place{Local: true}).First(policy.Read, mustPath(t, "a/KEY"))
	}
	const text = "[[rule]]\nagents=['ci-*','b']\npaths=['a/*']\nactions=['read']\nnetworks=['local','10.0.0.0/8']\neffect='approve'\nreason='x'"
	want := rule(text)
	if want.Reason() != "x" || want.Effect() != policy.Approve || want.Line() != 1 {
		t.Errorf("the rule is %q %s at %d", want.Reason(), want.Effect(), want.Line())
	}
	if id := want.ID(); id != "sha256:b1a071aed5dcf5f7725cf07907244621" {
		t.Errorf("the id is %s: approvals of before rest on another", id)
	}
	for _, same := range []string{
		"# elsewhere\n\n" + text, strings.Replace(text, "'x'", "'y'", 1), strings.Replace(text, "'ci-*','b'", "'B','b','Ci-*'", 1),
		strings.Replace(text, "10.0.0.0/8'", "::ffff:10.9.9.9/104','local'", 1),
	} {
		if rule(same).ID() != want.ID() {
			t.Errorf("%q has another id", same)
		}
	}
	for _, other := range []string{
		strings.Replace(text, "'approve'", "'allow'", 1), strings.Replace(text, ",'b'", "", 1), strings.Replace(text, "a/*", "*", 1),
		strings.Replace(text, "['read']", "['*']", 1), strings.Replace(text, "/8", "/9", 1), "[[rule]]\neffect='approve'",
	} {
		if rule(other).ID() == want.ID() {
			t.Errorf("%q has the same id", other)
		}
	}
}

func TestNeed(t *testing.T) {
	p := mustPolicy(t, "tiers.critical={approvals=2,delay='1h'}\n[[rule]]\nactions=['read']\neffect='approve'\n[[rule]]\neffect='allow'")
	b := p.For("bot", policy.Place{})
	asks, allows := b.First(policy.Read, mustPath(t, "a/b")), b.First(policy.Write, mustPath(t, "a/b"))
	tier := p.Need(policy.Critical, nil)
	if (tier != policy.Need{Tier: policy.Critical, Approvals: 2, Delay: 3600e9}) || p.Need(policy.Critical, allows) != tier {
		t.Errorf("critical needs %+v, with a rule that allows %+v", tier, p.Need(policy.Critical, allows))
	}
	if got := p.Need("", asks); (got != policy.Need{Rule: asks.ID(), Approvals: 1}) {
		t.Errorf("a rule needs %+v", got)
	}
	if got := (*policy.Policy)(nil).Need(policy.Sensitive, nil); (got != policy.Need{Tier: policy.Sensitive, Approvals: 1}) {
		t.Errorf("without a policy sensitive needs %+v", got)
	}
	base := policy.Need{Tier: policy.Critical, Rule: "r", Approvals: 2, Delay: 2}
	for _, tc := range []struct {
		now  policy.Need
		want bool
	}{
		{base, true},
		{policy.Need{Tier: policy.Critical, Rule: "r", Approvals: 1, Delay: 1}, true},
		{policy.Need{Tier: policy.Critical, Approvals: 2, Delay: 2}, true},
		{policy.Need{Tier: policy.Critical, Rule: "s", Approvals: 2, Delay: 2}, false},
		{policy.Need{Tier: policy.Sensitive, Rule: "r", Approvals: 2, Delay: 2}, false},
		{policy.Need{Tier: policy.Critical, Rule: "r", Approvals: 3, Delay: 2}, false},
		{policy.Need{Tier: policy.Critical, Rule: "r", Approvals: 2, Delay: 3}, false},
	} {
		if got := base.Satisfies(tc.now); got != tc.want {
			t.Errorf("%+v satisfies %+v: %v", base, tc.now, got)
		}
	}
	if (policy.Need{}).Satisfies(policy.Need{}) {
		t.Error("the zero Need satisfies something")
	}
}

// genRules draws [[rule]] texts over the letters of genPath.
func genRules(most int) *rapid.Generator[[]string] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
		text := "[[rule]]\neffect='" + rapid.SampledFrom([]string{"deny", "allow", "approve"}).Draw(t, "effect") + "'\n"
		list := func(key string, one *rapid.Generator[string]) {
			if entries := rapid.SliceOfN(one, 0, 2).Draw(t, key); len(entries) > 0 {
				text += key + "=['" + strings.Join(entries, "','") + "']\n"
			}
		}
		list("paths", genPatternText())
		list("actions", rapid.SampledFrom(scopeActions))
		if rapid.IntRange(0, 3).Draw(t, "who and where") == 0 { // most rules bind
			list("agents", rapid.SampledFrom([]string{"a", "b", "a*", "*b", "*"}))
			list("networks", rapid.SampledFrom([]string{"local", "10.0.0.0/8"}))
		}
		return text
	}), 0, most)
}

func genPlace(t *rapid.T) policy.Place {
	at := policy.Place{}
	switch rapid.IntRange(0, 2).Draw(t, "place") {
	case 0:
		at.Local = true
	case 1:
		if err := at.Addr.UnmarshalText([]byte("10.1.2.3")); err != nil {
			t.Fatal(err)
		}
	}
	return at
}

func genAgent(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "ab", "A"}).Draw(t, "agent")
}

func parsePolicy(t *rapid.T, rules []string) *policy.Policy {
	p, err := policy.Parse([]byte(strings.Join(rules, "")))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// genBound draws a policy and the rules of it that bind someone.
func genBound(t *rapid.T) policy.Bound {
	return parsePolicy(t, genRules(4).Draw(t, "rules")).For(genAgent(t), genPlace(t))
}

// opens orders effects by how much they let an agent do.
func opens(e policy.Effect) int {
	return slices.Index([]policy.Effect{policy.Deny, policy.Approve, policy.Allow}, e)
}

// TestNarrowerScopeNeverOpens: with rules or without, a scope that another
// covers never allows more than that one.
func TestNarrowerScopeNeverOpens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wide := genRequest(t)
		wide.Rules, wide.Direct, wide.Caller.Owner = genBound(t), false, rapid.Bool().Draw(t, "owner")
		wide.StepUp, wide.SteppedUp = rapid.Bool().Draw(t, "passphrase"), rapid.Bool().Draw(t, "given")
		narrow, covering := wide, policy.Reach{Scopes: wide.Token}
		narrow.Token = slices.DeleteFunc(genScopes(t, "narrow"), func(s policy.Scope) bool {
			relative := strings.Count(s.String(), ":") < 2
			return relative || !covering.Covers(s)
		})
		before, after := policy.Decide(wide).Effect, policy.Decide(narrow).Effect
		if after != policy.Deny && after != before {
			t.Fatalf("%s became %s", before, after)
		}
	})
}

// TestApartRulesSwap: two neighbours that are about nothing in common can
// stand either way round.
func TestApartRulesSwap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := genRules(4).Filter(func(r []string) bool { return len(r) >= 2 }).Draw(t, "rules")
		i := rapid.IntRange(0, len(rules)-2).Draw(t, "first of two")
		pair, agent, from := rules[i:i+2], genAgent(t), genPlace(t)
		r := genRequest(t)
		first := parsePolicy(t, pair[:1]).For(agent, from).First(r.Action, r.Path)
		second := parsePolicy(t, pair[1:]).For(agent, from).First(r.Action, r.Path)
		if first != nil && second != nil {
			return
		}
		r.Rules = parsePolicy(t, rules).For(agent, from)
		before := policy.Decide(r)
		pair[0], pair[1] = pair[1], pair[0]
		r.Rules = parsePolicy(t, rules).For(agent, from)
		if after := policy.Decide(r); after.Effect != before.Effect || idOf(after.Rule) != idOf(before.Rule) {
			t.Fatalf("%+v became %+v", before, after)
		}
	})
}

// TestFirstDenyDenies: a deny on top refuses an agent whatever else is true,
// and what it is not about goes on as before.
func TestFirstDenyDenies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, agent, from := genRequest(t), genAgent(t), genPlace(t)
		rules, pattern := genRules(3).Draw(t, "rules"), genPattern(t, "denied")
		r.Rules = parsePolicy(t, rules).For(agent, from)
		without := policy.Decide(r)
		r.Rules = parsePolicy(t, append([]string{"[[rule]]\npaths=['" + pattern.String() + "']\neffect='deny'\n"}, rules...)).For(agent, from)
		with := policy.Decide(r)
		switch about := pattern.Matches(r.Path); {
		case about && with.Effect != policy.Deny:
			t.Fatalf("%s in spite of a deny on top", with.Effect)
		case !about && with.Effect != without.Effect:
			t.Fatalf("%s became %s by a rule about something else", without.Effect, with.Effect)
		}
	})
}

// TestRulesOnlyNarrow: rules never open anything, an owner does not notice
// them, and without one about the act everything is as without a policy.
func TestRulesOnlyNarrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := genRequest(t)
		r.Caller.Owner = rapid.Bool().Draw(t, "owner")
		without := policy.Decide(r)
		for _, none := range []*policy.Policy{nil, {}, parsePolicy(t, nil)} {
			r.Rules = none.For(genAgent(t), genPlace(t))
			if got := policy.Decide(r); got != without {
				t.Fatalf("without a rule %+v became %+v", without, got)
			}
		}
		r.Rules = genBound(t)
		with := policy.Decide(r)
		if r.Caller.Owner && with != without || opens(with.Effect) > opens(without.Effect) {
			t.Fatalf("%+v became %+v", without, with)
		}
		if r.Rules.First(r.Action, r.Path) == nil && with != without {
			t.Fatalf("no rule is about it, and %+v became %+v", without, with)
		}
	})
}

// TestAllowNeverLifts: a rule that allows on top leaves what the tier asks for.
func TestAllowNeverLifts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := genRequest(t)
		without := policy.Decide(r)
		r.Rules = parsePolicy(t, append([]string{"[[rule]]\neffect='allow'\n"}, genRules(3).Draw(t, "rules")...)).For("a", genPlace(t))
		if with := policy.Decide(r); with.Effect != without.Effect || with.Reason != without.Reason {
			t.Fatalf("%+v became %+v", without, with)
		}
	})
}

// TestRefusesAgreesWithFirst: where nothing is refused nothing is denied, and
// a rule that is named is about some path of the pattern.
func TestRefusesAgreesWithFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, pattern, a := genBound(t), genPattern(t, "pattern"), genAction(t)
		asked := rapid.SampledFrom([]policy.Action{a, policy.ActionAny}).Draw(t, "asked")
		refused := b.Refuses(asked, pattern)
		if refused != nil && (refused.Effect() != policy.Deny || !slices.Contains(b.Overlapping(asked, pattern), refused)) {
			t.Fatalf("line %d refuses, and has nothing to say", refused.Line())
		}
		for range 8 {
			p := genInstance(t, pattern, "path")
			first := b.First(a, p)
			if refused == nil && first != nil && first.Effect() == policy.Deny {
				t.Fatalf("%q is not refused, but line %d denies %q", pattern, first.Line(), p)
			}
			if first != nil && !slices.Contains(b.Overlapping(a, pattern), first) {
				t.Fatalf("line %d is about %q and does not overlap %q", first.Line(), p, pattern)
			}
		}
		if path, ok := pattern.Literal(); ok {
			first := b.First(a, path)
			if denied := first != nil && first.Effect() == policy.Deny; denied != (b.Refuses(a, pattern) != nil) {
				t.Fatalf("%q alone: denied %v, refused by %v", path, denied, b.Refuses(a, pattern))
			}
		}
	})
}

// TestOverlapHasWitness: patterns that overlap have a path in common, found
// here by trying all short ones.
func TestOverlapHasWitness(t *testing.T) {
	segs := []string{"a", "b", "aa", "ab", "ba", "bb"}
	for _, x := range []string{"a", "b"} {
		for _, y := range []string{"aa", "ab", "ba", "bb"} {
			segs = append(segs, x+y)
		}
	}
	pattern := rapid.SampledFrom([]string{"a", "b", "*", "a*", "*a", "b*a", "*b", "ab", "*a*", "a*b", "b*"})
	rapid.Check(t, func(t *rapid.T) {
		one, other := pattern.Draw(t, "one")+"/"+pattern.Draw(t, "one"), pattern.Draw(t, "other")+"/"+pattern.Draw(t, "other")
		p, err := policy.ParsePattern(other)
		if err != nil {
			t.Fatal(err)
		}
		b := parsePolicy(t, []string{"[[rule]]\neffect='deny'\npaths=['" + one + "']\n"}).For("a", policy.Place{})
		common := false
		for _, ns := range segs {
			for _, key := range segs {
				path, err := policy.ParsePath(ns + "/" + key)
				common = common || err == nil && p.Matches(path) && b.First(policy.Read, path) != nil
			}
		}
		if got := len(b.Overlapping(policy.Read, p)) > 0; got != common {
			t.Fatalf("%q and %q overlap: %v; a path in common: %v", one, other, got, common)
		}
	})
}
