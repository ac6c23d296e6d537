package server_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/api"
)

// reachVault has a secret whose path is also a namespace.
func reachVault(t *testing.T) *daemon {
	d := start(t)
	for _, p := range []string{"production/KEY", "production/openai", "production/openai/KEY", "production/openai/eu/KEY", "staging/KEY"} {
		d.put(p, d.secret("value of "+p))
	}
	body := `{"value":"` + d.secret("value of a sensitive one") + `","access_tier":"sensitive"}`
	d.want(d.call("PUT", "/v1/secrets/production/HOT", d.owner, body), "")
	return d
}

// meaning is what a GET came to: the value's path, "list" with how many, or the
// error's code.
func meaning(d *daemon, r reply) string {
	d.t.Helper()
	var m struct {
		Value *string
		Items []json.RawMessage
	}
	if r.status == 200 {
		if err := json.Unmarshal(r.body, &m); err != nil {
			d.t.Fatal(err)
		}
	}
	switch {
	case r.status != 200:
		return r.code()
	case m.Value != nil:
		return strings.TrimPrefix(*m.Value, "value of ")
	default:
		return "list " + strconv.Itoa(len(m.Items))
	}
}

// asked are the GETs that the table is about.
var asked = []string{
	"production", "production%2Fopenai", "production/openai", "production/openai/KEY", "production%2Fopenai/KEY",
	"production/openai/eu", "production/KEY", "production/NONE", "production/HOT", "staging", "staging/KEY", "staging/NONE", "none", "none/NONE",
}

// TestSecretOrListing: which of the two a GET means follows what the caller may
// see; the contract's rule, for each kind of caller and reach.
func TestSecretOrListing(t *testing.T) {
	d := reachVault(t)
	const denied, missing, approval = "SCOPE_DENIED", "SECRET_NOT_FOUND", "APPROVAL_REQUIRED"
	rows := []struct {
		name, scopes, namespaces string
		want                     []string // as asked
	}{
		{"everything", `["secrets:*:*"]`, `[]`, []string{
			"list 3", "list 1", "production/openai", "production/openai/KEY", "production/openai/KEY",
			"list 1", "production/KEY", missing, approval, "list 1", "staging/KEY", missing, "list 0", missing}},
		{"production", `["secrets:read:*"]`, `["production"]`, []string{
			"list 3", "list 1", "production/openai", "production/openai/KEY", "production/openai/KEY",
			"list 1", "production/KEY", missing, approval, denied, denied, denied, denied, denied}},
		{"below", `["secrets:read:production/openai/*"]`, `[]`, []string{
			"list 0", "list 1", "list 1", "production/openai/KEY", "production/openai/KEY",
			"list 1", denied, denied, denied, denied, denied, denied, denied, denied}},
		{"one", `["secrets:read:production/KEY"]`, `[]`, []string{
			"list 1", denied, denied, denied, denied,
			denied, "production/KEY", denied, denied, denied, denied, denied, denied, denied}},
		{"absent", `["secrets:read:production/NONE"]`, `[]`, []string{
			"list 0", denied, denied, denied, denied,
			denied, denied, missing, denied, denied, denied, denied, denied, denied}},
		{"both", `["secrets:read:production/openai","secrets:read:production/openai/*"]`, `["production"]`, []string{
			"list 1", "list 1", "production/openai", "production/openai/KEY", "production/openai/KEY",
			"list 1", denied, denied, denied, denied, denied, denied, denied, denied}},
		{"keys", `["secrets:read:*/KEY"]`, `[]`, []string{
			"list 1", denied, denied, denied, denied,
			denied, "production/KEY", denied, denied, "list 1", "staging/KEY", denied, "list 0", denied}},
		{"empty", `["secrets:read:none/NONE/*"]`, `[]`, []string{ // covered as a namespace, not as a secret
			denied, denied, denied, denied, denied,
			denied, denied, denied, denied, denied, denied, denied, "list 0", "list 0"}},
		{"hot", `["secrets:read:production/HOT"]`, `[]`, []string{
			"list 1", denied, denied, denied, denied,
			denied, denied, denied, approval, denied, denied, denied, denied, denied}},
		{"writer", `["secrets:write:*"]`, `[]`, []string{
			denied, denied, denied, denied, denied, denied, denied, denied, denied, denied, denied, denied, denied, denied}},
	}
	for _, row := range rows {
		key := d.agent(row.name, row.scopes, row.namespaces)
		who := map[string]string{"agent key": key, "owner token": d.token(d.owner, scopesOf(row.scopes)...)}
		if row.namespaces == `[]` && row.name != "hot" {
			who["agent token"] = d.token(key, scopesOf(row.scopes)...)
		}
		for kind, k := range who {
			for i, path := range asked {
				want := row.want[i]
				if kind == "owner token" && want == approval {
					want = "a sensitive one" // an owner may
				}
				if kind == "owner token" && row.namespaces != `[]` && want == denied && row.name == "production" {
					continue // an owner is not kept to namespaces
				}
				if got := meaning(d, d.call("GET", "/v1/secrets/"+path, k, "")); got != want {
					t.Errorf("%s of reach %q gets %q: %q; want %q", kind, row.name, path, got, want)
				}
			}
		}
	}
	for i, path := range asked { // an owner's key reaches everything
		want := rows[0].want[i]
		if want == approval {
			want = "a sensitive one"
		}
		if got := meaning(d, d.call("GET", "/v1/secrets/"+path, d.owner, "")); got != want {
			t.Errorf("the owner gets %q: %q; want %q", path, got, want)
		}
	}
}

