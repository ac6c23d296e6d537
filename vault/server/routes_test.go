package server_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// object decodes a JSON object and checks that it has just these fields.
func object(t *testing.T, raw []byte, fields string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	want := strings.Fields(fields)
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(m))); diff != "" {
		t.Fatalf("fields (-want +got):\n%s", diff)
	}
	return m
}

// elements are the objects of a list, as JSON.
func elements(t *testing.T, list any) (out [][]byte) {
	t.Helper()
	items, ok := list.([]any)
	if !ok {
		t.Fatalf("%v is no list", list)
	}
	for _, item := range items {
		out = append(out, []byte(asJSON(item)))
	}
	return out
}

// checkTime checks that each of the fields is RFC 3339, UTC, and now.
func checkTime(t *testing.T, m map[string]any, after time.Duration, fields ...string) {
	t.Helper()
	for _, f := range fields {
		s, _ := m[f].(string)
		at, err := time.Parse(time.RFC3339, s)
		if err != nil || !strings.HasSuffix(s, "Z") || time.Until(at.Add(-after)).Abs() > 30*time.Second {
			t.Errorf("%s is %q", f, s)
		}
	}
}

func checkValues(t *testing.T, m map[string]any, want map[string]any) {
	t.Helper()
	for k, v := range want {
		if diff := cmp.Diff(v, m[k]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", k, diff)
		}
	}
}

func TestHealth(t *testing.T) {
	d := start(t)
	m := object(t, d.want(d.call("GET", "/v1/health", "", ""), "").body, "status version service sealed")
	checkValues(t, m, map[string]any{"status": "ok", "version": "9.9.9", "service": "assd", "sealed": false})
	// A key that is wrong does not matter where none is asked for.
	d.want(d.call("GET", "/v1/health", "ask_live_wrong", ""), "")
}

