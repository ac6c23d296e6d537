package server_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// passphrase is the approval passphrase of the owner olga.
const passphrase = "correct horse battery staple"

// guarded is a daemon whose vault has an approval passphrase.
func guarded(t testing.TB) *daemon {
	t.Helper()
	d := unclaimed(t)
	text := d.secret(passphrase)
	claim, err := d.vault.Claim(context.Background(), "olga", vault.Origin{Local: true}, api.ClaimRequest{Passphrase: &text})
	if err != nil || d.secret(claim.RecoveryPassphrase) == "" {
		t.Fatal("claimed with a passphrase, it has no recovery passphrase: ", err)
	}
	d.owner, d.recovery = d.secret(claim.OwnerKey), claim.RecoveryPassphrase
	return d
}

// with is a body with the passphrase.
func with(body string) string {
	if body == "" {
		body = "{}"
	}
	return strings.Replace(strings.TrimSuffix(body, "}")+`,"passphrase":"`+passphrase+`"}`, "{,", "{", 1)
}

// internal are the acts that no route is named after.
var internal = []string{"passphrase.try"}

// TestEveryRouteIsGuarded: each is classified in the table of guards, and the
// table has nothing else.
func TestEveryRouteIsGuarded(t *testing.T) {
	routes := start(t).srv.RouteNames()
	for name := range routes {
		if _, ok := policy.GuardOf(name); !ok {
			t.Errorf("route %s has no guard", name)
		}
	}
	for _, act := range policy.GuardedActs() {
		if _, ok := routes[act]; ok == slices.Contains(internal, act) {
			t.Errorf("act %s: there is a route: %v", act, ok)
		}
	}
}

// sample is a request of a route, well formed and to the point.
type sample struct{ method, target, body string }

// slot is the id of one that can be removed.
func (d *daemon) slot() string {
	d.t.Helper()
	d.want(d.call("POST", "/v1/vault/slots", d.owner, with(`{"kind":"file","key":"`+strings.TrimSuffix(string(api.NewSlotKey()), "\n")+`\n"}`)), "")
	list := into[api.Slots](d, d.call("GET", "/v1/vault/slots", d.owner, ""))
	return list.Items[len(list.Items)-1].ID
}

