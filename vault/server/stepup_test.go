package server_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// takers are the routes that take a passphrase, each with a body that is good but
// for that.
func (d *daemon) takers(id string) map[string]string {
	return map[string]string{
		"/v1/tokens": `{"scopes":["secrets:read:a/HOT"]}`, "/v1/agents": `{"name":"another"}`, "/v1/owners": `{"name":"otto"}`,
		"/v1/owners/oscar/revoke": "{}", "/v1/approvals/" + id + "/approve": "{}", "/v1/vault/lift": "{}",
		"/v1/policy/accept":    `{"name":"policy.toml","digest":"sha256:` + strings.Repeat("0", 64) + `"}`,
		"/v1/vault/passphrase": `{"new_passphrase":"another long passphrase"}`,
	}
}

// TestPassphraseWhereThereIsNone: a vault without one takes none, also not from an
// agent or a token, and nothing comes of it.
func TestPassphraseWhereThereIsNone(t *testing.T) {
	d := start(t)
	d.guard("a/HOT", "v", "sensitive")
	d.want(d.call("POST", "/v1/owners", d.owner, `{"name":"oscar"}`), "")
	bot := d.agent("bot", `["secrets:read:*"]`, `[]`)
	id := d.ask(bot, "secrets:read:a/HOT")
	for target, body := range d.takers(id) {
		r := d.want(d.call("POST", target, d.owner, with(body)), "VALIDATION_ERROR")
		if !strings.HasPrefix(r.message(), "passphrase: ") {
			t.Errorf("%s: %s", target, r.body)
		}
		d.want(d.call("POST", target, bot, with(body)), "SCOPE_DENIED")
		d.want(d.call("POST", target, d.token(bot, "secrets:read:b/*"), with(body)), "SCOPE_DENIED")
		d.want(d.call("POST", target, "", with(body)), "UNAUTHORIZED")
	}
	for _, act := range []string{"deny", "revoke"} {
		d.want(d.call("POST", "/v1/approvals/"+id+"/"+act, d.owner, with("")), "VALIDATION_ERROR")
	}
	if got := into[api.Approval](d, d.call("GET", "/v1/approvals/agent/"+id, d.owner, "")); got.Status != "pending" {
		t.Errorf("it is %s", got.Status)
	}
}

// TestWrongPassphrase: another one, of an agent or a token, does nothing but an
// event; the right one counts right after.
func TestWrongPassphrase(t *testing.T) {
	d := guarded(t)
	d.guard("a/HOT", "v", "sensitive")
	bot := d.secret(into[api.AgentCreated](d, d.call("POST", "/v1/agents", d.owner, with(`{"name":"bot","allowed_scopes":["secrets:*:*"]}`))).APIKey)
	id := d.ask(bot, "secrets:read:a/HOT")
	target := "/v1/approvals/" + id + "/approve"
	wrong := d.secret("wrong horse battery staple")
	for _, text := range []string{wrong, passphrase + " ", d.secret("zu kurz"), "", strings.Repeat("x", 5000)} {
		before := d.last()
		r := d.want(d.call("POST", target, d.owner, asJSON(map[string]any{"passphrase": text})), "STEP_UP_REQUIRED")
		got := d.since(before)
		if len(got) != 1 || got[0].Action != "step_up.failed" || got[0].Outcome != "denied" || got[0].AgentID != "olga" || got[0].RequestID != r.header.Get("X-Request-Id") {
			if len(got) != 0 { // equal to one just before: counted with it
				t.Errorf("a wrong passphrase left %+v", got)
			}
		}
		if text != "" && strings.Contains(asJSON(d.events()), text) {
			t.Errorf("the trail holds %q", text)
		}
	}
	for target, body := range d.takers(id) {
		for _, who := range []string{bot, d.token(bot, "secrets:read:b/*"), d.token(d.owner, "secrets:read:b/*")} {
			if r := d.call("POST", target, who, with(body)); r.code() != "SCOPE_DENIED" {
				t.Errorf("%s by one who has no passphrase: %d %s", target, r.status, r.body)
			}
		}
	}
	d.want(d.call("POST", target, d.owner, with("")), "VALIDATION_ERROR") // without what was shown
	d.want(d.call("POST", target, d.owner, with(d.shown(id))), "")
	if s := into[api.Secret](d, d.call("GET", "/v1/secrets/a/HOT", bot, "")); s.Value != "v" {
		t.Errorf("approved, it reads %q", s.Value)
	}
}

