package server_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
)

// TestContractCatches spoils good answers and requests, one thing at a time:
// what checks all others must find each.
func TestContractCatches(t *testing.T) {
	d := start(t)
	d.put("a/K", "v")
	c := newContract(t, d.document())
	good := d.call("GET", "/v1/secrets/a/K", d.owner, "")
	denied := d.want(d.call("GET", "/v1/secrets/a/K", d.agent("far", `["secrets:read:b/*"]`, `[]`), ""), "SCOPE_DENIED")
	unknown := d.want(d.call("GET", "/v1/secrets/a/K", "", ""), "UNAUTHORIZED")
	deleted := reply{204, good.header.Clone(), nil}
	deleted.header.Del("Content-Type")
	edit := func(r reply, old, new string) reply {
		if !bytes.Contains(r.body, []byte(old)) {
			t.Fatalf("no %s in %s", old, r.body)
		}
		return reply{r.status, r.header, bytes.Replace(r.body, []byte(old), []byte(new), 1)}
	}
	header := func(r reply, name, value string) reply {
		h := r.header.Clone()
		if h.Set(name, value); value == "" {
			h.Del(name)
		}
		return reply{r.status, h, r.body}
	}
	owner := "Bearer " + d.owner
	for _, tc := range []struct {
		name, line, authorization, body string
		r                               reply
		says                            string
	}{
		{"good", "GET /v1/secrets/a/K", owner, "", good, ""},
		{"good error", "GET /v1/secrets/a/K", owner, "", denied, ""},
		{"good without a body", "DELETE /v1/secrets/a/K", owner, "", deleted, ""},
		{"good bad path", "GET /v1/secrets/a//K", owner, "", edit(reply{400, denied.header, denied.body}, "SCOPE_DENIED", "VALIDATION_ERROR"), ""},
		{"new field", "GET /v1/secrets/a/K", owner, "", edit(good, `"key"`, `"extra":1,"key"`), "'extra' not allowed"},
		{"field lost", "GET /v1/secrets/a/K", owner, "", edit(good, `"version":1,`, ``), "missing property 'version'"},
		{"wrong type", "GET /v1/secrets/a/K", owner, "", edit(good, `"version":1`, `"version":"1"`), "got string, want integer"},
		{"below its bound", "GET /v1/secrets/a/K", owner, "", edit(good, `"version":1`, `"version":0`), "got 0, want 1"},
		{"another word", "GET /v1/secrets/a/K", owner, "", edit(good, `"standard"`, `"secret"`), "one of 'standard'"},
		{"null", "GET /v1/secrets/a/K", owner, "", edit(good, `"key":"K"`, `"key":null`), "got null, want string"},
		{"no time", "GET /v1/secrets/a/K", owner, "", edit(good, `"created_at":"2`, `"created_at":"x`), "is not valid date-time"},
		{"another body", "GET /v1/tokens", owner, "", good, "missing property"},
		{"no JSON", "GET /v1/secrets/a/K", owner, "", edit(good, `{`, `{{`), "secretGet"},
		{"another status", "GET /v1/secrets/a/K", owner, "", reply{201, good.header, good.body}, "is not described to answer so"},
		{"a code of another operation", "GET /v1/secrets/a", owner, "", edit(denied, "SCOPE_DENIED", "APPROVAL_REQUIRED"), "secretListNamespace"},
		{"a code of another status", "GET /v1/secrets/a/K", owner, "", edit(denied, "SCOPE_DENIED", "CONFLICT"), "secretGet"},
		{"error with a new field", "GET /v1/secrets/a/K", owner, "", edit(denied, `"detail"`, `"extra":1,"detail"`), "'extra' not allowed"},
		{"no request id", "GET /v1/secrets/a/K", owner, "", header(good, "X-Request-Id", ""), "without X-Request-Id"},
		{"another request id", "GET /v1/secrets/a/K", owner, "", header(good, "X-Request-Id", "mine"), "X-Request-Id"},
		{"to be cached", "GET /v1/secrets/a/K", owner, "", header(good, "Cache-Control", "max-age=60"), "Cache-Control"},
		{"no way to authenticate", "GET /v1/secrets/a/K", "", "", header(unknown, "WWW-Authenticate", ""), "without WWW-Authenticate"},
		{"a new header", "GET /v1/secrets/a/K", owner, "", header(good, "X-New", "1"), "header X-New"},
		{"another type", "GET /v1/secrets/a/K", owner, "", header(good, "Content-Type", "text/html"), "of a type that is not described"},
		{"204 with a body", "DELETE /v1/secrets/a/K", owner, "", reply{204, deleted.header, []byte("{}")}, "a body that is not described"},
		{"no such operation", "GET /v1/secret/a/K", owner, "", good, "no such operation"},
		{"another method", "PATCH /v1/secrets/a/K", owner, "", good, "no such operation"},
		{"no path of a secret", "PUT /v1/secrets/a/versions", owner, `{"value":"v"}`, good, "fits no path"},
		{"nobody", "GET /v1/secrets/a/K", "", "", good, "open to nobody"},
		{"an agent at an owners' route", "DELETE /v1/agents/n", "Bearer ask_agent_x", "", deleted, "open to agent_key"},
		{"a token where none opens", "DELETE /v1/tokens/n", "Bearer x.y.z", "", deleted, "open to token"},
		{"a parameter", "GET /v1/secrets/a/K?x=1", owner, "", good, "the parameter x"},
		{"a parameter's form", "GET /v1/secrets/a/K?version=0", owner, "", good, "the parameter version"},
		{"no body", "PUT /v1/secrets/a/K", owner, "", reply{200, good.header, d.info("a/K")}, "without its body"},
		{"a field that is not described", "PUT /v1/secrets/a/K", owner, `{"value":"v","x":1}`, reply{200, good.header, d.info("a/K")}, "a body is taken"},
		{"a field of another form", "PUT /v1/secrets/a/K", owner, `{"value":"v","access_tier":"low"}`, reply{200, good.header, d.info("a/K")}, "a body is taken"},
	} {
		method, target, _ := strings.Cut(tc.line, " ")
		req, err := http.NewRequest(method, "http://h"+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", tc.authorization)
		got := c.check(req, []byte(tc.body), tc.r)
		if (got == "") != (tc.says == "") || !strings.Contains(got, tc.says) {
			t.Errorf("%s: the check says %q; want %q", tc.name, got, tc.says)
		}
	}
}

// info is what a write of the secret is answered with.
func (d *daemon) info(path string) []byte {
	d.t.Helper()
	return d.want(d.call("PUT", "/v1/secrets/"+path, d.owner, `{"value":"v"}`), "").body
}
