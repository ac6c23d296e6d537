package server_test

import (
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/api"
)

// TestRotateSpellings: however a path is sent, and however "rotate" behind it, it
// is one secret that is rotated.
func TestRotateSpellings(t *testing.T) {
	d := start(t)
	other := d.token(d.owner, "secrets:*:elsewhere/*")
	for _, tc := range spellings {
		slash := strings.LastIndex(tc.path, "/")
		token := d.token(d.owner, "secrets:write:"+tc.path, "secrets:rotate:"+tc.path)
		was := d.put(tc.path, "v").Version
		for i, form := range []string{
			"/v1/secrets/" + tc.sent + "/rotate", "http://any.host/v1/secrets/" + tc.sent + "/rotate",
			"/v1/secrets/" + tc.sent + "/%72otat%65",
		} {
			got := into[api.SecretInfo](d, d.call("POST", form, token, `{"value":"next"}`))
			if got.Namespace != tc.path[:slash] || got.Key != tc.path[slash+1:] || got.Version != was+uint64(i)+1 {
				t.Errorf("%s is version %d of %s/%s; want %s", form, got.Version, got.Namespace, got.Key, tc.path)
			}
			if flagged := into[api.SecretInfo](d, d.call("POST", form, token, "")); !flagged.RotationPending || flagged.Version != got.Version {
				t.Errorf("%s flags %+v", form, flagged)
			}
			d.want(d.call("POST", form, other, `{"value":"evil"}`), "SCOPE_DENIED")
			d.want(d.call("POST", form, other, ``), "SCOPE_DENIED")
			d.want(d.call("POST", form, "", `{}`), "UNAUTHORIZED")
		}
	}
}

// TestRotateOfNoPath: what is no path, or has no such piece behind it, rotates
// nothing.
func TestRotateOfNoPath(t *testing.T) {
	d := start(t)
	d.put("a/K", "v")
	d.put("a/b/K", "v")
	before := d.last()
	for _, p := range badPaths {
		r := d.call("POST", "/v1/secrets/"+p+"/rotate", d.owner, `{"value":"evil"}`)
		if r.code() != "VALIDATION_ERROR" && r.code() != "NOT_FOUND" {
			t.Errorf("POST %.60q: %d %.200s", p, r.status, r.body)
		}
	}
	for _, p := range []string{
		"a/K", "a/K/", "a", "", "a/b/K", "a/rotate", "rotate", "import/rotate", "a%2FK/rotate", "a/K%2Frotate", "a/K/rotate/",
		"a/K/Rotate", "a/K/versions", "a/K/rollback", "a/K/rotate/x", "a%2Fb%2FK/rotate",
	} {
		r := d.call("POST", "/v1/secrets/"+p, d.owner, `{"value":"evil"}`)
		if r.status != 404 && r.code() != "VALIDATION_ERROR" {
			t.Errorf("POST %q: %d %.200s", p, r.status, r.body)
		}
	}
	for _, p := range []string{"a/K", "a/b/K", "a/rotate", "a/K/versions", "a%2FK/rotate"} {
		d.want(d.call("POST", "/v1/secrets/"+p, d.owner, `{"value":"evil"}`), "NOT_FOUND")
	}
	for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
		if r := d.call(method, "/v1/secrets/a/K/rotate", d.owner, `{"value":"evil"}`); r.code() != "NOT_FOUND" {
			t.Errorf("%s: %d %.200s", method, r.status, r.body)
		}
	}
	if got := actions(d.since(before)); len(got) != 0 {
		t.Errorf("left in the trail: %v", got)
	}
}

