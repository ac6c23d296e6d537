package vault_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// inAll are the namespaces that a key or token is shown, with how many secrets.
func (h *house) inAll(text string) string {
	h.t.Helper()
	list, err := h.v.Namespaces(ctx, h.as(text))
	if err != nil {
		h.t.Fatalf("listing namespaces: %v", err)
	}
	var out []string
	for _, n := range list {
		out = append(out, fmt.Sprint(n.Name, " ", n.SecretCount))
	}
	return strings.Join(out, ", ")
}

// TestRulesHide: what a rule denies to read is not there for the agent, by key and
// by whatever token, older ones too; owners and other agents see it.
func TestRulesHide(t *testing.T) {
	d := newDesk(t)
	d.mustPut(d.owner, "secret/A", "a")
	d.mustPut(d.owner, "secret/deep/B", "b")
	who := map[string]string{
		"key": d.mia.APIKey, "wide token": d.token(d.mia.APIKey, "secrets:*:*").Token,
		"token for one":        d.token(d.mia.APIKey, "secrets:read:secret/A", "namespaces:read").Token,
		"token for namespaces": d.token(d.mia.APIKey, "namespaces:read").Token,
	}
	before := d.inAll(d.max.APIKey)
	d.accept("[[rule]]\nagents = ['mia']\npaths = ['secret/*', 'production/PLAIN']\nactions = ['read', 'delete']\neffect = 'deny'\n")
	for name, want := range map[string]string{"key": "production 3", "wide token": "", "token for one": "", "token for namespaces": "production 3"} {
		text := who[name]
		if name == "wide token" { // it does not carry namespaces:read
			_, err := d.v.Namespaces(ctx, d.as(text))
			wantCode(t, name, err, api.CodeScopeDenied)
		} else if got := d.inAll(text); got != want {
			t.Errorf("%s is shown %q, want %q", name, got, want)
		}
		if name == "token for namespaces" {
			continue
		}
		for _, in := range []string{"", "production", "secret", "secret/deep"} {
			at := policy.Namespace{}
			if in != "" {
				at = ns(t, in)
			}
			list, err := d.v.List(ctx, d.as(text), at)
			if err != nil && api.CodeOf(err) == api.CodeScopeDenied {
				continue
			}
			if shown := listed(list); err != nil || slices.ContainsFunc(shown, func(p string) bool { return strings.HasPrefix(p, "secret") || strings.HasSuffix(p, "PLAIN") }) {
				t.Errorf("%s lists %q in %q, %v", name, shown, in, err)
			}
		}
		for _, p := range []string{"secret/A", "secret/deep/B", plain} {
			_, there := d.get(text, p)
			wantCode(t, name+" reads "+p, there, api.CodeScopeDenied)
		}
		_, there := d.get(text, "secret/A")
		_, gone := d.get(text, "secret/NOT")
		if name != "token for one" && there.Error() != gone.Error() {
			t.Errorf("%s can tell: %q and %q", name, there, gone)
		}
		wantCode(t, name+" deletes", d.delete(text, "secret/A"), api.CodeScopeDenied)
	}
	if me, err := d.v.Me(ctx, d.as(d.mia.APIKey)); err != nil || me.SecretCount != 3 || me.NamespaceCount != 1 {
		t.Errorf("the agent is told of %d secrets in %d namespaces, %v", me.SecretCount, me.NamespaceCount, err)
	}
	// It says nothing of writing.
	d.mustPut(d.mia.APIKey, plain, "written")
	for _, text := range []string{d.owner, d.token(d.owner, "secrets:*:*").Token, d.max.APIKey} {
		d.mustGet(text, "secret/A", "a")
		d.mustGet(text, plain, "written")
	}
	if got := d.inAll(d.max.APIKey); got != before || d.inAll(d.owner) != before {
		t.Errorf("others are shown %q, they were %q", got, before)
	}
	d.accept("")
	d.mustGet(d.mia.APIKey, "secret/A", "a")
	d.mustGet(who["wide token"], "secret/deep/B", "b")
}

