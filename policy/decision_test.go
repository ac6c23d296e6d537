package policy_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/policy"
)

func TestDecide(t *testing.T) {
	owner := policy.Reach{Owner: true}
	agent := mustReach(t, []string{"production"}, "secrets:*")
	reader := mustReach(t, []string{"*"}, "secrets:read")
	all := mustScopes(t, "secrets:*:*")
	one := mustScopes(t, "secrets:read:production/KEY")
	key, other := mustPath(t, "production/KEY"), mustPath(t, "staging/KEY")

	for _, tc := range []struct {
		name   string
		req    policy.Request
		want   policy.Effect
		reason string // a part of it
	}{
		{"zero", policy.Request{}, policy.Deny, "action"},
		{"no caller", policy.Request{Direct: true, Action: policy.Read, Path: key}, policy.Deny, "beyond"},
		{"no caller, all scopes", policy.Request{Token: all, Action: policy.Read, Path: key}, policy.Deny, "beyond"},
		{"owner without an action", policy.Request{Caller: owner, Direct: true, Path: key}, policy.Deny, "action"},
		{"owner, any action", policy.Request{Caller: owner, Direct: true, Action: policy.ActionAny, Path: key}, policy.Deny, "action"},
		{"owner without a path", policy.Request{Caller: owner, Direct: true, Action: policy.Read}, policy.Deny, "path"},
		{"owner", policy.Request{Caller: owner, Direct: true, Action: policy.Read, Path: key}, policy.Allow, "owner"},
		{"owner, critical", policy.Request{Caller: owner, Direct: true, Action: policy.Delete, Path: key, Tier: policy.Critical}, policy.Allow, "owner"},
		{"owner, no such tier", policy.Request{Caller: owner, Direct: true, Action: policy.Read, Path: key, Tier: "secret"}, policy.Deny, "tier"},
		{"owner's token", policy.Request{Caller: owner, Token: one, Action: policy.Read, Path: key, Tier: policy.Critical}, policy.Allow, "owner"},
		{"owner's token, elsewhere", policy.Request{Caller: owner, Token: one, Action: policy.Read, Path: other}, policy.Deny, "token"},
		{"owner's token without scopes", policy.Request{Caller: owner, Action: policy.Read, Path: key}, policy.Deny, "token"},

		{"agent's key", policy.Request{Caller: agent, Direct: true, Action: policy.Write, Path: key}, policy.Allow, "within"},
		{"agent's key, beyond", policy.Request{Caller: agent, Direct: true, Action: policy.Read, Path: other}, policy.Deny, "beyond"},
		{"agent's token", policy.Request{Caller: agent, Token: one, Action: policy.Read, Path: key, Tier: policy.Standard}, policy.Allow, "within"},
		{"agent's token, other act", policy.Request{Caller: agent, Token: one, Action: policy.Write, Path: key}, policy.Deny, "token"},
		{"token wider than its agent", policy.Request{Caller: agent, Token: all, Action: policy.Read, Path: other}, policy.Deny, "beyond"},
		{"token wider than its agent's acts", policy.Request{Caller: reader, Token: all, Action: policy.Write, Path: key}, policy.Deny, "beyond"},
		{"direct with scopes", policy.Request{Caller: agent, Direct: true, Token: one, Action: policy.Write, Path: key}, policy.Deny, "token"},

		{"sensitive, read", policy.Request{Caller: agent, Token: all, Action: policy.Read, Path: key, Tier: policy.Sensitive}, policy.Approve, "to read a sensitive secret"},
		{"sensitive, write", policy.Request{Caller: agent, Token: all, Action: policy.Write, Path: key, Tier: policy.Sensitive}, policy.Allow, "within"},
		{"sensitive, delete", policy.Request{Caller: agent, Token: all, Action: policy.Delete, Path: key, Tier: policy.Sensitive}, policy.Allow, "within"},
		{"critical, read", policy.Request{Caller: agent, Token: all, Action: policy.Read, Path: key, Tier: policy.Critical}, policy.Approve, "to read a critical secret"},
		{"critical, write", policy.Request{Caller: agent, Token: all, Action: policy.Write, Path: key, Tier: policy.Critical}, policy.Approve, "to write a critical secret"},
		{"critical, delete", policy.Request{Caller: agent, Token: all, Action: policy.Delete, Path: key, Tier: policy.Critical}, policy.Approve, "to delete"},
		{"critical, rotate", policy.Request{Caller: agent, Token: all, Action: policy.Rotate, Path: key, Tier: policy.Critical}, policy.Approve, "to rotate"},
		{"critical, with the key", policy.Request{Caller: agent, Direct: true, Action: policy.Read, Path: key, Tier: policy.Critical}, policy.Approve, "critical"},
		{"critical, granted", policy.Request{Caller: agent, Token: all, Action: policy.Read, Path: key, Tier: policy.Critical, Granted: true}, policy.Allow, "approved"},
		{"granted beyond reach", policy.Request{Caller: agent, Token: all, Action: policy.Read, Path: other, Tier: policy.Critical, Granted: true}, policy.Deny, "beyond"},
		{"granted beyond the token", policy.Request{Caller: agent, Token: one, Action: policy.Write, Path: key, Tier: policy.Critical, Granted: true}, policy.Deny, "token"},
		{"critical beyond reach", policy.Request{Caller: agent, Token: all, Action: policy.Read, Path: other, Tier: policy.Critical}, policy.Deny, "beyond"},
		{"agent, no such tier", policy.Request{Caller: agent, Token: all, Action: policy.Write, Path: key, Tier: "secret", Granted: true}, policy.Deny, "tier"},
	} {
		got := policy.Decide(tc.req)
		if got.Effect != tc.want || !strings.Contains(got.Reason, tc.reason) {
			t.Errorf("%s: %s because %q; want %s with %q", tc.name, got.Effect, got.Reason, tc.want, tc.reason)
		}
	}
}