func TestRotateBody(t *testing.T) {
	d := start(t)
	d.put("a/K", "v")
	const at = "/v1/secrets/a/K/rotate"
	for _, body := range []string{
		`{"value":"x","new_value":"y"}`, `{"value":"x","new_value":"x"}`, `{"value":1}`, `{"value":"x","value":"y"}`,
		`{"value":"x","access_tier":"critical"}`, `{"value":"x","metadata":{}}`, `["x"]`, `"x"`, `{"value":"x"`, `{"value":"` + "\xff" + `"}`,
	} {
		d.want(d.call("POST", at, d.owner, body), "VALIDATION_ERROR")
	}
	d.want(d.call("POST", at, d.owner, `{"value":"`+strings.Repeat("x", api.MaxValue+1)+`"}`), "PAYLOAD_TOO_LARGE")
	d.want(d.call("POST", at+"?value=x", d.owner, `{}`), "VALIDATION_ERROR")
	d.want(d.call("POST", "/v1/secrets/a/NONE/rotate", d.owner, `{}`), "SECRET_NOT_FOUND")
	d.want(d.call("POST", "/v1/secrets/a/NONE/rotate", d.owner, `{"value":"x"}`), "SECRET_NOT_FOUND")
	if got := into[api.Secret](d, d.call("GET", "/v1/secrets/a/K", d.owner, "")); got.Version != 1 || got.RotationPending {
		t.Errorf("something was rotated: %+v", got.SecretInfo)
	}

	version := uint64(1)
	for _, tc := range []struct{ body, value string }{
		{`{"value":"value-from-a-rotation"}`, "value-from-a-rotation"},
		{`{"new_value":"another-from-a-rotation","value":null}`, "another-from-a-rotation"},
		{`{"value":""}`, ""},
	} {
		version++
		if tc.value != "" {
			d.secret(tc.value)
		}
		r := d.want(d.call("POST", at, d.owner, tc.body), "")
		if tc.value != "" && strings.Contains(string(r.body), tc.value) {
			t.Errorf("the answer holds the value: %s", r.body)
		}
		if got := into[api.SecretInfo](d, r); got.Version != version || got.RotationPending {
			t.Errorf("%s: %+v", tc.body, got)
		}
		if got := into[api.Secret](d, d.call("GET", "/v1/secrets/a/K", d.owner, "")); got.Value != tc.value || got.Version != version {
			t.Errorf("%s: it reads %q, version %d", tc.body, got.Value, got.Version)
		}
	}
	for _, body := range []string{"", "{}", `{"value":null}`, `{"value":null,"new_value":null}`, "null"} {
		if r := d.call("POST", at, d.owner, body); body != "null" || r.code() != "VALIDATION_ERROR" {
			if got := into[api.SecretInfo](d, r); !got.RotationPending || got.Version != version {
				t.Errorf("%q: %+v", body, got)
			}
		}
		d.put("a/K", "v")
		version++
		if got := into[api.Secret](d, d.call("GET", "/v1/secrets/a/K", d.owner, "")); got.RotationPending {
			t.Errorf("%q: the flag outlived a write", body)
		}
	}
}

// TestRotateOfCritical: an agent needs an approval of just this.
func TestRotateOfCritical(t *testing.T) {
	d := start(t)
	d.guard("a/K", "v", "critical")
	bot := d.agent("bot", `["secrets:*:*"]`, `[]`)
	const at = "/v1/secrets/a/K/rotate"
	for scope, body := range map[string]string{"secrets:rotate:a/K": "{}", "secrets:write:a/K": `{"value":"next"}`} {
		r := d.want(d.call("POST", at, bot, body), "APPROVAL_REQUIRED")
		id, _ := object(t, r.body, "error detail approval_id")["approval_id"].(string)
		got := into[api.Approval](d, d.call("GET", "/v1/approvals/agent/"+id, bot, ""))
		if len(got.RequestedScopes) != 1 || got.RequestedScopes[0] != scope || got.AccessTier != "critical" {
			t.Errorf("it asks for %q of %s", got.RequestedScopes, got.AccessTier)
		}
		d.want(d.call("POST", "/v1/approvals/"+id+"/approve", d.owner, ""), "")
		d.want(d.call("POST", at, bot, body), "")
		d.want(d.call("POST", at, bot, body), "APPROVAL_REQUIRED")
	}
}