// TestStepUpToken: it is for exactly what its scopes name, each once, for a
// minute, and is listed and revoked as any.
func TestStepUpToken(t *testing.T) {
	d := guarded(t)
	for _, key := range []string{"ONE", "TWO", "THREE"} {
		d.guard("a/"+key, "value of "+key, "sensitive")
	}
	d.guard("a/TOP", "value of TOP", "critical")
	for _, scope := range []string{"secrets:read:a/*", "secrets:*:a/ONE", "secrets:*:*", "read:secrets", "secrets:read:a", "namespaces:read", "secrets:read:a/O*"} {
		body := asJSON(map[string]any{"scopes": []string{"secrets:read:a/ONE", scope}})
		d.want(d.call("POST", "/v1/tokens", d.owner, with(body)), "VALIDATION_ERROR")
	}
	for _, ttl := range []string{"", `,"ttl":"1h"`, `,"ttl":"10s"`} {
		got := into[api.TokenResponse](d, d.call("POST", "/v1/tokens", d.owner, with(`{"scopes":["secrets:read:a/ONE"]`+ttl+`}`)))
		d.secret(got.Token)
		most := map[bool]time.Duration{true: 10 * time.Second, false: time.Minute}[strings.Contains(ttl, "10s")]
		if left := time.Until(got.ExpiresAt); left > most || left < most-5*time.Second {
			t.Errorf("asked for with %q it lives %v", ttl, left)
		}
	}
	token := d.stepUpToken("secrets:read:a/ONE", "secrets:read:a/TWO", "secrets:write:a/TOP", "secrets:delete:a/TWO")
	read := func(key, code string) {
		t.Helper()
		r := d.want(d.call("GET", "/v1/secrets/a/"+key, token, ""), code)
		if code == "" && into[api.Secret](d, r).Value != "value of "+key {
			t.Errorf("it reads %s", r.body)
		}
	}
	read("ONE", "")
	read("ONE", "SCOPE_DENIED")
	read("THREE", "SCOPE_DENIED")
	read("TOP", "SCOPE_DENIED")
	read("TWO", "")
	d.want(d.call("DELETE", "/v1/secrets/a/TOP", token, ""), "SCOPE_DENIED")
	d.want(d.call("PUT", "/v1/secrets/a/TOP", token, `{"value":"new","access_tier":"standard","lower_tier":true}`), "")
	d.want(d.call("PUT", "/v1/secrets/a/TOP", token, `{"value":"newer"}`), "SCOPE_DENIED")
	d.want(d.call("GET", "/v1/secrets/a/TOP", d.owner, ""), "") // lowered
	d.want(d.call("DELETE", "/v1/secrets/a/TWO", token, ""), "")
	read("ONE", "UNAUTHORIZED") // it is used up

	token = d.secret(into[api.TokenResponse](d, d.call("POST", "/v1/tokens", d.owner, with(`{"scopes":["secrets:read:a/ONE","secrets:read:a/THREE"],"max_uses":1}`))).Token)
	read("ONE", "")
	read("THREE", "UNAUTHORIZED")
	gone := into[api.TokenResponse](d, d.call("POST", "/v1/tokens", d.owner, with(`{"scopes":["secrets:read:a/ONE"]}`)))
	d.want(d.call("DELETE", "/v1/tokens/"+gone.TokenID, d.owner, ""), "")
	d.want(d.call("GET", "/v1/secrets/a/ONE", d.secret(gone.Token), ""), "UNAUTHORIZED")
	d.want(d.call("GET", "/v1/secrets/a/ONE", d.owner, ""), "STEP_UP_REQUIRED") // nothing is remembered
}