func TestEffect(t *testing.T) {
	if zero := (policy.Decision{}); zero.Effect != policy.Deny {
		t.Errorf("the zero Decision is to %s", zero.Effect)
	}
	for effect, want := range map[policy.Effect]string{
		policy.Deny: "deny", policy.Allow: "allow", policy.Approve: "approve", policy.StepUp: "step_up", 99: "deny",
	} {
		if effect.String() != want {
			t.Errorf("effect %d prints as %q; want %q", effect, effect, want)
		}
	}
}

// TestUnseenIsTheSame: what a caller may not see is answered alike, whatever
// is there.
func TestUnseenIsTheSame(t *testing.T) {
	req := policy.Request{
		Caller: mustReach(t, []string{"production"}, "secrets:*"),
		Direct: true, Action: policy.Read, Path: mustPath(t, "staging/KEY"),
	}
	want := policy.Decide(req)
	for _, tier := range []policy.Tier{policy.Standard, policy.Sensitive, policy.Critical, "secret"} {
		req.Tier = tier
		if got := policy.Decide(req); got != want {
			t.Errorf("a %s secret is answered %+v, none %+v", tier, got, want)
		}
	}
}

func genRequest(t *rapid.T) policy.Request {
	return policy.Request{
		Caller:  genReach(t, "caller"),
		Token:   genScopes(t, "token"),
		Direct:  rapid.Bool().Draw(t, "direct"),
		Action:  rapid.SampledFrom([]policy.Action{policy.Read, policy.Write, policy.Delete, policy.Rotate, "*", "", "list"}).Draw(t, "action"),
		Path:    rapid.SampledFrom([]policy.Path{genPath(t, "path"), {}}).Draw(t, "path or none"),
		Tier:    rapid.SampledFrom([]policy.Tier{"", policy.Standard, policy.Sensitive, policy.Critical, "other"}).Draw(t, "tier"),
		Granted: rapid.Bool().Draw(t, "granted"),
	}
}

// TestDecideAllowsOnlyWithinReach checks the rule from outside: what an agent
// is not refused, its reach and its token both allow, and the tier agrees.
func TestDecideAllowsOnlyWithinReach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := genRequest(t)
		got := policy.Decide(r)
		if again := policy.Decide(r); again != got {
			t.Fatalf("the same request was answered %+v and %+v", got, again)
		}
		if got.Reason == "" {
			t.Fatal("no reason")
		}
		if got.Effect == policy.Deny {
			return
		}
		bound := !r.Direct || len(r.Token) > 0
		if !r.Caller.Allows(r.Action, r.Path) || bound && !(policy.Reach{Scopes: r.Token}).Allows(r.Action, r.Path) {
			t.Fatalf("%s beyond reach or token", got.Effect)
		}
		if waits := r.Tier.NeedsApproval(r.Action) && !r.Granted; waits != (got.Effect == policy.Approve) {
			t.Fatalf("%s on tier %q, granted %v", got.Effect, r.Tier, r.Granted)
		}
	})
}

// TestLessNeverOpens: taking away a scope, a namespace, a token's scope or the
// grant never turns a refusal into something else.
func TestLessNeverOpens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		more := genRequest(t)
		more.Direct = false
		less := more
		less.Granted = false
		if n := len(less.Caller.Scopes); n > 0 {
			less.Caller.Scopes = less.Caller.Scopes[:n-1]
		}
		if n := len(less.Token); n > 0 {
			less.Token = less.Token[:rapid.IntRange(0, n).Draw(t, "kept")]
		}
		if n := len(less.Caller.Namespaces); n > 0 {
			less.Caller.Namespaces = less.Caller.Namespaces[:n-1]
		}
		before, after := policy.Decide(more).Effect, policy.Decide(less).Effect
		if before == policy.Deny && after != policy.Deny || before == policy.Approve && after == policy.Allow {
			t.Fatalf("%s became %s", before, after)
		}
	})
}
