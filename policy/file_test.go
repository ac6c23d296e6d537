package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/agent-secret-store/assd/policy"
)

// said prints all that a policy says besides its rules.
func said(p *policy.Policy) string {
	terms := func(t policy.Tier) string {
		x := p.Terms(t)
		return fmt.Sprint(x.Approvals, " ", x.RequestTTL, " ", x.GrantTTL, " ", x.Delay)
	}
	return fmt.Sprint(p.DefaultTTL(), " ", p.MaxTTL(), "; ", terms(policy.Sensitive), "; ", terms(policy.Critical),
		"; ", p.MostApprovals(), " ", p.AnyoneLocksDown(), " ", p.RuleCount())
}

func TestParse(t *testing.T) {
	const none = "15m0s 168h0m0s; 1 1h0m0s 1h0m0s 0s; 1 1h0m0s 1h0m0s 0s; 1 false 0"
	for _, tc := range []struct{ name, in, want string }{
		{"empty", "", none},
		{"comments", "# nothing\r\n\r\n\t # here", none},
		{"tables without keys", "[tokens]\n[tiers]\n[tiers.sensitive]\n[lockdown]\n", none},
		{"owner locks down", "[lockdown]\nby = \"owner\"", none},
		{"shorter tokens", "[tokens]\nmax_ttl = \"5m\"", "5m0s 5m0s; 1 1h0m0s 1h0m0s 0s; 1 1h0m0s 1h0m0s 0s; 1 false 0"},
		{"only a default", "[tokens]\ndefault_ttl = \"7d\"", "168h0m0s 168h0m0s; 1 1h0m0s 1h0m0s 0s; 1 1h0m0s 1h0m0s 0s; 1 false 0"},
		{"all of it", "[tokens]\r\ndefault_ttl = \"1s\"\r\nmax_ttl = '1d'\r\n[tiers.sensitive]\r\napprovals = 2\r\nrequest_ttl = \"160h\"\r\n" +
			"grant_ttl = \"100h\"\r\ndelay = \"60h\"\r\n[tiers.critical]\r\napprovals = 0x0A\r\nrequest_ttl = \"1s\"\r\ngrant_ttl = \"1m30s\"\r\ndelay = \"0s\"\r\n" +
			"[lockdown]\r\nby = \"any\"\r\n[[rule]]\r\neffect = \"allow\"\r\n[[rule]]\r\neffect = \"deny\"\r\n",
			"1s 24h0m0s; 2 160h0m0s 100h0m0s 60h0m0s; 10 1s 1m30s 0s; 10 true 2"},
		{"the other ways of TOML", "lockdown.by = \"any\"\ntokens = { max_ttl = \"1h\", default_ttl = \"1m\" }\n\"tiers\" . sensitive.approvals = 3 # three\n" +
			"tiers.critical = { approvals = +2 }\n[[ rule ]]\n\"effect\" = '''deny'''", "1m0s 1h0m0s; 3 1h0m0s 1h0m0s 0s; 2 1h0m0s 1h0m0s 0s; 3 true 1"},
	} {
		p, err := policy.Parse([]byte(tc.in))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if got := said(p); got != tc.want {
			t.Errorf("%s says\n%s; want\n%s", tc.name, got, tc.want)
		}
	}
	if got := said(nil); got != none {
		t.Errorf("no policy says %s", got)
	}
	if got := said(&policy.Policy{}); got != none {
		t.Errorf("the zero policy says %s", got)
	}
}

func TestTermsByTier(t *testing.T) {
	p := mustPolicy(t, "[tiers.sensitive]\napprovals = 2\n[tiers.critical]\napprovals = 3")
	for tier, want := range map[policy.Tier]int{"": 2, policy.Standard: 2, policy.Sensitive: 2, policy.Critical: 3, "other": 3} {
		if got := p.Terms(tier).Approvals; got != want {
			t.Errorf("tier %q asks for %d approvals; want %d", tier, got, want)
		}
	}
}