// TestTwoOwners: where a tier asks for two, one votes once, and acts of owners
// wait for the other.
func TestTwoOwners(t *testing.T) {
	d := guarded(t)
	d.guard("a/HOT", "v", "sensitive")
	accept := d.held("policy.toml", "[tiers.sensitive]\napprovals = 2\n")
	d.want(d.call("POST", "/v1/policy/accept", d.owner, with(accept)), "")
	bot := d.secret(into[api.AgentCreated](d, d.call("POST", "/v1/agents", d.owner, with(`{"name":"bot"}`))).APIKey)
	second := into[api.OwnerCreated](d, d.call("POST", "/v1/owners", d.owner, with(`{"name":"otto"}`)))
	otto, theirs := d.secret(second.APIKey), d.secret(*second.InitialPassphrase)
	as := func(text, body string) string { return strings.Replace(with(body), passphrase, text, 1) }

	id := d.ask(bot, "secrets:read:a/HOT")
	target, shown := "/v1/approvals/"+id+"/approve", d.shown(id)
	got := into[api.Approval](d, d.call("POST", target, d.owner, with(shown)))
	if got.Status != "pending" || got.ApprovalsNeeded != 2 || len(got.ApprovedBy) != 1 || got.ApprovedBy[0] != "olga" {
		t.Errorf("after one of two it is %+v", got)
	}
	d.want(d.call("POST", target, d.owner, with(shown)), "CONFLICT")
	d.want(d.call("POST", target, otto, with(shown)), "STEP_UP_REQUIRED") // another's passphrase
	d.want(d.call("GET", "/v1/secrets/a/HOT", bot, ""), "APPROVAL_REQUIRED")
	got = into[api.Approval](d, d.call("POST", target, otto, as(theirs, shown)))
	if got.Status != "approved" || strings.Join(got.ApprovedBy, " ") != "olga otto" || *got.DecidedBy != "otto" {
		t.Errorf("after both it is %+v", got)
	}
	d.want(d.call("GET", "/v1/secrets/a/HOT", bot, ""), "")

	// An act of owners: asked for by one, approved by the other, never by oneself.
	weaker := d.held("policy.toml", "# one is enough\n")
	for act, tc := range map[string]struct{ target, body, scope string }{
		"owner.create": {"/v1/owners", `{"name":"oscar"}`, "owner.create:oscar"}, "owner.revoke": {"/v1/owners/otto/revoke", "{}", "owner.revoke:otto"},
		"policy.accept": {"/v1/policy/accept", weaker, "policy.accept:sha256:"},
	} {
		r := d.want(d.call("POST", tc.target, d.owner, with(tc.body)), "APPROVAL_REQUIRED")
		var waits api.ErrorBody
		decodeInto(t, r.body, &waits)
		got := into[api.Approval](d, d.call("GET", "/v1/approvals/agent/"+waits.ApprovalID, d.owner, ""))
		if got.RequesterKind != "owner" || !isID(got.ActorID, "own") || len(got.RequestedScopes) != 1 || !strings.HasPrefix(got.RequestedScopes[0], tc.scope) || got.AccessTier != "critical" {
			t.Errorf("%s is asked for as %+v", act, got)
		}
		target := "/v1/approvals/" + got.ID + "/approve"
		d.want(d.call("POST", target, d.owner, with(d.shown(got.ID))), "SCOPE_DENIED")
		d.want(d.call("POST", target, bot, d.shown(got.ID)), "SCOPE_DENIED")
		d.want(d.call("GET", "/v1/approvals/agent/"+got.ID, bot, ""), "NOT_FOUND")
	}
}