// samples are one for each route, by its name: of a vault that has what they
// need.
func (d *daemon) samples() map[string]sample {
	d.t.Helper()
	list := map[string]sample{
		"health": {"GET", "/v1/health", ""}, "jwks": {"GET", "/.well-known/jwks.json", ""}, "openapi": {"GET", "/v1/openapi.json", ""},
		"certificate": {"GET", "/v1/vault/certificate", ""}, "claim": {"POST", "/v1/vault/claim", ""},
		"me": {"GET", "/v1/me", ""}, "audit": {"GET", "/v1/audit", ""}, "audit.export": {"GET", "/v1/audit/export?heads=true", ""},
		"audit.checkpoint": {"GET", "/v1/audit/checkpoint", ""}, "audit.verify": {"POST", "/v1/audit/verify", ""}, "audit.rotate_key": {"POST", "/v1/audit/rotate-key", ""},
		"audit.follow": {"GET", "/v1/audit/follow?wait=1s", ""}, "audit.stats": {"GET", "/v1/audit/stats", ""},
		"token.list": {"GET", "/v1/tokens", ""}, "token.issue": {"POST", "/v1/tokens", `{"scopes":["secrets:read:a/TOKEN"]}`},
		"secret.list": {"GET", "/v1/secrets?namespace=a", ""}, "secret.get": {"GET", "/v1/secrets/a/HOT", ""},
		"secret.history": {"GET", "/v1/secrets/a/HOT/versions", ""}, "secret.rollback": {"POST", "/v1/secrets/a/BACK/rollback", `{"version":1}`},
		"secret.put":    {"PUT", "/v1/secrets/a/PUT", `{"value":"w"}`},
		"secret.rotate": {"POST", "/v1/secrets/a/ROTATE/rotate", `{"value":"w"}`}, "secret.import": {"POST", "/v1/secrets/import", `{"namespace":"a","content":"IMPORT=w"}`},
		"secret.export": {"POST", "/v1/secrets/export", `{"namespaces":["a"],"keys":["EXPORT"]}`},
		"secret.delete": {"DELETE", "/v1/secrets/a/DELETE", ""}, "namespaces": {"GET", "/v1/namespaces", ""},
		"vault.slot_list": {"GET", "/v1/vault/slots", ""}, "vault.slot_add": {"POST", "/v1/vault/slots", `{"kind":"passphrase","new_passphrase":"of a slot, ten"}`},
		"vault.slot_remove": {"POST", "/v1/vault/slots/" + d.slot() + "/remove", ""},
		"agent.list":        {"GET", "/v1/agents", ""}, "agent.create": {"POST", "/v1/agents", `{"name":"new"}`},
		"owner.list": {"GET", "/v1/owners", ""}, "owner.create": {"POST", "/v1/owners", `{"name":"otto"}`},
		"owner.revoke": {"POST", "/v1/owners/oscar/revoke", ""}, "agent.revoke": {"DELETE", "/v1/agents/gone", ""},
		"approval.list": {"GET", "/v1/approvals", ""}, "policy.get": {"GET", "/v1/policy", ""},
		"policy.check": {"GET", "/v1/policy/check?agent=bot&scope=secrets:read:a/HOT", ""},
		"vault.status": {"GET", "/v1/vault/status", ""}, "kek.rotate": {"POST", "/v1/vault/rotate-kek", ""},
		"vault.lockdown": {"POST", "/v1/vault/lockdown", `{"reason":"drill"}`}, "vault.lift": {"POST", "/v1/vault/lift", ""},
		"vault.compact": {"POST", "/v1/vault/compact", ""},
		"vault.backup":  {"POST", "/v1/vault/backup", ""}, "vault.backup.get": {"GET", "/v1/vault/backup", ""},
		"vault.unseal": {"POST", "/v1/vault/unseal", ""}, "vault.seal": {"POST", "/v1/vault/seal", ""},
		"passphrase.set": {"POST", "/v1/vault/passphrase", `{"new_passphrase":"` + passphrase + `"}`},
	}
	d.guard("a/HOT", "value-of-a-sensitive-one", "sensitive")
	for _, key := range []string{"HOTTER", "TOKEN", "PUT", "ROTATE", "IMPORT", "EXPORT", "DELETE"} { // one each: equal refusals are one event
		d.guard("a/"+key, "value-of-a-critical-one", "critical")
	}
	d.put("a/BACK", "value-to-go-back-to")
	d.guard("a/BACK", "value-of-a-critical-one", "critical")
	d.want(d.call("POST", "/v1/agents", d.owner, with(`{"name":"gone"}`)), "")
	oscar := into[api.OwnerCreated](d, d.call("POST", "/v1/owners", d.owner, with(`{"name":"oscar"}`)))
	d.secret(oscar.APIKey)
	d.secret(*oscar.InitialPassphrase)
	bot := d.secret(into[api.AgentCreated](d, d.call("POST", "/v1/agents", d.owner, with(`{"name":"bot","allowed_scopes":["secrets:*:*"]}`))).APIKey)
	list["bot"] = sample{body: bot} // not a route
	for act, wish := range map[string]string{"approve": "read", "deny": "write", "revoke": "delete"} {
		path := map[string]string{"read": "a/HOT"}[wish]
		if path == "" {
			path = "a/HOTTER"
		}
		id := d.ask(bot, "secrets:"+wish+":"+path)
		list["approval."+act] = sample{"POST", "/v1/approvals/" + id + "/" + act, d.shown(id)}
		list["approval.get"] = sample{"GET", "/v1/approvals/agent/" + id, ""}
		if act == "revoke" {
			d.want(d.call("POST", "/v1/approvals/"+id+"/approve", d.owner, with(d.shown(id))), "")
		}
	}
	d.webhook("chat")
	list["vault.doctor"] = sample{"GET", "/v1/vault/doctor", ""}
	list["webhook.list"], list["webhook.test"] = sample{"GET", "/v1/webhooks", ""}, sample{"POST", "/v1/webhooks/chat/test", ""}
	list["token.revoke"] = sample{"DELETE", "/v1/tokens/" + d.tokenID(bot), ""}
	list["policy.accept"] = sample{"POST", "/v1/policy/accept", d.held("policy.toml", "[tokens]\ndefault_ttl = \"10m\"\n")}
	return list
}

// shown is the body of a decision on a request as it was shown.
func (d *daemon) shown(id string) string {
	d.t.Helper()
	got := into[api.Approval](d, d.call("GET", "/v1/approvals/agent/"+id, d.owner, ""))
	return `{"digest":"` + got.Digest + `"}`
}

// tokenID is the id of a new token.
func (d *daemon) tokenID(key string) string {
	d.t.Helper()
	got := into[api.TokenResponse](d, d.call("POST", "/v1/tokens", key, `{"scopes":["read:secrets"]}`))
	d.secret(got.Token)
	return got.TokenID
}

