package server_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/server"
)

// FuzzRequestTarget sends requests as bytes, read by net/http, to the handler:
// no panic, no redirect, no status that is not ours, and errors as they must be.
func FuzzRequestTarget(f *testing.F) {
	for _, s := range []string{"", "a", "a/K", "a%2Fb/K", "a/b%2FK", "a%252Fb/K", "a/../b", "a/%2e%2e/b", "a//b", "a/b/versions", "a/%00", "*"} {
		f.Add("GET", "/v1/secrets/"+s, "", "")
		f.Add("PUT", "/v1/secrets/"+s, "Content-Type: text/plain", `{"value":"v"}`)
	}
	f.Add("GET", "/v1/secrets?namespace=a%2Fb", "X-Request-Id: mine", "")
	f.Add("GET", "/v1/secrets/a/K?version=1", "", "")
	f.Add("DELETE", "http://h/v1/secrets/a/K", "", "")
	f.Add("PUT", "/v1/secrets/a/K", "", `{"value":"v","expires_at":"2099-01-01T00:00:00Z"}`)
	f.Add("POST", "/v1/secrets/a/K/rollback", "", `{"version":1}`)
	f.Add("POST", "/v1/tokens", "", `{"scopes":["secrets:read:a/*"],"ttl":"15m","max_uses":1,"ip_allowlist":["local"]}`)
	f.Add("POST", "/v1/agents", "", `{"name":"n"}`)
	f.Add("DELETE", "/v1/agents/n", "Transfer-Encoding: chunked", "0\r\n\r\n")
	f.Add("GET", "/v1/audit?limit=2&since=2026-01-01T00:00:00Z&cursor=2", "", "")
	f.Add("OPTIONS", "*", "", "")
	f.Add("CONNECT", "h:1", "", "")
	d := start(f)
	d.put("a/K", d.secret("the value that fuzzing must not find in errors"))
	contract := contractOf(f, d.srv)
	f.Fuzz(func(t *testing.T, method, target, header, body string) {
		raw := method + " " + target + " HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + d.owner + "\r\n" + header + "\r\n"
		if !strings.Contains(header, "Transfer-Encoding") {
			raw += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
		}
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw + "\r\n" + body)))
		if err != nil {
			return // net/http answers
		}
		rec := httptest.NewRecorder()
		d.srv.ServeHTTP(rec, req)
		r := reply{rec.Code, rec.Header(), rec.Body.Bytes()}
		problem := faultOf(r)
		if problem == "" {
			problem = contract.checkAnswer(req, r)
		}
		if problem != "" || r.code() == "INTERNAL" {
			t.Fatalf("%.300q: %s: %d %v %.300s", raw, problem, r.status, r.header, r.body)
		}
		for _, s := range d.secrets {
			if r.status != http.StatusOK && strings.Contains(string(r.body), s) {
				t.Fatalf("%.300q: the error holds a secret: %s", raw, r.body)
			}
		}
	})
}

// FuzzDecodeBody: what the strict decoder takes is JSON that says the same when
// it is written and read again.
func FuzzDecodeBody(f *testing.F) {
	for _, s := range []string{
		"", " ", "{}", `{"value":"v"}`, `{"value":null}`, `{"value":"v","metadata":{"a":[1,{"b":null}]},"lower_tier":true}`,
		`{"scopes":["read:secrets"],"ttl":"15m"}`, `{"scopes":["a","b"],"ttl":900,"max_uses":3,"ip_allowlist":["local"]}`,
		`{"name":"n","description":"d","allowed_namespaces":["a"],"allowed_scopes":[]}`,
		`{"value":"v"}{}`, `{"value":"v","value":"w"}`, `{"Value":"v"}`, `{"value":"\ud800"}`, `{"value":"\ud83d\udd11"}`, "[]", `{"metadata":{"n":1e999}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		identity[api.SecretWrite](t, b)
		identity[api.TokenRequest](t, b)
		identity[api.AgentCreate](t, b)
	})
}

func identity[T any](t *testing.T, b []byte) {
	was := string(b)
	first, err := server.DecodeBytes[T](b)
	if string(b) != was {
		t.Fatalf("decoding changed %q into %q", was, b)
	}
	if err != nil {
		if code := api.CodeOf(err); code != api.CodeValidation || err.Error() == "" {
			t.Fatalf("%q: %v", b, err)
		}
		return
	}
	if len(strings.TrimSpace(was)) > 0 && !json.Valid(b) {
		t.Fatalf("%q is no JSON and was taken", b)
	}
	again, err := json.Marshal(first)
	if err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	second, err := server.DecodeBytes[T](again)
	if err != nil {
		t.Fatalf("%q was written as %q, which is refused: %v", b, again, err)
	}
	if third, err := json.Marshal(second); err != nil || string(third) != string(again) {
		t.Fatalf("%q was written as %q and then as %q", b, again, third)
	}
	if !sameFields(b, first) {
		t.Fatalf("%q does not say what it was read as: %+v", b, first)
	}
}

// sameFields checks what was read against encoding/json's own view of the body:
// a field that is set there is set here.
func sameFields(b []byte, got any) bool {
	var raw map[string]any
	if json.Unmarshal(b, &raw) != nil {
		return true // empty, or a number beyond float64
	}
	v := reflect.ValueOf(got)
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if s, ok := raw[name].(string); ok && s != "" && v.Field(i).IsZero() {
			return false
		}
	}
	return true
}