func decodeInto(t *testing.T, b []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

// TestRestartEndsStepUps: what a passphrase has opened ends with the process, and
// what needs none goes on.
func TestRestartEndsStepUps(t *testing.T) {
	d := guarded(t)
	d.guard("a/HOT", "v", "sensitive")
	d.guard("a/TOP", "v", "critical")
	d.put("a/K", "plain")
	bot := d.secret(into[api.AgentCreated](d, d.call("POST", "/v1/agents", d.owner, with(`{"name":"bot","allowed_scopes":["secrets:*:*"]}`))).APIKey)
	reads, writes := d.ask(bot, "secrets:read:a/HOT"), d.ask(bot, "secrets:write:a/TOP")
	waits := d.ask(bot, "secrets:read:a/TOP")
	for _, id := range []string{reads, writes} {
		d.want(d.call("POST", "/v1/approvals/"+id+"/approve", d.owner, with(d.shown(id))), "")
	}
	stepped, plain := d.stepUpToken("secrets:read:a/HOT"), d.token(bot, "secrets:read:a/*")
	d.want(d.call("GET", "/v1/secrets/a/HOT", plain, ""), "")
	d.stop()
	d.serve(vault.Open)
	for id, want := range map[string]string{reads: "expired", writes: "approved", waits: "pending"} {
		if got := into[api.Approval](d, d.call("GET", "/v1/approvals/agent/"+id+"?wait=1s", bot, "")); got.Status != want {
			t.Errorf("after a restart %v is %s; want %s", got.RequestedScopes, got.Status, want)
		}
	}
	d.want(d.call("GET", "/v1/secrets/a/HOT", stepped, ""), "UNAUTHORIZED")
	d.want(d.call("GET", "/v1/secrets/a/HOT", plain, ""), "APPROVAL_REQUIRED")
	d.want(d.call("GET", "/v1/secrets/a/K", plain, ""), "")
	d.want(d.call("PUT", "/v1/secrets/a/TOP", bot, `{"value":"w"}`), "")
}

// TestOwners: they are made, listed and revoked by an id or a name; names are
// unique among all, and the last one stays.
func TestOwners(t *testing.T) {
	d := start(t)
	d.agent("ci", `["secrets:read:*"]`, `[]`)
	d.want(d.call("POST", "/v1/owners/olga/revoke", d.owner, ""), "CONFLICT")
	made := object(t, d.want(d.call("POST", "/v1/owners", d.owner, `{"name":"otto"}`), "").body,
		"id name api_key_prefix has_passphrase created_at last_active_at api_key initial_passphrase")
	otto := d.secret(made["api_key"].(string))
	if !isID(made["id"].(string), "own") || made["initial_passphrase"] != nil || made["has_passphrase"] != false || !strings.HasPrefix(otto, made["api_key_prefix"].(string)) {
		t.Errorf("made as %v", made)
	}
	for _, name := range []string{"otto", "OTTO", "Ci", "assd", "olga"} {
		d.want(d.call("POST", "/v1/owners", otto, `{"name":"`+name+`"}`), "CONFLICT")
	}
	list := into[api.Owners](d, d.call("GET", "/v1/owners", otto, "")).Items
	if len(list) != 2 || list[0].Name != "olga" || list[1].Name != "otto" {
		t.Errorf("listed as %+v", list)
	}
	d.want(d.call("POST", "/v1/owners/nobody/revoke", otto, ""), "NOT_FOUND")
	d.want(d.call("POST", "/v1/owners/ci/revoke", otto, ""), "NOT_FOUND")
	d.want(d.call("POST", "/v1/owners/"+list[0].ID+"/revoke", otto, ""), "")
	d.want(d.call("GET", "/v1/me", d.owner, ""), "UNAUTHORIZED")
	d.owner = otto
	d.want(d.call("POST", "/v1/owners/Otto/revoke", otto, ""), "CONFLICT")
	d.want(d.call("POST", "/v1/vault/passphrase", otto, `{"passphrase":null,"new_passphrase":"a long enough one"}`), "CONFLICT")
}
