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
