package server_test

import (
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/api"
)

// TestNothingLeaks puts values, keys and tokens where clients put them, by
// mistake too: every answer is looked at as it comes, log and data file when
// the daemon has stopped.
func TestNothingLeaks(t *testing.T) {
	d := start(t)
	secrets := map[string]string{
		"value": d.secret("sk-proj-THE-VALUE-0123456789"), "owner key": d.owner,
		"agent key": d.agent("ci", `["secrets:*:*"]`, `[]`), "typo": d.secret("ask_live_mistyped0123456789"),
	}
	secrets["token"] = d.token(secrets["agent key"], "secrets:*:a/*")
	d.secret(lastPart(secrets["token"]))
	d.put("a/K", secrets["value"])
	d.put("a/K2", d.secret("another value, with \"quotes\"\nand lines"))
	keys := []string{d.owner, secrets["agent key"], secrets["token"], secrets["typo"], "", d.secret("eyJhbGciOiJub25lIn0.e30.")}
	for _, key := range keys {
		for _, s := range secrets {
			d.misuse(key, s)
			if strings.HasPrefix(s, "ask_") { // the form that ids have too
				d.call("GET", "/v1/health", key, "", "X-Request-Id: "+s)
				d.call("DELETE", "/v1/secrets/a/K2", key, "", "X-Request-Id: "+s)
				d.call("DELETE", "/v1/tokens/"+s, key, "")
				d.call("DELETE", "/v1/agents/"+s, key, "")
				d.call(s, "/v1/health", key, "")
			}
		}
	}
	if got := into[api.Secret](d, d.call("GET", "/v1/secrets/a/K", d.owner, "")); got.Value != secrets["value"] {
		t.Error("the workload changed the value")
	}
	if !strings.Contains(d.log.String(), "secret.get") {
		t.Error("the log is not talkative enough to tell anything")
	}
}

// TestNoPassphraseLeaks puts passphrases where they belong, and where clients put
// them by mistake.
func TestNoPassphraseLeaks(t *testing.T) {
	d := guarded(t)
	d.guard("a/HOT", d.secret("value-behind-a-passphrase"), "sensitive")
	bot := d.secret(into[api.AgentCreated](d, d.call("POST", "/v1/agents", d.owner, with(`{"name":"bot"}`))).APIKey)
	id := d.ask(bot, "secrets:read:a/HOT")
	d.want(d.call("POST", "/v1/approvals/"+id+"/approve", d.owner, with(d.shown(id))), "")
	d.want(d.call("GET", "/v1/secrets/a/HOT", bot, ""), "")
	second := into[api.OwnerCreated](d, d.call("POST", "/v1/owners", d.owner, with(`{"name":"otto"}`)))
	otto, initial, changed, wrong := d.secret(second.APIKey), d.secret(*second.InitialPassphrase), d.secret("tr0ub4dor &3 and more"), d.secret("not-the-right-one")
	d.want(d.call("POST", "/v1/vault/passphrase", otto, asJSON(map[string]any{"passphrase": initial, "new_passphrase": changed})), "")
	d.want(d.call("POST", "/v1/vault/passphrase", otto, asJSON(map[string]any{"passphrase": initial, "new_passphrase": wrong})), "STEP_UP_REQUIRED")
	d.want(d.call("POST", "/v1/agents", otto, asJSON(map[string]any{"name": "of-otto", "passphrase": changed})), "")
	d.want(d.call("POST", "/v1/approvals/apr_aaaaaaaa/approve", d.owner, asJSON(map[string]any{"passphrase": wrong})), "STEP_UP_REQUIRED")
	if len(d.secrets) < 9 {
		t.Fatal("too little is looked for")
	}
	for _, s := range []string{passphrase, initial, changed, wrong, d.recovery} {
		for _, key := range []string{d.owner, bot, d.token(bot, "secrets:read:b/*"), ""} {
			d.misplace(key, s)
		}
	}
	for _, target := range []string{"/v1/audit?limit=1000", "/v1/owners", "/v1/me", "/v1/approvals", "/v1/policy", "/v1/agents"} {
		r := d.want(d.call("GET", target, d.owner, ""), "")
		for _, s := range d.secrets {
			if strings.Contains(string(r.body), s) {
				t.Errorf("%s tells %.14q…", target, s)
			}
		}
	}
}