func scopesOf(list string) (scopes []string) {
	if err := json.Unmarshal([]byte(list), &scopes); err != nil {
		panic(err)
	}
	return scopes
}

// TestOutOfReach: whoever may not see a path gets the same answer, to the byte,
// whether it exists or not, standard or sensitive, secret or namespace.
func TestOutOfReach(t *testing.T) {
	d := reachVault(t)
	key := d.agent("far", `["secrets:*:elsewhere/*"]`, `[]`)
	for _, who := range []string{key, d.token(key, "secrets:*:elsewhere/*"), d.token(d.owner, "secrets:*:elsewhere/*")} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			first := ""
			for _, p := range []string{"production/KEY", "production/NONE", "production/HOT", "production/openai", "none/NONE", "production/openai/eu"} {
				r := d.want(d.call(method, "/v1/secrets/"+p, who, `{"value":"x","access_tier":"critical","lower_tier":true}`), "SCOPE_DENIED")
				if first == "" {
					first = string(r.body)
				}
				if string(r.body) != first {
					t.Errorf("%s %s is told %s, another path %s", method, p, r.body, first)
				}
			}
		}
		for _, ns := range []string{"production", "none"} {
			a, b := d.call("GET", "/v1/secrets/"+ns, who, ""), d.call("GET", "/v1/secrets?namespace="+ns, who, "")
			if string(a.body) != string(b.body) || a.code() != "SCOPE_DENIED" {
				t.Errorf("listing %s: %s and %s", ns, a.body, b.body)
			}
		}
	}
	for _, path := range []string{"production/KEY", "production/NONE", "production/HOT"} {
		r := d.want(d.call("POST", "/v1/tokens", key, `{"scopes":["secrets:read:`+path+`"]}`), "SCOPE_DENIED")
		if strings.Contains(string(r.body), "production") {
			t.Errorf("the refusal of a scope says %s", r.body)
		}
	}
}

// TestDenialsAreEvents: a refusal leaves the refused act in the trail, once for
// equal ones.
func TestDenialsAreEvents(t *testing.T) {
	d := reachVault(t)
	key := d.agent("far", `["secrets:*:elsewhere/*"]`, `[]`)
	for _, tc := range []struct{ method, target, body, action, ns, resource string }{
		{"GET", "/v1/secrets/production/KEY", "", "secret.read.denied", "production", "KEY"},
		{"PUT", "/v1/secrets/production/KEY", `{"value":"v"}`, "secret.write.denied", "production", "KEY"},
		{"DELETE", "/v1/secrets/production/KEY", "", "secret.delete.denied", "production", "KEY"},
		{"GET", "/v1/secrets/production", "", "secret.list.denied", "production", ""},
		{"POST", "/v1/tokens", `{"scopes":["secrets:read:staging/KEY"]}`, "secret.read.denied", "staging", "KEY"},
		{"POST", "/v1/tokens", `{"scopes":["secrets:read:staging/*"]}`, "token.create.denied", "", ""},
	} {
		before := d.last()
		r := d.want(d.call(tc.method, tc.target, key, tc.body), "SCOPE_DENIED")
		d.want(d.call(tc.method, tc.target, key, tc.body), "SCOPE_DENIED")
		got := d.since(before)
		if len(got) != 1 {
			t.Errorf("%s %s twice left %v", tc.method, tc.target, actions(got))
			continue
		}
		e := got[0]
		if e.Action != tc.action || e.Namespace != tc.ns || e.Resource != tc.resource || e.Outcome != "denied" || e.Reason == "" ||
			e.AgentID != "far" || e.RequestID != r.header.Get("X-Request-Id") {
			t.Errorf("%s %s left %+v", tc.method, tc.target, e)
		}
	}
}

// TestLowerTier: only an owner lowers a tier, and only when asking for it.
func TestLowerTier(t *testing.T) {
	d := reachVault(t)
	key := d.agent("ci", `["secrets:*:*"]`, `[]`)
	const target = "/v1/secrets/production/HOT"
	put := func(who, body string) reply { return d.call("PUT", target, who, body) }
	if got := into[api.SecretInfo](d, put(d.owner, `{"value":"v","access_tier":"standard"}`)); got.AccessTier != "sensitive" {
		t.Errorf("lowered without being asked to: %s", got.AccessTier)
	}
	d.want(put(key, `{"value":"v","access_tier":"standard","lower_tier":true}`), "SCOPE_DENIED")
	if got := into[api.SecretInfo](d, put(key, `{"value":"v","access_tier":"critical"}`)); got.AccessTier != "critical" {
		t.Errorf("not raised: %s", got.AccessTier)
	}
	d.want(put(key, `{"value":"v"}`), "APPROVAL_REQUIRED")
	if got := into[api.SecretInfo](d, put(d.owner, `{"value":"v","access_tier":"standard","lower_tier":true}`)); got.AccessTier != "standard" {
		t.Errorf("an owner's lowering came to %s", got.AccessTier)
	}
}