func TestJWKS(t *testing.T) {
	d := start(t)
	m := object(t, d.want(d.call("GET", "/.well-known/jwks.json", "", ""), "").body, "keys")
	keys := elements(t, m["keys"])
	if len(keys) != 1 {
		t.Fatalf("%d keys", len(keys))
	}
	checkValues(t, object(t, keys[0], "kty crv alg use kid x"), map[string]any{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig"})
}

func TestClaim(t *testing.T) {
	d := unclaimed(t)
	m := object(t, d.want(d.call("POST", "/v1/vault/claim", "", ""), "").body, "owner_key owner_id name tenant verify_key")
	d.owner = d.secret(m["owner_key"].(string))
	checkValues(t, m, map[string]any{"tenant": d.vault.Tenant(), "verify_key": d.vault.VerifyKey()})
	if !strings.HasPrefix(d.owner, "ask_live_") || !isID(m["owner_id"].(string), "own") {
		t.Errorf("claim: id %q", m["owner_id"])
	}
	r := d.want(d.call("POST", "/v1/vault/claim", "", "{}"), "CONFLICT")
	if !strings.Contains(r.message(), "was claimed on ") || !strings.Contains(r.message(), "local uid") {
		t.Errorf("a second claim is told %q; want when and by whom", r.message())
	}
	if got := actions(d.since(0)); !slices.Equal(got, []string{"vault.init", "owner.create", "auth.login"}) {
		t.Errorf("trail %v", got)
	}
}

const meFields = "id email name plan subscription_status secret_count agent_count namespace_count tenant kind has_subscription verify_key lockdown"

func TestMe(t *testing.T) {
	d := start(t)
	d.put("a/K", "v")
	d.put("b/K", "v")
	key := d.agent("ci", `["secrets:read:a/*"]`, `["a"]`)
	before := d.last()
	for _, target := range []string{"/v1/me", "/v1/me/status"} {
		m := object(t, d.want(d.call("GET", target, d.owner, ""), "").body, meFields+" chain protection")
		checkValues(t, m, map[string]any{
			"kind": "owner", "name": "olga", "tenant": d.vault.Tenant(), "secret_count": 2.0, "agent_count": 1.0,
			"namespace_count": 2.0, "subscription_status": "active", "plan": "self-hosted",
		})
		checkValues(t, m["protection"].(map[string]any), map[string]any{
			"passphrase_set": false, "own_passphrase": false, "owners": 1.0, "pending_approvals": 0.0, "policy": "none", "policy_rules": 0.0, "config": "none",
		})
		m = object(t, d.want(d.call("GET", target, key, ""), "").body, meFields)
		checkValues(t, m, map[string]any{"kind": "agent", "name": "ci", "secret_count": 1.0, "agent_count": 1.0, "namespace_count": 1.0})
	}
	if d.last() != before {
		t.Error("looking at oneself left events")
	}
}

func TestTokens(t *testing.T) {
	d := start(t)
	key := d.agent("ci", `["secrets:*:*"]`, `[]`)
	agent := into[api.Me](d, d.call("GET", "/v1/me", key, ""))
	body := `{"scopes":["secrets:read:a/K","read:secrets"],"ttl":"1h","max_uses":3,"ip_allowlist":["local","10.0.0.0/8"]}`
	r := d.want(d.call("POST", "/v1/tokens", key, body), "")
	m := object(t, r.body, "token token_id expires_at scopes agent_id")
	d.secret(m["token"].(string))
	checkTime(t, m, time.Hour, "expires_at")
	checkValues(t, m, map[string]any{"agent_id": agent.ID, "scopes": []any{"secrets:read:a/K", "read:secrets"}})
	made := d.events()[0]
	if made.Action != "token.create" || made.TokenID != m["token_id"] || made.ActorID != agent.ID || made.RequestID != r.header.Get("X-Request-Id") {
		t.Errorf("event %+v", made)
	}
	for _, k := range []string{key, d.owner} {
		items := elements(t, object(t, d.call("GET", "/v1/tokens", k, "").body, "items")["items"])
		if len(items) != 1 {
			t.Fatalf("%d tokens", len(items))
		}
		tok := object(t, items[0], "id agent_id agent_name scopes uses max_uses ip_allowlist created_at expires_at")
		checkValues(t, tok, map[string]any{
			"id": m["token_id"], "agent_id": agent.ID, "agent_name": "ci", "uses": 0.0, "max_uses": 3.0,
			"ip_allowlist": []any{"local", "10.0.0.0/8"},
		})
		checkTime(t, tok, 0, "created_at")
	}
	checkRevokeToken(d, key, m["token_id"].(string))
}

// checkRevokeToken ends a token of key's holder: not by another agent, once.
func checkRevokeToken(d *daemon, key, id string) {
	d.t.Helper()
	other := d.agent("other", `["secrets:*:*"]`, `[]`)
	if items := into[api.Tokens](d, d.call("GET", "/v1/tokens", other, "")).Items; len(items) != 0 {
		d.t.Errorf("another agent sees %d tokens", len(items))
	}
	d.want(d.call("DELETE", "/v1/tokens/"+id, other, ""), "NOT_FOUND")
	r := d.want(d.call("DELETE", "/v1/tokens/"+id, key, ""), "")
	ev := d.events()[0]
	if r.status != 204 || ev.Action != "token.revoke" || ev.RequestID != r.header.Get("X-Request-Id") || *ev.ResID != id {
		d.t.Errorf("revoke: %d, event %+v", r.status, ev)
	}
	d.want(d.call("DELETE", "/v1/tokens/"+id, key, ""), "NOT_FOUND")
}

// TestTokenDefaults: 15 minutes, no limit of uses, ttl also as a number.
func TestTokenDefaults(t *testing.T) {
	d := start(t)
	for _, tc := range []struct {
		body string
		ttl  time.Duration
	}{
		{`{"scopes":["read:secrets"]}`, 15 * time.Minute},
		{`{"scopes":["read:secrets"],"ttl":null,"max_uses":null,"ip_allowlist":null}`, 15 * time.Minute},
		{`{"scopes":["read:secrets"],"ttl":90}`, 90 * time.Second},
		{`{"scopes":["read:secrets"],"ttl":"90"}`, 90 * time.Second},
		{`{"scopes":["read:secrets"],"ttl":"168h"}`, 168 * time.Hour},
		{` {"scopes":["read:secrets"],"ttl":"7d"} ` + "\r\n\t", 168 * time.Hour},
	} {
		m := object(t, d.want(d.call("POST", "/v1/tokens", d.owner, tc.body), "").body, "token token_id expires_at scopes agent_id")
		d.secret(m["token"].(string))
		checkTime(t, m, tc.ttl, "expires_at")
	}
}

const infoFields = "id namespace key version secret_type access_tier metadata created_at updated_at rotation_pending expires_at expired"

func TestSecrets(t *testing.T) {
	d := start(t)
	value := d.secret("the-value-\u00e9-\n-kept byte for byte")
	body := asJSON(map[string]any{
		"value": value, "secret_type": "api_key", "access_tier": "sensitive", "metadata": map[string]any{"by": "olga", "n": 1.5},
	})
	r := d.want(d.call("PUT", "/v1/secrets/production/openai/KEY", d.owner, body), "")
	want := map[string]any{
		"namespace": "production/openai", "key": "KEY", "version": 1.0, "secret_type": "api_key", "access_tier": "sensitive",
		"metadata": map[string]any{"by": "olga", "n": 1.5},
	}
	info := object(t, r.body, infoFields)
	checkValues(t, info, want)
	checkTime(t, info, 0, "created_at", "updated_at")
	checkEvent(d, r, "secret.write", "production/openai", "KEY", 1)

	r = d.want(d.call("GET", "/v1/secrets/production/openai/KEY", d.owner, ""), "")
	got := object(t, r.body, infoFields+" value")
	want["value"], want["id"] = value, info["id"]
	checkValues(t, got, want)
	checkTime(t, got, 0, "created_at", "updated_at")
	checkEvent(d, r, "secret.read", "production/openai", "KEY", 1)

	d.put("production/openai/KEY", "second") // no tier: keeps tier and type
	r = d.want(d.call("GET", "/v1/secrets/production/openai/KEY?version=1", d.owner, ""), "")
	checkValues(t, object(t, r.body, infoFields+" value"), want)
	d.want(d.call("GET", "/v1/secrets/production/openai/KEY?version=3", d.owner, ""), "SECRET_NOT_FOUND")
	r = d.want(d.call("GET", "/v1/secrets/production/openai/KEY", d.owner, ""), "")
	checkValues(t, object(t, r.body, infoFields+" value"), map[string]any{
		"value": "second", "version": 2.0, "access_tier": "sensitive", "secret_type": "api_key", "id": info["id"], "metadata": nil,
	})
}

// checkEvent checks the newest event, which the request that r answers left.
func checkEvent(d *daemon, r reply, action, ns, key string, version uint64) {
	d.t.Helper()
	e := d.events()[0]
	if e.Action != action || e.EventType != action || e.Namespace != ns || e.Resource != key || e.Version != version ||
		e.Outcome != "ok" || e.RequestID != r.header.Get("X-Request-Id") || e.AgentID != "olga" || e.ActorType != "owner" {
		d.t.Errorf("newest event %+v; want %s of %s/%s version %d by olga, request %s", e, action, ns, key, version, r.header.Get("X-Request-Id"))
	}
}

func TestDeleteSecret(t *testing.T) {
	d := start(t)
	d.put("a/K", "v")
	r := d.want(d.call("DELETE", "/v1/secrets/a/K", d.owner, ""), "")
	if r.status != 204 {
		t.Errorf("status %d", r.status)
	}
	checkEvent(d, r, "secret.delete", "a", "K", 1)
	d.want(d.call("DELETE", "/v1/secrets/a/K", d.owner, ""), "SECRET_NOT_FOUND")
	if v := d.put("a/K", "v").Version; v != 2 {
		t.Errorf("made anew it begins at version %d; want 2", v)
	}
}

// TestListings: the three ways to list, and never a value.
func TestListings(t *testing.T) {
	d := start(t)
	d.put("a/ONE", d.secret("listed-value-1"))
	d.put("a/b/TWO", d.secret("listed-value-2"))
	d.put("c/THREE", d.secret("listed-value-3"))
	for _, tc := range []struct{ target, ns, keys string }{
		{"/v1/secrets", "", "ONE TWO THREE"},
		{"/v1/secrets?namespace=a", "a", "ONE"},
		{"/v1/secrets?namespace=a/b", "a/b", "TWO"},
		{"/v1/secrets?namespace=a%2Fb", "a/b", "TWO"},
		{"/v1/secrets?namespace=none", "none", ""},
		{"/v1/secrets/a", "a", "ONE"},
		{"/v1/secrets/a%2Fb", "a/b", "TWO"},
		{"/v1/secrets/a/b", "a/b", "TWO"},
	} {
		r := d.want(d.call("GET", tc.target, d.owner, ""), "")
		m := object(t, r.body, "namespace items")
		keys := []string{}
		for _, item := range elements(t, m["items"]) {
			keys = append(keys, object(t, item, infoFields)["key"].(string))
		}
		if m["namespace"] != tc.ns || strings.Join(keys, " ") != tc.keys {
			t.Errorf("%s: namespace %q, keys %q; want %q, %q", tc.target, m["namespace"], keys, tc.ns, tc.keys)
		}
		if strings.Contains(string(r.body), "listed-value") {
			t.Errorf("%s shows values", tc.target)
		}
		checkEvent(d, r, "secret.list", tc.ns, "", 0)
	}
}

func TestNamespaces(t *testing.T) {
	d := start(t)
	d.put("a/ONE", "v")
	d.put("a/TWO", "v")
	d.put("b/c/ONE", "v")
	key := d.agent("ci", `["secrets:read:b/*"]`, `[]`)
	one := `{"name":"b/c","namespace":"b/c","secret_count":1}`
	for who, want := range map[string]string{
		d.owner:                             `{"items":[{"name":"a","namespace":"a","secret_count":2},` + one + `]}`,
		key:                                 `{"items":[` + one + `]}`,
		d.token(key, "namespaces:read"):     `{"items":[` + one + `]}`,
		d.token(d.owner, "namespaces:read"): `{"items":[{"name":"a","namespace":"a","secret_count":2},` + one + `]}`,
		d.agent("w", `["secrets:write:*"]`, `["b"]`): `{"items":[]}`,
	} {
		if got := strings.TrimSpace(string(d.want(d.call("GET", "/v1/namespaces", who, ""), "").body)); got != want {
			t.Errorf("got %s; want %s", got, want)
		}
	}
	d.want(d.call("GET", "/v1/namespaces", d.token(key, "secrets:read:b/*"), ""), "SCOPE_DENIED")
}

const agentFields = "id name description api_key_prefix allowed_namespaces allowed_scopes active created_at last_active_at"

func TestAgents(t *testing.T) {
	d := start(t)
	body := `{"name":"Ci-1","description":"builds","allowed_namespaces":["a","b/c"],"allowed_scopes":["read:secrets"]}`
	r := d.want(d.call("POST", "/v1/agents", d.owner, body), "")
	m := object(t, r.body, agentFields+" api_key")
	key := d.secret(m["api_key"].(string))
	checkValues(t, m, map[string]any{
		"name": "Ci-1", "description": "builds", "allowed_namespaces": []any{"a", "b/c"}, "allowed_scopes": []any{"read:secrets"},
		"active": true, "last_active_at": nil, "api_key_prefix": key[:16],
	})
	checkTime(t, m, 0, "created_at")
	if ev := d.events()[0]; ev.Action != "agent.create" || ev.Resource != "Ci-1" || ev.RequestID != r.header.Get("X-Request-Id") {
		t.Errorf("event %+v", ev)
	}
	d.want(d.call("POST", "/v1/agents", d.owner, `{"name":"ci-1"}`), "CONFLICT")
	d.want(d.call("GET", "/v1/me", key, ""), "")

	plain := object(t, d.want(d.call("POST", "/v1/agents", d.owner, `{"name":"plain","description":null}`), "").body, agentFields+" api_key")
	d.secret(plain["api_key"].(string))
	checkValues(t, plain, map[string]any{"description": nil, "allowed_namespaces": []any{"*"}, "allowed_scopes": []any{"secrets:read:*"}})

	items := elements(t, object(t, d.call("GET", "/v1/agents", d.owner, "").body, "items")["items"])
	if len(items) != 2 {
		t.Fatalf("%d agents", len(items))
	}
	listed := object(t, items[0], agentFields)
	checkValues(t, listed, map[string]any{"id": m["id"], "name": "Ci-1"})
	checkTime(t, listed, 0, "last_active_at")
	checkRevokeAgent(d, key, m["id"].(string))
}

// checkRevokeAgent ends an agent by its name in other letters, and its tokens.
func checkRevokeAgent(d *daemon, key, id string) {
	d.t.Helper()
	token := d.token(key, "read:secrets")
	r := d.want(d.call("DELETE", "/v1/agents/CI-1", d.owner, ""), "")
	if ev := d.events()[0]; r.status != 204 || ev.Action != "agent.revoke" || *ev.ResID != id || ev.RequestID != r.header.Get("X-Request-Id") {
		d.t.Errorf("revoke: %d, event %+v", r.status, ev)
	}
	for _, gone := range []string{"Ci-1", id, "agt_aaaaaaaaaaaaaaaaaaaaaaaaaa"} {
		d.want(d.call("DELETE", "/v1/agents/"+gone, d.owner, ""), "NOT_FOUND")
	}
	d.want(d.call("GET", "/v1/me", key, ""), "UNAUTHORIZED")
	d.want(d.call("GET", "/v1/secrets/a", token, ""), "UNAUTHORIZED")
	d.agent("CI-1", `[]`, `[]`) // the name is free again
	if n := len(into[api.Agents](d, d.call("GET", "/v1/agents", d.owner, "")).Items); n != 2 {
		d.t.Errorf("%d living agents; want 2", n)
	}
}

func TestAudit(t *testing.T) {
	d := start(t)
	d.put("a/K", "v")
	d.put("b/K", "v")
	key := d.agent("ci", `["secrets:read:a/*"]`, `[]`)
	d.want(d.call("GET", "/v1/secrets/b/K", key, "", "X-Request-Id: mine-1"), "SCOPE_DENIED")
	d.want(d.call("GET", "/v1/secrets/a/K", key, ""), "")
	before := d.last()

	m := object(t, d.want(d.call("GET", "/v1/audit?limit=2", d.owner, ""), "").body, "events total page limit next_cursor")
	checkValues(t, m, map[string]any{"total": float64(before), "page": 1.0, "limit": 2.0})
	events := elements(t, m["events"])
	if len(events) != 2 {
		t.Fatalf("%d events", len(events))
	}
	e := object(t, events[0], `seq id timestamp action outcome agent_id actor_id actor_type namespace resource version
		source request_id token_id event_type created_at resource_type resource_id ip_address metadata`)
	checkValues(t, e, map[string]any{
		"seq": float64(before), "action": "secret.read", "event_type": "secret.read", "outcome": "ok", "agent_id": "ci", "actor_type": "agent",
		"namespace": "a", "resource": "K", "version": 1.0, "resource_type": "secret", "resource_id": "a/K", "ip_address": nil, "metadata": map[string]any{},
	})
	checkTime(t, e, 0, "timestamp", "created_at")

	for query, want := range map[string][]string{
		"namespace=a&action=secret":                            {"secret.read", "secret.write"},
		"namespace=b":                                          {"secret.read.denied", "secret.write"},
		"agent=ci":                                             {"secret.read", "token.create", "secret.read.denied"},
		"agent=CI&action=secret.read":                          {"secret.read", "secret.read.denied"},
		"action=secret.*&namespace=a":                          {"secret.read", "secret.write"},
		"action=vault.seal":                                    {},
		"action=secret.read.denied":                            {"secret.read.denied"},
		"since=2999-01-01T00:00:00Z":                           {},
		"until=2001-01-01T00:00:00%2B01:00":                    {},
		"cursor=" + audit.Filter{}.Cursor(d.vault.Tenant(), 3): {"owner.create", "vault.init"},
		"cursor=" + audit.Filter{}.Cursor(d.vault.Tenant(), 1): {},
		"limit=1&page=2&action=secret.read":                    {"secret.read.denied"},
		"limit=1&page=9&action=secret.read":                    {},
		"limit=1000&namespace=a&agent=nobody":                  {},
	} {
		page := into[api.AuditPage](d, d.call("GET", "/v1/audit?"+query, d.owner, ""))
		if got := actions(page.Events); !slices.Equal(got, want) {
			t.Errorf("%s: %v; want %v", query, got, want)
		}
	}
	if d.last() != before {
		t.Error("looking at the trail left events")
	}
	checkPages(d)
}

// checkPages goes through the trail by cursor and by page, and both meet each
// event once.
func checkPages(d *daemon) {
	d.t.Helper()
	all, cursor, at := d.events(), "", 0
	for page := 1; at < len(all); page++ {
		target := "/v1/audit?limit=3"
		byPage := into[api.AuditPage](d, d.call("GET", target+"&page="+asJSON(page), d.owner, ""))
		if cursor != "" {
			target += "&cursor=" + cursor
		}
		byCursor := into[api.AuditPage](d, d.call("GET", target, d.owner, ""))
		want := all[at:min(at+3, len(all))]
		if !cmp.Equal(byCursor.Events, want) || !cmp.Equal(byPage.Events, want) || byPage.Page != page {
			d.t.Fatalf("page %d is not events %d to %d", page, at, at+3)
		}
		at, cursor = at+len(want), byCursor.NextCursor
	}
	if cursor != "" {
		d.t.Errorf("cursor %q behind the last page", cursor)
	}
}

// TestDirectKey: a key on a secrets route acts as a one-use token for just that
// request, and the trail says so.
func TestDirectKey(t *testing.T) {
	d := start(t)
	d.put("a/K", "v")
	key := d.agent("ci", `["secrets:*:*"]`, `[]`)
	for _, tc := range []struct{ method, target, body, scope, action string }{
		{"GET", "/v1/secrets/a/K", "", "secrets:read:a/K", "secret.read"},
		{"PUT", "/v1/secrets/a/K", `{"value":"w"}`, "secrets:write:a/K", "secret.write"},
		{"GET", "/v1/secrets/a", "", "secrets:read:a/*", "secret.list"},
		{"GET", "/v1/secrets?namespace=a", "", "secrets:read:a/*", "secret.list"},
		{"GET", "/v1/secrets", "", "read:secrets", "secret.list"},
		{"GET", "/v1/namespaces", "", "namespaces:read", ""},
		{"DELETE", "/v1/secrets/a/K", "", "secrets:delete:a/K", "secret.delete"},
	} {
		before := d.last()
		r := d.want(d.call(tc.method, tc.target, key, tc.body), "")
		got := d.since(before)
		if len(got) != 2 || got[0].Action != "token.create" || !strings.Contains(got[0].Reason, tc.scope+",") || tc.action != "" && got[1].Action != tc.action {
			t.Errorf("%s %s left %v", tc.method, tc.target, got)
			continue
		}
		for _, e := range got {
			if e.RequestID != r.header.Get("X-Request-Id") || !isID(e.TokenID, "tok") || e.TokenID != got[0].TokenID {
				t.Errorf("%s %s: event %+v", tc.method, tc.target, e)
			}
		}
	}
	if items := into[api.Tokens](d, d.call("GET", "/v1/tokens", d.owner, "")).Items; len(items) != 0 {
		t.Errorf("a key used directly left %d tokens", len(items))
	}
}

// TestTokenUses: a use is counted per request, to the last one.
func TestTokenUses(t *testing.T) {
	d := start(t)
	d.put("a/K", "v")
	tok := into[api.TokenResponse](d, d.call("POST", "/v1/tokens", d.owner, `{"scopes":["secrets:read:a/*"],"max_uses":2}`))
	d.want(d.call("GET", "/v1/secrets/a/K", tok.Token, ""), "")
	d.want(d.call("GET", "/v1/secrets/b/NONE", tok.Token, ""), "SCOPE_DENIED") // no use
	d.want(d.call("GET", "/v1/secrets/a", tok.Token, ""), "")
	r := d.want(d.call("GET", "/v1/secrets/a/K", tok.Token, ""), "UNAUTHORIZED")
	if !strings.Contains(r.message(), "used up") {
		t.Error(r.message())
	}
	for list, want := range map[string]string{`["local"]`: "", `["10.0.0.0/8"]`: "UNAUTHORIZED", `["127.0.0.1","::1","0.0.0.0/0"]`: "UNAUTHORIZED"} {
		tok := into[api.TokenResponse](d, d.call("POST", "/v1/tokens", d.owner, `{"scopes":["secrets:read:a/*"],"ip_allowlist":`+list+`}`))
		d.want(d.call("GET", "/v1/secrets/a/K", tok.Token, "", "X-Forwarded-For: 10.0.0.1", "X-Real-IP: 10.0.0.1", "Forwarded: for=10.0.0.1"), want)
	}
}

// TestNoSuchRoute: what is no route is one plain error, whatever comes with it.
func TestNoSuchRoute(t *testing.T) {
	d := start(t)
	for _, line := range []string{
		"GET /", "GET /v1", "GET /v1/", "GET /v1/health/", "GET //v1/health", "GET /v1//health", "GET /v1/./health", "GET /V1/health",
		"GET /v1%2Fhealth", "GET /v1/%68ealth", "POST /v1/health", "PUT /v1/health", "DELETE /v1/secrets", "POST /v1/secrets",
		"POST /v1/secrets/a/K", "PATCH /v1/secrets/a/K", "TRACE /v1/health", "OPTIONS /v1/health", "OPTIONS *", "CONNECT /v1/health",
		"get /v1/health", "GET /v1/tokens/x", "DELETE /v1/tokens", "DELETE /v1/tokens/a/b", "GET /v1/agents/x", "GET /.well-known/jwks.json/",
		"POST /v1/secrets/a/K/versions", "GET /v1/secrets/a/b/K/rotate", "PUT /v1/secrets/a/K/rollback", "DELETE /v1/secrets/a/K/versions",
		"POST /v1/secrets/K/rotate", "GET /v1/vault/claim", "GET /v1/me/other", "BREW /pot",
	} {
		method, target, _ := strings.Cut(line, " ")
		r := d.call(method, target, d.owner, "")
		if r.code() != "NOT_FOUND" || r.message() != "there is no such route" {
			t.Errorf("%s: %d %s", line, r.status, r.body)
		}
	}
}

// TestDeadVault: once the vault must not serve, nothing but health answers.
func TestDeadVault(t *testing.T) {
	d := start(t)
	d.put("a/K", d.secret("value-of-a-dead-vault"))
	d.put("a/L", "v") // so that the write of a/K is not looked at before serving
	d.put("a/L", "w")
	d.stop()
	editEvent(t, filepath.Join(d.cfg.Dir, "vault.db"), 4)
	d.broken = true
	d.serve(vault.Open)
	select {
	case <-d.vault.Dead():
	case <-time.After(patience):
		t.Fatal("an event was changed and the vault lives on")
	}
	for _, target := range []string{"/v1/secrets/a/K", "/v1/secrets", "/v1/audit", "/v1/me", "/.well-known/jwks.json"} {
		d.want(d.call("GET", target, d.owner, ""), "INTERNAL")
	}
	health := into[api.Health](d, d.call("GET", "/v1/health", "", ""))
	if health.Status != "failed" {
		t.Errorf("health %+v", health)
	}
}

// editEvent flips a bit inside an event, as someone else than assd would.
func editEvent(t *testing.T, db string, seq uint64) {
	t.Helper()
	b, err := bolt.Open(db, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	err = b.Update(func(tx *bolt.Tx) error {
		events := tx.Bucket([]byte("audit"))
		key := binary.BigEndian.AppendUint64(nil, seq)
		entry := bytes.Clone(events.Get(key))
		entry[len(entry)/2] ^= 1
		return events.Put(key, entry)
	})
	if err != nil {
		t.Fatal(err)
	}
}