// held offers a text that an owner has to accept, and is the body of that.
func (d *daemon) held(name, text string) string {
	d.t.Helper()
	offer := d.vault.OfferPolicy
	if name == api.ConfigFile {
		offer = d.vault.OfferConfig
	}
	if _, err := offer(context.Background(), "/etc/assd/"+name, []byte(text), nil); err == nil {
		d.t.Fatal("it is not held")
	}
	for _, f := range into[api.OperatorFiles](d, d.call("GET", "/v1/policy", d.owner, "")).Items {
		if f.Name == name && f.State == api.FileHeld {
			return fmt.Sprintf(`{"name":%q,"digest":%q}`, name, f.HeldDigest)
		}
	}
	d.t.Fatal("no text is held")
	return ""
}

// TestStepUpAtEveryRoute: in a vault with a passphrase an owner's key alone opens
// just what the table of guards says, and the passphrase the rest; what is refused
// is in the trail.
func TestStepUpAtEveryRoute(t *testing.T) {
	d := guarded(t)
	samples := d.samples()
	for name := range d.srv.RouteNames() {
		s, ok := samples[name]
		if !ok {
			t.Fatalf("no sample of a request of route %s", name)
		}
		guard, _ := policy.GuardOf(name)
		switch name {
		case "vault.lockdown", "vault.lift", "vault.seal", "vault.backup.get", "claim", "certificate": // below; beyond one
			continue
		}
		before := d.last()
		r := d.call(s.method, s.target, d.owner, s.body)
		if guard.StepUp == policy.StepUpNever {
			d.want(r, "")
			continue
		}
		if r.code() != "STEP_UP_REQUIRED" || !strings.Contains(string(r.body), "--passphrase-file") {
			t.Errorf("%s without a passphrase: %d %.200s", name, r.status, r.body)
		}
		refused := d.since(before)
		if len(refused) != 1 || !strings.HasSuffix(refused[0].Action, ".denied") || refused[0].Outcome != "denied" {
			t.Errorf("%s without a passphrase left %v", name, actions(refused))
		}
		if guard.StepUp == policy.StepUpAlways && name != "kek.rotate" { // that ends tokens, and goes on by itself
			d.want(d.call(s.method, s.target, d.owner, with(s.body)), "")
		}
	}
	d.want(d.call("POST", "/v1/vault/rotate-kek", d.owner, with("")), "")
	d.want(d.call("GET", "/v1/vault/backup", d.owner, ""), "STEP_UP_REQUIRED") // refused as POST was: one event for both
	d.want(d.call("POST", "/v1/vault/lockdown", d.owner, ""), "")
	d.want(d.call("POST", "/v1/vault/lift", d.owner, ""), "STEP_UP_REQUIRED")
	d.want(d.call("POST", "/v1/vault/lift", d.owner, with("")), "")
}

// TestStepUpByTier: what needs a passphrase by its tier is done with a token that
// was made with it, and with nothing less.
func TestStepUpByTier(t *testing.T) {
	d := guarded(t)
	samples := d.samples()
	for _, tc := range []struct{ name, scope string }{
		{"secret.get", "secrets:read:a/HOT"}, {"secret.put", "secrets:write:a/PUT"}, {"secret.rotate", "secrets:write:a/ROTATE"},
		{"secret.rollback", "secrets:write:a/BACK"}, {"secret.import", "secrets:write:a/IMPORT"}, {"secret.delete", "secrets:delete:a/DELETE"},
		{"secret.export", "secrets:read:a/EXPORT"},
	} {
		s := samples[tc.name]
		wild := d.token(d.owner, "secrets:*:*")
		d.want(d.call(s.method, s.target, wild, s.body), "STEP_UP_REQUIRED")
		d.want(d.call("POST", "/v1/tokens", d.owner, asJSON(map[string]any{"scopes": []string{tc.scope}})), "STEP_UP_REQUIRED")
		d.want(d.call(s.method, s.target, d.stepUpToken(tc.scope), s.body), "")
	}
}

// stepUpToken is a token that olga makes with the passphrase.
func (d *daemon) stepUpToken(scopes ...string) string {
	d.t.Helper()
	r := d.call("POST", "/v1/tokens", d.owner, with(asJSON(map[string]any{"scopes": scopes})))
	return d.secret(into[api.TokenResponse](d, r).Token)
}

// goesOn are the routes that a lockdown leaves open: to look, and to stop more.
var goesOn = strings.Fields(`health jwks openapi certificate claim me audit audit.export audit.checkpoint audit.verify audit.rotate_key audit.follow audit.stats token.list token.revoke agent.list agent.revoke owner.list owner.revoke vault.slot_list vault.slot_remove
approval.list approval.get approval.deny approval.revoke policy.get policy.check vault.compact vault.lockdown vault.lift vault.seal vault.unseal vault.doctor vault.status kek.rotate vault.backup vault.backup.get webhook.list webhook.test`)