// TestRulesAtIssue: a scope of which a rule denies part is refused and not narrowed,
// with the line that does.
func TestRulesAtIssue(t *testing.T) {
	const text = `# three rules
[[rule]]
paths = ["production/PLAIN"]
effect = "allow"

[[rule]]
agents = ["MIA"]
paths = ["production/*", "*/DB_*"]
actions = ["read"]
effect = "deny"
reason = "not for bots"
[[rule]]
paths = ["staging/*"]
effect = "approve"
`
	d := newDesk(t)
	d.accept(text)
	for _, tc := range []struct {
		who, scope string
		want       api.Code
		line       int // of the rule in the refusal
	}{
		{d.mia.APIKey, "secrets:read:*", api.CodeScopeDenied, 6},
		{d.mia.APIKey, "secrets:*:production/*", api.CodeScopeDenied, 6},
		{d.mia.APIKey, "secrets:read:app/*", api.CodeScopeDenied, 6},
		{d.mia.APIKey, "secrets:read:production/S*", api.CodeScopeDenied, 6},
		{d.mia.APIKey, "secrets:read:app/KEY*", "", 0},
		{d.mia.APIKey, "secrets:write:*", "", 0},
		{d.mia.APIKey, "secrets:read:staging/KEY*", "", 0}, // it carries nothing that needs an approval
		{d.mia.APIKey, "secrets:read", "", 0},
		{d.mia.APIKey, "secrets:read:production/PLAIN", "", 0},
		{d.mia.APIKey, "secrets:read:production/OTHER", api.CodeScopeDenied, 6},
		{d.mia.APIKey, "secrets:read:staging/KEY", api.CodeApprovalRequired, 12},
		{d.max.APIKey, "secrets:read:*", "", 0},
		{d.max.APIKey, "secrets:read:production/OTHER", "", 0},
		{d.owner, "secrets:*:*", "", 0},
		{d.owner, "secrets:read:staging/KEY", "", 0},
	} {
		_, err := d.v.IssueToken(ctx, d.as(tc.who), api.TokenRequest{Scopes: []string{tc.scope}})
		wantCode(t, tc.scope, err, tc.want)
		if tc.line != 0 && (err == nil || !strings.Contains(err.Error(), fmt.Sprintf("line %d", tc.line))) {
			t.Errorf("%s: %v, want line %d named", tc.scope, err, tc.line)
		}
	}
}

// TestRulesAsk: a rule asks for approvals where no tier does, of this agent and act.
func TestRulesAsk(t *testing.T) {
	d := newDesk(t)
	older := d.token(d.mia.APIKey, "secrets:*:*").Token
	d.accept("[tiers.sensitive]\ngrant_ttl = '10m'\n[[rule]]\nagents = ['mia']\npaths = ['production/PLAIN']\nactions = ['read', 'write']\neffect = 'approve'\nreason = 'ask Ada'\n")
	for _, text := range []string{older, d.mia.APIKey} {
		_, err := d.get(text, plain)
		id := d.asked("a read", err)
		if got := d.request(id); got.Because != "policy, line 3: ask Ada" || got.AccessTier != "standard" {
			t.Errorf("it is %+v", got)
		}
	}
	d.mustApprove(d.askToRead(d.mia.APIKey, plain))
	d.mustGet(older, plain, "value of plain")
	d.mustGet(d.mia.APIKey, plain, "value of plain")
	_, err := d.put(older, plain, "x")
	id := d.asked("a write", err)
	d.mustApprove(id)
	d.mustPut(older, plain, "x")
	_, err = d.put(older, plain, "y")
	d.asked("a second write", err)
	wantCode(t, "an act that it does not name", d.delete(older, plain), "")
	d.mustPut(d.max.APIKey, plain, "of max")
	d.mustGet(d.max.APIKey, plain, "of max")
	d.mustGet(d.owner, plain, "of max")
	_, err = d.get(d.mia.APIKey, plain)
	d.asked("a read of what was made anew", err)
	d.mustApprove(d.askToRead(d.mia.APIKey, plain))
	d.clock.advance(10 * time.Minute)
	d.askToRead(d.mia.APIKey, plain)
	// A rule that allows only ends the search: it lifts no tier.
	d.accept("[[rule]]\neffect = 'allow'\n[[rule]]\neffect = 'deny'\n")
	d.mustGet(d.mia.APIKey, plain, "of max")
	d.askToRead(d.mia.APIKey, sensitive)
}

// TestRulesByNetwork: they bind where the caller is, on the socket or at an address.
func TestRulesByNetwork(t *testing.T) {
	d := newDesk(t)
	d.accept("[[rule]]\nagents = ['mia']\nnetworks = ['10.0.0.0/8', '2001:db8::/32']\neffect = 'allow'\n[[rule]]\nagents = ['mia']\neffect = 'deny'\n" +
		"[[rule]]\nagents = ['max']\nnetworks = ['local']\neffect = 'deny'\n")
	for _, tc := range []struct {
		from     vault.Origin
		mia, max api.Code
	}{
		{local(1000), api.CodeScopeDenied, api.CodeScopeDenied},
		{remote("10.1.2.3"), "", ""},
		{remote("11.1.2.3"), api.CodeScopeDenied, ""},
		{remote("127.0.0.1"), api.CodeScopeDenied, ""},
		{remote("2001:db8::7"), "", ""},
		{remote("::1"), api.CodeScopeDenied, ""},
	} {
		for key, want := range map[string]api.Code{d.mia.APIKey: tc.mia, d.max.APIKey: tc.max, d.owner: ""} {
			_, err := d.read(d.from(key, tc.from), plain, 0)
			wantCode(t, "from "+tc.from.Source.String(), err, want)
		}
	}
}