// misplace sends a passphrase where it does not belong.
func (d *daemon) misplace(key, s string) {
	quoted := asJSON(s)
	for _, body := range []string{
		quoted, s, `{"passphrase":[` + quoted + `]}`, `{"passphrase":` + quoted, `{"passphrase":` + quoted + `}x`, `{"passphrase":{"a":` + quoted + `}}`,
		`{"passphrase":` + quoted + `,"passphrase":` + quoted + `}`, `{"pass_phrase":` + quoted + `}`, `{` + quoted + `:1}`, `{"digest":` + quoted + `}`,
		`{"new_passphrase":[` + quoted + `]}`, `{"name":` + quoted + `,"digest":` + quoted + `}`,
	} {
		for _, target := range []string{"/v1/approvals/apr_aaaaaaaa/approve", "/v1/approvals/apr_aaaaaaaa/deny", "/v1/owners/nobody/revoke", "/v1/policy/accept", "/v1/vault/passphrase", "/v1/vault/claim"} {
			if r := d.call("POST", target, key, body); r.status < 400 {
				d.t.Fatalf("POST %s %s: %d", target, body, r.status)
			}
		}
	}
	for _, target := range []string{
		"/v1/approvals?cursor=" + s + "&status=" + s, "/v1/approvals?wait=" + s, "/v1/approvals/agent/" + s, "/v1/policy/check?agent=bot&scope=" + s,
		"/v1/policy/check?agent=" + s + "&scope=secrets:read:a/K", "/v1/policy/check?agent=bot&scope=secrets:read:a/K&from=" + s,
	} {
		d.call("GET", strings.ReplaceAll(target, " ", "%20"), key, "")
	}
	for _, target := range []string{"/v1/approvals/" + s + "/approve", "/v1/owners/" + s + "/revoke"} {
		d.call("POST", strings.ReplaceAll(target, " ", "%20"), key, "")
	}
}

// misuse sends s where it does not belong.
func (d *daemon) misuse(key, s string) {
	quoted := asJSON(s)
	for _, body := range []string{
		quoted, s, `{"value":` + quoted, `{"value":` + quoted + `}x`, `{"value":` + quoted + `,"value":` + quoted + `}`,
		`{"value":[` + quoted + `]}`, `{"value":` + quoted + `,"nosuch":` + quoted + `}`, `{"value":` + quoted + `,"secret_type":` + quoted + `}`,
		`{"value":` + quoted + `,"access_tier":` + quoted + `}`, `{"value":` + quoted + `,"metadata":` + quoted + `}`,
		`{"value":` + quoted + `,"metadata":{"a":` + quoted + `,"a":1}}`, `{"value":` + quoted + "\xff}",
		`{"scopes":` + quoted + `}`, `{"scopes":[` + quoted + `]}`, `{"scopes":["secrets:` + s + `:a/b"]}`, `{"scopes":["read:secrets"],"ttl":` + quoted + `}`,
		`{"scopes":["read:secrets"],"ip_allowlist":[` + quoted + `]}`, `{"scopes":["read:secrets"],"max_uses":` + quoted + `}`,
		`{"name":"n/","description":` + quoted + `}`, `{"name":"n","allowed_namespaces":["` + s + `/../x"]}`, `{"name":"n","allowed_scopes":[` + quoted + `]}`,
	} {
		d.call("PUT", "/v1/secrets/no/such%2Fkey", key, body)
		d.call("PUT", "/v1/secrets/no/rights", d.noRights(), body)
		if strings.Contains(body, "scopes\"") {
			d.call("POST", "/v1/tokens", key, body)
		}
		if strings.Contains(body, `"name"`) {
			d.call("POST", "/v1/agents", key, body)
		}
		d.call("POST", "/v1/vault/claim", key, body)
	}
	for _, target := range []string{
		"/v1/secrets?namespace=" + s + "//", "/v1/secrets?" + s, "/v1/secrets/a/K?version=" + s, "/v1/secrets/a%2F%2F" + s + "/K",
		"/v1/audit?cursor=" + s, "/v1/audit?since=" + s, "/v1/audit?limit=" + s, "/v1/audit?" + s + "=1", "/v1/audit?namespace=" + s + "//", "/" + s,
	} {
		d.call("GET", strings.NewReplacer(" ", "+", "\"", "", "\n", "").Replace(target), key, "")
	}
}

// noRights is the text of a key that nobody has.
func (d *daemon) noRights() string { return "ask_live_" + strings.Repeat("0", 49) }

// lastPart is the signature of a token: nobody may learn it from a log.
func lastPart(token string) string { return token[strings.LastIndex(token, ".")+1:] }