// TestLockdownAtEveryRoute: what does not go on in a lockdown is LOCKED_DOWN to
// everyone, and so is a token from before it; the rest answers.
func TestLockdownAtEveryRoute(t *testing.T) {
	d := guarded(t)
	samples := d.samples()
	bot := samples["bot"].body
	callers := map[string]string{"owner": d.owner, "agent": bot, "owner's token": d.token(d.owner, "secrets:*:*"), "agent's token": d.token(bot, "secrets:*:*")}
	d.want(d.call("POST", "/v1/vault/lockdown", d.owner, `{"reason":"the laptop is gone"}`), "")
	me := into[api.Me](d, d.call("GET", "/v1/me", bot, ""))
	if !me.Lockdown.Locked || me.Lockdown.By != "olga" || me.Lockdown.Reason != "the laptop is gone" || me.Lockdown.Since == nil {
		t.Errorf("an agent is told %+v", me.Lockdown)
	}
	// What has ended with it cannot be ended again.
	ended := map[string]string{"token.revoke": "NOT_FOUND", "approval.deny": "CONFLICT", "approval.revoke": "CONFLICT", "claim": "CONFLICT", "certificate": "NOT_FOUND"}
	for name, open := range d.srv.RouteNames() {
		s := samples[name]
		guard, _ := policy.GuardOf(name)
		if guard.InLockdown != slices.Contains(goesOn, name) {
			t.Errorf("%s goes on in a lockdown: %v", name, guard.InLockdown)
		}
		if name == "vault.seal" { // it would be the last
			continue
		}
		for who, key := range callers {
			r := d.call(s.method, s.target, key, s.body)
			stopped := !guard.InLockdown || !open && strings.HasSuffix(who, "token")
			if (r.code() == "LOCKED_DOWN") != stopped {
				t.Errorf("%s by %s in a lockdown: %d %.200s", name, who, r.status, r.body)
			}
			if who == "owner" && guard == (policy.Guard{StepUp: policy.StepUpNever, InLockdown: true}) && r.code() != ended[name] {
				t.Errorf("%s by an owner in a lockdown: %d %.200s", name, r.status, r.body)
			}
		}
		if !guard.InLockdown && guard.StepUp == policy.StepUpAlways {
			d.want(d.call(s.method, s.target, d.owner, with(s.body)), "LOCKED_DOWN")
		}
	}
	d.want(d.call("POST", "/v1/owners/oscar/revoke", d.owner, with("")), "")
	d.want(d.call("POST", "/v1/vault/lift", bot, ""), "SCOPE_DENIED")
	if got := into[api.Lockdown](d, d.call("POST", "/v1/vault/lift", d.owner, with(""))); got.Locked {
		t.Errorf("lifted, it is %+v", got)
	}
	d.want(d.call("POST", "/v1/vault/lift", d.owner, with("")), "CONFLICT")
	for _, who := range []string{"owner's token", "agent's token"} { // ended for good
		d.want(d.call("GET", "/v1/secrets/a", callers[who], ""), "UNAUTHORIZED")
	}
	d.want(d.call("GET", "/v1/secrets/a", bot, ""), "")
}

// published are the routes that the published clients use.
var published = strings.Fields(`
GET/v1/health GET/v1/me GET/v1/me/status POST/v1/tokens GET/v1/tokens DELETE/v1/tokens/{id} GET/v1/secrets GET/v1/secrets/{path}
PUT/v1/secrets/{path} DELETE/v1/secrets/{path} POST/v1/secrets/import POST/v1/secrets/{path}/rotate GET/v1/namespaces GET/v1/agents
POST/v1/agents DELETE/v1/agents/{id} GET/v1/approvals GET/v1/approvals/agent/{id} POST/v1/approvals/{id}/approve POST/v1/approvals/{id}/deny
GET/v1/audit GET/.well-known/jwks.json`)

// TestPublishedRoutes: they stay, and in a vault without a passphrase none of them
// asks for more than it did.
func TestPublishedRoutes(t *testing.T) {
	d := start(t)
	table := d.srv.Routes()
	for _, route := range published {
		if !slices.ContainsFunc(table, func(rt [2]string) bool { return rt[0]+rt[1] == route }) {
			t.Errorf("%s is no route", route)
		}
	}
	d.guard("a/HOT", "v", "critical")
	bot := d.agent("bot", `["secrets:read:*"]`, `[]`)
	id := d.ask(bot, "secrets:read:a/HOT")
	d.want(d.call("POST", "/v1/approvals/"+id+"/approve", d.owner, ""), "") // as they send it: no body, no digest
	for _, key := range []string{d.owner, d.token(d.owner, "secrets:read:a/*"), bot} {
		d.want(d.call("GET", "/v1/secrets/a/HOT", key, ""), "")
	}
}
