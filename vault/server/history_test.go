package server_test

import (
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/api"
)

// TestHistorySpellings: however a path is sent, and however what stands behind it, it
// is one secret whose versions are listed, and which goes back to one of them.
func TestHistorySpellings(t *testing.T) {
	d := start(t)
	other := d.token(d.owner, "secrets:*:elsewhere/*")
	for _, tc := range spellings {
		token := d.token(d.owner, "secrets:read:"+tc.path, "secrets:write:"+tc.path)
		d.put(tc.path, "v")
		was := d.put(tc.path, "w").Version
		for _, form := range []string{"/v1/secrets/" + tc.sent + "/versions", "http://any.host/v1/secrets/" + tc.sent + "/%76ersions"} {
			got := into[api.SecretVersions](d, d.call("GET", form, token, ""))
			if got.Namespace+"/"+got.Key != tc.path || got.Items[0].Version != was || !got.Items[0].Current {
				t.Errorf("%s is %+v; want those of %s", form, got, tc.path)
			}
			d.want(d.call("GET", form, other, ""), "SCOPE_DENIED")
			d.want(d.call("GET", form, "", ""), "UNAUTHORIZED")
		}
		for i, form := range []string{"/v1/secrets/" + tc.sent + "/rollback", "http://any.host/v1/secrets/" + tc.sent + "/%72ollback"} {
			got := into[api.SecretInfo](d, d.call("POST", form, token, asJSON(map[string]any{"version": was - 1})))
			if got.Namespace+"/"+got.Key != tc.path || got.Version != was+uint64(i)+1 {
				t.Errorf("%s is %+v; want a version of %s", form, got, tc.path)
			}
			d.want(d.call("POST", form, other, `{"version":1}`), "SCOPE_DENIED")
			d.want(d.call("POST", form, "", `{"version":1}`), "UNAUTHORIZED")
		}
	}
}

// TestVersionsOfNoPath: where no secret stands before it, "versions" is a part of a
// namespace, or nothing.
func TestVersionsOfNoPath(t *testing.T) {
	d := start(t)
	d.put("versions/K", "v")
	d.put("a/versions/K", "v")
	for target, ns := range map[string]string{"versions": "versions", "a%2Fversions": "a/versions", "a/versions": "a/versions"} {
		if got := into[api.SecretList](d, d.call("GET", "/v1/secrets/"+target, d.owner, "")); got.Namespace != ns || len(got.Items) != 1 {
			t.Errorf("%s is %+v", target, got)
		}
	}
	for _, p := range badPaths {
		if r := d.call("GET", "/v1/secrets/"+p+"/versions", d.owner, ""); r.code() != "VALIDATION_ERROR" {
			t.Errorf("GET %.60q/versions: %d %.200s", p, r.status, r.body)
		}
		r := d.call("POST", "/v1/secrets/"+p+"/rollback", d.owner, `{"version":1}`)
		if r.code() != "VALIDATION_ERROR" && r.code() != "NOT_FOUND" {
			t.Errorf("POST %.60q/rollback: %d %.200s", p, r.status, r.body)
		}
	}
	d.want(d.call("GET", "/v1/secrets/a/K/versions?version=1", d.owner, ""), "VALIDATION_ERROR")
	d.want(d.call("GET", "/v1/secrets/a/NONE/versions", d.owner, ""), "SECRET_NOT_FOUND")
	d.want(d.call("POST", "/v1/secrets/a/NONE/rollback", d.owner, `{"version":1}`), "SECRET_NOT_FOUND")
	d.want(d.call("POST", "/v1/secrets/a/rollback", d.owner, `{"version":1}`), "NOT_FOUND")
}

func TestRollbackBody(t *testing.T) {
	d := start(t)
	d.put("a/K", d.secret("value-of-the-first-version"))
	d.put("a/K", "w")
	const at = "/v1/secrets/a/K/rollback"
	for body, says := range map[string]string{
		"": "version: ", "{}": "version: ", `{"version":null}`: "version: ", `{"version":0}`: "version: ", `{"version":-1}`: "version: ",
		`{"version":1.5}`: "version: ", `{"version":"1"}`: "version: ", `{"version":1,"value":"x"}`: "value: ", `{"version":1,"version":2}`: "version: ",
		`[1]`: "", `1`: "", `{"version":18446744073709551616}`: "version: ",
	} {
		r := d.call("POST", at, d.owner, body)
		if r.code() != "VALIDATION_ERROR" || !strings.Contains(r.message(), strings.TrimSuffix(says, ": ")) {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	d.want(d.call("POST", at, d.owner, `{"version":9}`), "SECRET_NOT_FOUND")
	d.want(d.call("POST", at, d.owner, `{"version":2}`), "CONFLICT")
	if got := into[api.SecretInfo](d, d.call("POST", at, d.owner, `{"version":1}`)); got.Version != 3 || got.Metadata != nil {
		t.Errorf("rolled back, it is %+v", got)
	}
}

func TestExpiryBody(t *testing.T) {
	d := start(t)
	for _, bad := range []string{`"tomorrow"`, `"2099-01-01"`, `90`, `"90d"`, `"2000-01-01T00:00:00Z"`, `""`, `"9999-12-31T23:59:59-12:00"`, `{}`} {
		r := d.call("PUT", "/v1/secrets/a/K", d.owner, `{"value":"v","expires_at":`+bad+`}`)
		if r.code() != "VALIDATION_ERROR" || !strings.Contains(r.message(), "expires_at") {
			t.Errorf("%s: %d %s", bad, r.status, r.body)
		}
	}
	d.want(d.call("GET", "/v1/secrets/a/K", d.owner, ""), "SECRET_NOT_FOUND")
	for sent, want := range map[string]string{`"2099-01-01T02:00:00.7+02:00"`: `"expires_at":"2099-01-01T00:00:00Z"`, `null`: `"expires_at":null`} {
		r := d.want(d.call("PUT", "/v1/secrets/a/K", d.owner, `{"value":"v","expires_at":`+sent+`}`), "")
		if !strings.Contains(string(r.body), want) {
			t.Errorf("%s is answered %s", sent, r.body)
		}
	}
}