func TestAsksForLess(t *testing.T) {
	policies := map[string]*policy.Policy{
		"none": nil,
		"2, 1": mustPolicy(t, "[tiers.sensitive]\napprovals = 2"),
		"1, 2": mustPolicy(t, "[tiers.critical]\napprovals = 2"),
		"2, 2": mustPolicy(t, "tiers.critical.approvals = 2\ntiers.sensitive.approvals = 2"),
	}
	less := map[string]string{"none": "2, 1; 1, 2; 2, 2", "2, 1": "1, 2; 2, 2", "1, 2": "2, 1; 2, 2", "2, 2": ""}
	for a, p := range policies {
		for b, than := range policies {
			if got, want := p.AsksForLess(than), strings.Contains(less[a], b); got != want {
				t.Errorf("%s asks for less than %s: %v", a, b, got)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const (
		rules   = "rules are written as [[rule]], each with its keys below it"
		unknown = "unknown key or table: the file has [tokens], [tiers.sensitive], [tiers.critical], [lockdown] and [[rule]]"
		length  = `must be a duration like "15m", "1h" or "7d"`
		again   = "this key or table is already in the file, further up"
		foreign = "has a character outside A-Z a-z 0-9 _ . -"
		noNet   = `network must be an address, a range like 10.0.0.0/8, or "local"`
	)
	for _, tc := range []struct{ in, err string }{
		// What is no text of ours at all.
		{"\uFEFF[tokens]", "1:1 the file begins with a byte order mark: save it as UTF-8 without one"},
		{"[tokens]\n# \xff", "2:3 the file is not UTF-8 here"},
		{"[tokens]\r\n\r\n\xe2\x82", "3:1 the file is not UTF-8 here"},
		{strings.Repeat("#23456\n", policy.MaxFile/7) + strings.Repeat("\n", 99), "37451:1 the file is larger than 262144 bytes"},
		{"[tokens", "1:7 not TOML: expected ']' to close table name"},
		{"[tokens]\nmax_ttl 1", "2:9 not TOML: expected '=' after key"},
		{"[tokens]\nmax_ttl = 1 2", "2:13 not TOML: expected newline"},
		{"[tokens]\nmax_ttl = s3cr3t", "2:11 not TOML: unexpected character"},
		{"[tokens]\n  = 1", "2:3 not TOML: invalid character at start of key"},
		{"[tokens]\nmax_ttl = \"1h", "2:13 not TOML: unterminated basic string"},
		{"[tokens]\nmax_ttl = \"\\q\"", "2:12 not TOML: invalid escape character"},
		{"a\x00b = 1", "1:2 not TOML: expected '=' after key"},
		{"[[rule]]\npaths = [\n\"a/*\"\n", "3:6 not TOML: array is incomplete"},

		// Keys and tables.
		{"max_ttl = \"1h\"", "1:1 " + unknown},
		{"\n  [token]\n", "2:4 " + unknown},
		{"[[tokens]]", "1:3 tokens is one table: write [tokens]"},
		{"[[rules]]", "1:3 " + unknown},
		{"[rule]\neffect = \"deny\"", "1:2 " + rules},
		{"rule = []", "1:1 " + rules},
		{"[tokens]\n[[rule]]\neffect = \"deny\"\n[rule.more]", "4:2 " + unknown},
		{"rule.effect = \"deny\"", "1:1 " + rules},
		{"rule = { effect = \"deny\" }", "1:1 " + rules},
		{"[tokens]\nttl = \"1h\"", "2:1 unknown key: [tokens] has default_ttl, max_ttl"},
		{"[tokens.more]", "1:2 " + unknown},
		{"[\"tiers.sensitive\"]", "1:2 " + unknown},
		{"\"tiers.sensitive.approvals\" = 1", "1:1 " + unknown},
		{"tokens = 5", "1:1 tokens is a table: write [tokens]"},
		{"[tiers]\nsensitive = 1", "2:1 tiers.sensitive is a table: write [tiers.sensitive]"},
		{"[tiers.standard]", "1:2 the tier standard needs no approval: set tiers.sensitive and tiers.critical"},
		{"[tiers]\nstandard.approvals = 1", "2:1 the tier standard needs no approval: set tiers.sensitive and tiers.critical"},
		{"[tiers.secret]", "1:2 " + unknown},
		{"[tiers.sensitive]\napproval = 1", "2:1 unknown key: [tiers.sensitive] has approvals, delay, grant_ttl, request_ttl"},
		{"tiers = { critical = { x = 1 } }", "1:24 unknown key: [tiers.critical] has approvals, delay, grant_ttl, request_ttl"},
		{"[[rule]]\neffect = \"deny\"\n  agent = [\"a\"]", "3:3 unknown key: [rule] has actions, agents, effect, networks, paths, reason"},
		{"[lockdown]\nBy = \"any\"", "2:1 unknown key: [lockdown] has by"},
		{"[tokens]\nmax_ttl = \"1h\"\n  max_ttl = \"1h\"", "3:3 " + again},
		{"[tokens]\n[lockdown]\n[tokens]", "3:2 " + again},
		{"tokens = {}\n[tokens]", "2:2 " + again},
		{"[[rule]]\neffect = \"deny\"\neffect = \"allow\"", "3:1 " + again},
		{"tokens.max_ttl = \"1h\"\n[tokens]", "2:2 " + again},

		// Types.
		{"[tokens]\nmax_ttl = 900", `2:11 max_ttl must be a duration in quotes, like "15m", "1h" or "7d"`},
		{"[tokens]\nmax_ttl =   [\"1h\"]", `2:13 max_ttl must be a duration in quotes, like "15m", "1h" or "7d"`},
		{"[tiers.critical]\napprovals = \"2\"", "2:13 approvals must be a whole number from 1 to 10"},
		{"[tiers.critical]\napprovals = 1.0", "2:13 approvals must be a whole number from 1 to 10"},
		{"[tiers.critical]\napprovals = 99999999999999999999", "2:13 approvals must be a whole number from 1 to 10"},
		{"[lockdown]\nby = true", "2:6 by must be a text in quotes"},
		{"[[rule]]\neffect = 1", "2:10 effect must be a text in quotes"},
		{"[[rule]]\nreason = [\"x\"]", "2:10 reason must be a text in quotes"},
		{"[[rule]]\nagents = \"ci\"", "2:10 agents must be a list of texts"},
		{"[[rule]]\npaths = { x = 1 }", "2:9 paths must be a list of texts"},
		{"[[rule]]\nactions = [\"read\",\n  1]", "3:3 actions entry 2 must be a text in quotes"},
		{"[[rule]]\nnetworks = [[\"local\"]]", "2:12 networks entry 1 must be a text in quotes"},

		// Bounds.
		{"[tokens]\nmax_ttl = \"\"", "2:11 max_ttl " + length},
		{"[tokens]\nmax_ttl = \"1\"", "2:11 max_ttl " + length},
		{"[tokens]\nmax_ttl = \"-1d\"", "2:11 max_ttl " + length},
		{"[tokens]\nmax_ttl = \"99999d\"", "2:11 max_ttl " + length},
		{"[tokens]\nmax_ttl = \"1d12h\"", "2:11 max_ttl " + length},
		{"[tokens]\nmax_ttl = \"-1h\"", "2:11 max_ttl must not be negative"},
		{"[tokens]\nmax_ttl = \"8d\"", "2:11 max_ttl must be at most 168h"},
		{"[tokens]\nmax_ttl = \"168h1ns\"", "2:11 max_ttl must be at most 168h"},
		{"[tokens]\nmax_ttl = \"0s\"", "2:11 max_ttl must be at least 1s"},
		{"[tokens]\ndefault_ttl = \"999ms\"", "2:15 default_ttl must be at least 1s"},
		{"[tokens]\ndefault_ttl = \"2h\"\nmax_ttl = \"1h\"", "2:15 default_ttl is longer than max_ttl"},
		{"[tiers.sensitive]\napprovals = 0", "2:13 approvals must be at least 1: without one nobody would be asked"},
		{"[tiers.sensitive]\napprovals = -1", "2:13 approvals must be at least 1: without one nobody would be asked"},
		{"[tiers.critical]\n\tapprovals = 11", "2:14 approvals must be at most 10"},
		{"[tiers.critical]\nrequest_ttl = \"0s\"", "2:15 request_ttl must be at least 1s"},
		{"[tiers.critical]\nrequest_ttl = \"161h\"", "2:15 request_ttl must be at most 160h"},
		{"[tiers.critical]\ngrant_ttl = \"0s\"", "2:13 grant_ttl must be at least 1s"},
		{"[tiers.critical]\ndelay = \"-1s\"", "2:9 delay must not be negative"},
		{"[tiers.critical]\ndelay = \"160h\"", "2:9 delay and grant_ttl are together longer than 160h"},
		{"[tiers.sensitive]\ndelay = \"1h\"\ngrant_ttl = \"159h1s\"", "2:9 delay and grant_ttl are together longer than 160h"},
		{"[lockdown]\nby = \"nobody\"", "2:6 by must be owner or any"},

		// Rules.
		{"[tokens]\n\n [[rule]]\nagents = [\"a\"]\n", `3:2 the rule has no effect: write effect = "deny", "allow" or "approve"`},
		{"[[rule]]\neffect = \"deny\"\n[[ rule ]]", `3:1 the rule has no effect: write effect = "deny", "allow" or "approve"`},
		{"[[rule]]\neffect = \"step_up\"", "2:10 effect must be deny, allow or approve"},
		{"[[rule]]\neffect = \"Deny\"", "2:10 effect must be deny, allow or approve"},
		{"[[rule]]\nagents = []", "2:10 agents must not be an empty list: leave the key out for everything"},
		{"[[rule]]\npaths = [ ]", "2:9 paths must not be an empty list: leave the key out for everything"},
		{"[[rule]]\nactions = [\n]", "2:11 actions must not be an empty list: leave the key out for everything"},
		{"[[rule]]\nnetworks = [ # none\n]", "2:12 networks must not be an empty list: leave the key out for everything"},
		{"[[rule]]\nagents = [\"\"]", "2:11 agents entry 1: agent is empty"},
		{"[[rule]]\nagents = [\"a\", \"b c\"]", "2:16 agents entry 2: agent " + foreign + " *"},
		{"[[rule]]\nagents = [\"" + strings.Repeat("a", 65) + "\"]", "2:11 agents entry 1: agent is longer than 64 bytes"},
		{"[[rule]]\nagents = [\"" + strings.Repeat("*a", 17) + "\"]", "2:11 agents entry 1: agent has more than 16 asterisks"},
		{"[[rule]]\npaths = [\n  \"a/*\",\n  \"production*\",\n]", "4:3 paths entry 2: pattern can match no key, which has a namespace before it: write production/*"},
		{"[[rule]]\npaths = [\"a b/*\"]", "2:10 paths entry 1: pattern segment 1 " + foreign},
		{"[[rule]]\nactions = [\"read\", \"list\"]", "2:20 actions entry 2: action must be read, write, delete, rotate or *"},
		{"[[rule]]\nnetworks = [\"*\"]", "2:13 networks entry 1: " + noNet},
		{"[[rule]]\nnetworks = [\"Local\"]", "2:13 networks entry 1: " + noNet},
		{"[[rule]]\nnetworks = [\"10.0.0.0/33\"]", "2:13 networks entry 1: " + noNet},
		{"[[rule]]\nnetworks = [\"10.0.0\"]", "2:13 networks entry 1: " + noNet},
		{"[[rule]]\nnetworks = [\"::ffff:10.0.0.0/95\"]", "2:13 networks entry 1: " + noNet},
		{"[[rule]]\nnetworks = [\"fe80::1%a/b\"]", "2:13 networks entry 1: " + noNet},
		{"[[rule]]\nnetworks = [\"localhost\"]", "2:13 networks entry 1: " + noNet},
		{"[[rule]]\nreason = \"" + strings.Repeat("r", 257) + "\"", "2:10 reason is longer than 256 bytes"},
		{"[[rule]]\nreason = \"a\\nb\"", "2:10 reason must be one line without control characters"},
		{"[[rule]]\nreason = \"\\u202E\"", "2:10 reason must be one line without control characters"},
		{strings.Repeat("[[rule]]\neffect=\"deny\"\n", 1000) + "  [[rule]]", "2001:3 more than 1000 rules"},
	} {
		p, err := policy.Parse([]byte(tc.in))
		fe := (*policy.FileError)(nil)
		if !errors.As(err, &fe) || p != nil || !errors.Is(err, policy.ErrInvalid) {
			t.Errorf("Parse(%.60q) = %v, %v; want a FileError", tc.in, p, err)
			continue
		}
		if got := fmt.Sprintf("%d:%d %s", fe.Line, fe.Column, fe.Problem); got != tc.err {
			t.Errorf("Parse(%.60q):\n%s; want\n%s", tc.in, got, tc.err)
		}
	}
}

func TestFileErrorText(t *testing.T) {
	_, err := policy.Parse([]byte("[tiers.sensitive]\napprovals = 0"))
	if want := "line 2, column 13: approvals must be at least 1: without one nobody would be asked"; err == nil || err.Error() != want {
		t.Errorf("error %v; want %s", err, want)
	}
}

// TestParseIsBounded would take minutes if the work grew with the square of
// the keys in a file.
func TestParseIsBounded(t *testing.T) {
	for name, text := range map[string]string{
		"dots":   strings.Repeat("a.", policy.MaxFile/2-2) + "a=1",
		"nested": "a=" + strings.Repeat("[", policy.MaxFile-2),
		"tables": strings.Repeat("[lockdown]\n", policy.MaxFile/11),
		"keys":   strings.Repeat("tokens.max_ttl='1h'\n", policy.MaxFile/20),
		"rules":  strings.Repeat("[[rule]]\neffect='deny'\n", policy.MaxRules),
		"list":   "[[rule]]\neffect='deny'\nagents=[" + strings.Repeat("'a',", policy.MaxFile/4-20) + "]",
	} {
		began := time.Now()
		_, err := policy.Parse([]byte(text))
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: %v after %v", name, err, took)
		}
	}
}

// FuzzParse: whatever the bytes, Parse says yes or where it is wrong; and what
// it takes is TOML to others too, with as many rules, read the same each time.
func FuzzParse(f *testing.F) {
	for _, section := range strings.Split(decisions, "\n== ")[1:] {
		text, _, _ := strings.Cut(section, "\n--\n")
		_, text, _ = strings.Cut(text, "\n")
		f.Add([]byte(text), "ci-1", "production/KEY", true)
	}
	for _, text := range []string{
		"", "# c\r\n", "\uFEFF", "[tokens]\ndefault_ttl='1h'\nmax_ttl='7d'", "tiers={sensitive={approvals=2,delay='0s'}}",
		"[tiers.critical]\napprovals=0", "[[rule]]", "[[rule]]\neffect='deny'\n[rule]", "lockdown.by=\"any\"", "[[rule]]\npaths=[[", "a=\"\\",
		"[[rule]]\nnetworks=[\"::ffff:1.2.3.4/97\",'local']\neffect=\"\\u0061llow\"",
	} {
		f.Add([]byte(text), "bot", "a/b", false)
	}
	f.Fuzz(func(t *testing.T, text []byte, agent, path string, local bool) {
		p, err := policy.Parse(text)
		if err != nil {
			checkFileError(t, text, p, err)
			return
		}
		var other struct{ Rule []map[string]any }
		if err := toml.Unmarshal(text, &other); err != nil || len(other.Rule) != p.RuleCount() {
			t.Fatalf("%d rules; a decoder finds %d, %v", p.RuleCount(), len(other.Rule), err)
		}
		again := mustPolicy(t, string(text))
		if said(p) != said(again) {
			t.Fatalf("read as %s, then as %s", said(p), said(again))
		}
		at, err := policy.ParsePath(path)
		if err != nil {
			return
		}
		from := policy.Place{Local: local}
		for _, a := range policy.ActionAny.Each() {
			r := policy.Request{Caller: mustReach(t, []string{"*"}, "secrets:*"), Direct: true, Action: a, Path: at}
			r.Rules = p.For(agent, from)
			once := policy.Decide(r)
			r.Rules = again.For(agent, from)
			twice := policy.Decide(r)
			if once.Effect != twice.Effect || once.Reason != twice.Reason || idOf(once.Rule) != idOf(twice.Rule) {
				t.Fatalf("decided %+v, then %+v", once, twice)
			}
		}
	})
}

func idOf(r *policy.Rule) string {
	if r == nil {
		return ""
	}
	return r.ID()
}

func checkFileError(t *testing.T, text []byte, p *policy.Policy, err error) {
	fe := (*policy.FileError)(nil)
	if p != nil || !errors.As(err, &fe) || !errors.Is(err, policy.ErrInvalid) {
		t.Fatalf("refused with %v, %T", p, err)
	}
	lines := strings.Split(string(text), "\n")
	if fe.Line < 1 || fe.Line > len(lines) || fe.Column < 1 || fe.Column > len(lines[fe.Line-1])+1 || fe.Problem == "" {
		t.Fatalf("%v is nowhere in the text", fe)
	}
}