// TestPolicyTTLs: how long tokens live, of owners too.
func TestPolicyTTLs(t *testing.T) {
	d := newDesk(t)
	for _, tc := range []struct {
		text         string
		byDefault    time.Duration
		longest      time.Duration
		beyondIsSaid string
	}{
		{"", 15 * time.Minute, 168 * time.Hour, "7d"},
		{"[tokens]\nmax_ttl = '5m'\n", 5 * time.Minute, 5 * time.Minute, "5m"},
		{"[tokens]\ndefault_ttl = '2h'\nmax_ttl = '3h'\n", 2 * time.Hour, 3 * time.Hour, "3h"},
	} {
		d.accept(tc.text)
		now := d.clock.Now()
		for _, key := range []string{d.owner, d.mia.APIKey} {
			if got := d.token(key, "secrets:read:*"); !got.ExpiresAt.Equal(now.Add(tc.byDefault)) {
				t.Errorf("under %q a token ends at %v", tc.text, got.ExpiresAt)
			}
			want := api.TokenRequest{Scopes: []string{"secrets:read:*"}, TTL: ptr(api.TTL(tc.longest))}
			if got := d.issue(key, want); !got.ExpiresAt.Equal(now.Add(tc.longest)) {
				t.Errorf("under %q the longest token ends at %v", tc.text, got.ExpiresAt)
			}
			want.TTL = ptr(api.TTL(tc.longest + time.Second))
			_, err := d.v.IssueToken(ctx, d.as(key), want)
			wantCode(t, "a longer one", err, api.CodeValidation)
			if err != nil && !strings.Contains(err.Error(), tc.beyondIsSaid) {
				t.Errorf("it is told %q", err)
			}
		}
	}
}

// TestPolicyTermsOfRequests: how long they wait, and what they open.
func TestPolicyTermsOfRequests(t *testing.T) {
	d := newDesk(t)
	d.accept("[tiers.sensitive]\nrequest_ttl = '2m'\ngrant_ttl = '30s'\n[tiers.critical]\nrequest_ttl = '1m'\ngrant_ttl = '2h'\ndelay = '1m'\n")
	now := d.clock.Now()
	both := api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive, "secrets:read:" + critical}}
	for id, want := range map[string]time.Duration{
		d.askToRead(d.mia.APIKey, sensitive): 2 * time.Minute, d.askToRead(d.mia.APIKey, critical): time.Minute, d.askFor(d.mia.APIKey, both): time.Minute,
	} {
		if got := d.request(id); !got.ExpiresAt.Equal(now.Add(want)) {
			t.Errorf("%q waits until %v", got.RequestedScopes, got.ExpiresAt)
		}
	}
	got := d.mustApprove(d.askFor(d.mia.APIKey, both)) // the strictest of all
	if !got.OpensAt.Equal(now.Add(time.Minute)) || !got.ExpiresAt.Equal(now.Add(90*time.Second)) {
		t.Errorf("it opens from %v to %v", got.OpensAt, got.ExpiresAt)
	}
	for _, at := range []struct {
		after time.Duration
		want  api.Code
	}{{59 * time.Second, api.CodeApprovalRequired}, {60 * time.Second, ""}, {89 * time.Second, ""}, {90 * time.Second, api.CodeApprovalRequired}} {
		d.clock.advance(now.Add(at.after).Sub(d.clock.Now()))
		d.reads(fmt.Sprint("after ", at.after), d.mia.APIKey, at.want)
	}
}

