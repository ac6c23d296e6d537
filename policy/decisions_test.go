package policy_test

import (
	_ "embed"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/policy"
)

//go:embed testdata/decisions.txt
var decisions string

// row is one line of testdata/decisions.txt, which says how it is read.
type row struct {
	who, from, path, tier string
	facts                 []string
	effects               []string
}

func (r row) has(fact string) bool { return slices.Contains(r.facts, fact) }

func (r row) caller(t *testing.T) policy.Reach {
	switch r.who {
	case "owner":
		return policy.Reach{Owner: true}
	case "reader":
		return mustReach(t, []string{"*"}, "secrets:read")
	case "narrow":
		return mustReach(t, []string{"production"}, "secrets:*")
	}
	return mustReach(t, []string{"*"}, "secrets:*")
}

func (r row) request(t *testing.T, p *policy.Policy, a policy.Action) policy.Request {
	req := policy.Request{
		Caller: r.caller(t), Direct: r.has("key"), Action: a, Path: mustPath(t, r.path), Tier: policy.Tier(r.tier),
		Granted: r.has("granted"), Rules: p.For(r.who, mustPlace(t, r.from)),
		StepUp: r.has("passphrase"), SteppedUp: r.has("given"),
	}
	if r.tier == "none" {
		req.Tier = ""
	}
	switch {
	case r.has("token"):
		req.Token = mustScopes(t, "secrets:read:production/*")
	case !req.Direct:
		req.Token = mustScopes(t, "secrets:*:*")
	}
	return req
}

func readRow(t *testing.T, line string) row {
	facts, effects, _ := strings.Cut(line, " : ")
	f, e := strings.Fields(facts), strings.Fields(effects)
	if len(f) != 5 || len(e) != 4 {
		t.Fatalf("no row: %q", line)
	}
	r := row{who: f[0], from: f[1], path: f[2], tier: f[3], effects: e}
	for _, fact := range strings.Split(f[4], ",") {
		if !slices.Contains([]string{"-", "granted", "passphrase", "given", "key", "token"}, fact) {
			t.Fatalf("no fact: %q", line)
		}
		r.facts = append(r.facts, fact)
	}
	return r
}

// TestDecisions: what each rule, tier, place and passphrase makes of the four
// acts, in a table that says it for people too.
func TestDecisions(t *testing.T) {
	count := 0
	for _, section := range strings.Split(decisions, "\n== ")[1:] {
		name, rest, _ := strings.Cut(section, "\n")
		text, rows, found := strings.Cut("\n"+rest, "\n--\n")
		if !found {
			t.Fatalf("%s: no rows", name)
		}
		p := mustPolicy(t, text)
		for line := range strings.Lines(rows) {
			if strings.TrimSpace(line) == "" {
				continue
			}
			r := readRow(t, line)
			for i, a := range policy.ActionAny.Each() {
				d := policy.Decide(r.request(t, p, a))
				if d.Effect.String() != r.effects[i] {
					t.Errorf("%s: %s: to %s is %s because %q", name, strings.TrimSpace(line), a, d.Effect, d.Reason)
				}
				count++
			}
		}
	}
	if count < 600 {
		t.Errorf("%d decisions: the table has lost rows", count)
	}
}

func mustPlace(t *testing.T, s string) policy.Place {
	t.Helper()
	switch s {
	case "nowhere":
		return policy.Place{}
	case "local":
		return policy.Place{Local: true}
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		t.Fatal(err)
	}
	return policy.Place{Addr: addr}
}

func mustPolicy(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatalf("policy %q: %v", text, err)
	}
	return p
}

// TestDecisionSaysWhichRule: the reason carries the line and what the file
// says there, never the path; and the decision the rule, where it made it.
func TestDecisionSaysWhichRule(t *testing.T) {
	p := mustPolicy(t, `[[rule]]
paths = ["a/DENY"]
effect = "deny"
reason = "not this one"
[[rule]]
paths = ["a/PLAIN"]
effect = "deny"
[[rule]]
paths = ["a/ASK"]
effect = "approve"
reason = "ask first"
[[rule]]
paths = ["a/ASKED"]
effect = "approve"
[[rule]]
effect = "allow"
`)
	for _, tc := range []struct {
		path    string
		tier    policy.Tier
		granted bool
		reason  string
		line    int // of the rule, 0 for none
	}{
		{"a/DENY", policy.Standard, true, "policy, line 1: not this one", 1},
		{"a/PLAIN", policy.Critical, false, "policy, line 5: to read this path is denied", 5},
		{"a/ASK", policy.Standard, false, "policy, line 8: ask first", 8},
		{"a/ASK", policy.Critical, false, "policy, line 8: ask first", 8},
		{"a/ASK", policy.Critical, true, "an owner has approved it", 8},
		{"a/ASKED", policy.Standard, false, "policy, line 12: to read this path needs an owner's approval", 12},
		{"a/KEY", policy.Standard, false, "within the caller's namespaces and scopes", 15},
		{"a/KEY", policy.Sensitive, false, "to read a sensitive secret needs an owner's approval", 0},
		{"a/KEY", policy.Sensitive, true, "an owner has approved it", 0},
	} {
		d := policy.Decide(policy.Request{
			Caller: mustReach(t, []string{"*"}, "secrets:read"), Direct: true, Action: policy.Read,
			Path: mustPath(t, tc.path), Tier: tc.tier, Granted: tc.granted, Rules: p.For("bot", policy.Place{}),
		})
		line := 0
		if d.Rule != nil {
			line = d.Rule.Line()
		}
		if d.Reason != tc.reason || line != tc.line {
			t.Errorf("%s, %s: %q by line %d; want %q by line %d", tc.path, tc.tier, d.Reason, line, tc.reason, tc.line)
		}
	}
}

func TestTierNeedsStepUp(t *testing.T) {
	for tier, want := range map[policy.Tier]string{
		"": "", policy.Standard: "", policy.Sensitive: "read", policy.Critical: "read write delete rotate",
		"other": "read write delete rotate",
	} {
		var got []string
		for _, a := range policy.ActionAny.Each() {
			if tier.NeedsStepUp(a) {
				got = append(got, string(a))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("tier %q needs the passphrase to %q; want %q", tier, got, want)
		}
	}
}