// TestCheckPolicy: it tells an owner just what an agent is told that asks, and why.
func TestCheckPolicy(t *testing.T) {
	const text = `[[rule]]
agents = ["mia"]
paths = ["production/PLAIN"]
networks = ["10.0.0.0/8"]
effect = "allow"

# bots read no production
[[rule]]
agents = ["mia"]
paths = [
  "production/PLAIN",
  "app/*",
]
actions = ["read"]
effect = "deny"

[[rule]]
paths = ["staging/*"]
effect = "approve"
`
	const denies = "[[rule]]\nagents = [\"mia\"]\npaths = [\n  \"production/PLAIN\",\n  \"app/*\",\n]\nactions = [\"read\"]\neffect = \"deny\""
	d := newDesk(t)
	d.accept(text)
	d.limited("app", []string{"app"}, "secrets:read:app/*")
	lines := map[string]int{ // of the rule that decides
		"mia secrets:read:production/PLAIN local": 8, "mia secrets:read:production/PLAIN 10.1.2.3": 1, "mia secrets:read:app/* local": 8, "mia secrets:*:* local": 8,
		"mia secrets:read:* 10.1.2.3": 8, "mia secrets:read:* local": 8, "mia secrets:read:app/KEY 10.1.2.3": 8, "mia secrets:*:* 10.1.2.3": 8,
		"mia secrets:read:app/* 10.1.2.3": 8, "mia secrets:read:app/KEY local": 8, "mia secrets:write:staging/K local": 17, "max secrets:write:staging/K local": 17,
		"mia secrets:write:staging/K 10.1.2.3": 17, "max secrets:write:staging/K 10.1.2.3": 17,
	}
	effects := map[string]int{}
	for _, agent := range []string{"mia", "max", "app"} {
		for _, scope := range []string{
			"secrets:read:production/PLAIN", "secrets:read:" + sensitive, "secrets:write:" + critical, "secrets:read:app/KEY", "secrets:write:staging/K",
			"secrets:read:app/*", "secrets:*:*", "secrets:read:*", "secrets:read", "namespaces:read", "manage:agents", "secrets:write:" + sensitive,
		} {
			for _, from := range []string{"local", "10.1.2.3"} {
				what := strings.Join([]string{agent, scope, from}, " ")
				got, err := d.v.CheckPolicy(ctx, d.as(d.owner), agent, scope, from)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				at := d.last().Seq
				if got.Agent != agent || got.Scope != scope || got.From != from || got.Reason == "" || got.Line != lines[what] {
					t.Errorf("%s: %+v, want line %d", what, got, lines[what])
				}
				if got.Line == 8 && got.RuleText != denies || got.Line == 0 && got.RuleText != "" {
					t.Errorf("%s: the rule is %q", what, got.RuleText)
				}
				if (got.Effect == "approve") != (got.ApprovalsNeeded == 1) {
					t.Errorf("%s: %+v", what, got)
				}
				effects[got.Effect]++
				d.wantEvents(at)
				d.wantAnswer(what, got.Effect, agent, scope, from)
			}
		}
	}
	if len(effects) != 3 {
		t.Errorf("the effects are %v", effects)
	}
	for what, check := range map[string]func() error{
		"an agent": func() error {
			_, err := d.v.CheckPolicy(ctx, d.as(d.mia.APIKey), "mia", "secrets:read:*", "")
			return err
		},
	} {
		wantCode(t, what+" checks", check(), api.CodeScopeDenied)
	}
	for want, args := range map[api.Code][3]string{
		api.CodeNotFound: {"nobody", "secrets:read:*", ""}, api.CodeValidation: {"mia", "secrets:read", "somewhere"},
	} {
		_, err := d.v.CheckPolicy(ctx, d.as(d.owner), args[0], args[1], args[2])
		wantCode(t, fmt.Sprint(args), err, want)
	}
	d.revokeAgent("max")
	_, err := d.v.CheckPolicy(ctx, d.as(d.owner), "max", "secrets:read:*", "")
	wantCode(t, "checking for a revoked agent", err, api.CodeNotFound)
}

// wantAnswer asks for a token as the agent would, and wants what was foretold.
func (d *desk) wantAnswer(what, effect, agent, scope, from string) {
	d.t.Helper()
	key := map[string]string{"mia": d.mia.APIKey, "max": d.max.APIKey}[agent]
	if key == "" {
		return // its key is not kept
	}
	o := local(1000)
	if from != "local" {
		o = remote(from)
	}
	_, err := d.v.IssueToken(ctx, d.from(key, o), api.TokenRequest{Scopes: []string{scope}})
	wantCode(d.t, what+": "+effect, err, map[string]api.Code{"allow": "", "deny": api.CodeScopeDenied, "approve": api.CodeApprovalRequired}[effect])
}

// TestManyRules: a policy is compiled once for each text and not for each act.
func TestManyRules(t *testing.T) {
	d := newDesk(t)
	var b strings.Builder
	for i := range policy.MaxRules {
		fmt.Fprintf(&b, "[[rule]]\nagents = ['mia']\npaths = ['app-%d/*', '*/APP_%d_*']\neffect = 'deny'\n", i, i)
	}
	d.accept(b.String())
	for name, act := range map[string]func(){
		"a look":  func() { d.v.Me(ctx, d.as(d.mia.APIKey)) }, //nolint:errcheck // it is counted
		"a read":  func() { d.mustGet(d.mia.APIKey, plain, "value of plain") },
		"a check": func() { d.v.CheckPolicy(ctx, d.as(d.owner), "mia", "secrets:read:"+plain, "") }, //nolint:errcheck // as above
	} {
		if n := testing.AllocsPerRun(10, act); n > 5*policy.MaxRules {
			t.Errorf("%s makes %.0f allocations: it reads the rules anew", name, n)
		}
	}
	_, err := d.get(d.mia.APIKey, "app-999/KEY")
	wantCode(t, "a read that the last rule denies", err, api.CodeScopeDenied)
}
