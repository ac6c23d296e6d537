package server_test

import (
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/api"
)

// spellings are ways to send a path that clients use or that are as good.
var spellings = []struct{ sent, path string }{
	{"production/openai/KEY", "production/openai/KEY"},
	{"production%2Fopenai/KEY", "production/openai/KEY"},
	{"production%2fopenai/KEY", "production/openai/KEY"},
	{"%70roduction%2F%6Fpenai/%4BEY", "production/openai/KEY"},
	{"%70roduction%2f%6fpenai/%4bE%59", "production/openai/KEY"},
	{"production/%6fpenai/KEY", "production/openai/KEY"},
	{"a/b/c/KEY", "a/b/c/KEY"},
	{"a%2Fb/c/KEY", "a/b/c/KEY"},
	{"a/b%2Fc/KEY", "a/b/c/KEY"},
	{"a%2Fb%2Fc/KEY", "a/b/c/KEY"},
	{"a/KEY", "a/KEY"},
	{"A/key", "A/key"},
	{"a/...", "a/..."},
	{"a/.env", "a/.env"},
	{"a.b/-_.", "a.b/-_."},
	{"a%2Eb/%2D_.", "a.b/-_."},
	{"versions/rotate/KEY", "versions/rotate/KEY"},
	{"v1/secrets", "v1/secrets"},
}

// TestSpellings: however a path is sent, it is one path to policy, store and
// audit alike.
func TestSpellings(t *testing.T) {
	d := start(t)
	exact := map[string]string{}
	for _, tc := range spellings {
		if exact[tc.path] == "" {
			exact[tc.path] = d.token(d.owner, "secrets:read:"+tc.path, "secrets:write:"+tc.path, "secrets:delete:"+tc.path)
		}
	}
	other := d.token(d.owner, "secrets:*:elsewhere/*")
	for _, tc := range spellings {
		slash := strings.LastIndex(tc.path, "/")
		ns, key := tc.path[:slash], tc.path[slash+1:]
		for _, form := range []string{"/v1/secrets/", "http://any.host/v1/secrets/", "http://user@h:1/v1/secrets/", "xyz:/v1/secrets/"} {
			token, target := exact[tc.path], form+tc.sent
			d.want(d.call("PUT", target, token, `{"value":"v"}`), "")
			got := into[api.Secret](d, d.call("GET", target, token, ""))
			if got.Namespace != ns || got.Key != key {
				t.Errorf("%s is %s/%s; want %s", target, got.Namespace, got.Key, tc.path)
			}
			d.want(d.call("GET", "/v1/secrets/"+tc.path, d.owner, ""), "")
			for _, method := range []string{"GET", "PUT", "DELETE"} {
				d.want(d.call(method, target, other, `{"value":"evil"}`), "SCOPE_DENIED")
			}
			d.want(d.call("DELETE", target, token, ""), "")
			d.want(d.call("DELETE", "/v1/secrets/"+tc.path, d.owner, ""), "SECRET_NOT_FOUND")
		}
	}
	checkTrailPaths(d)
}

// checkTrailPaths checks that the trail knows no other paths than those meant.
func checkTrailPaths(d *daemon) {
	d.t.Helper()
	meant, denied := map[string]bool{}, map[string]bool{}
	for _, tc := range spellings {
		meant[tc.path] = true
	}
	for _, e := range d.events() {
		if e.ResType != "secret" {
			continue
		}
		path := e.Namespace + "/" + e.Resource
		if !meant[path] {
			d.t.Errorf("event %d, %s, is about %q", e.Seq, e.Action, path)
		}
		if e.Action == "secret.read.denied" {
			denied[path] = true
		}
	}
	if len(denied) != len(meant) {
		d.t.Errorf("%d paths refused in the trail; want %d", len(denied), len(meant))
	}
}

// badPaths are no paths, in any spelling.
var badPaths = []string{
	"", "/", "//", "a/", "a//KEY", "/a/KEY", "a/KEY/", "a/KEY//", "//a/KEY", "a///KEY",
	".", "..", "./a/KEY", "../a/KEY", "a/./KEY", "a/../KEY", "a/..", "a/.", "a/KEY/..", "a/KEY/.", "a/../../v1/agents",
	"%2e", "%2E%2e/KEY", "a/%2e%2E", "a/%2e/KEY", "a/.%2e/b/KEY", "a%2F..%2Fb/KEY", "a%2f%2e%2e%2fb/KEY", "..%2Fa/KEY", "a%2F./KEY",
	"a%2F/KEY", "%2Fa/KEY", "a%2F%2Fb/KEY", "a/b%2FKEY", "a/b%2fKEY", "a/%2FKEY", "a/KEY%2F", "a/%2F",
	"a%252Fb/KEY", "a%25/KEY", "a/KEY%25", "a/%252e%252e/KEY", "a%25252Fb/KEY", "a/K%2545Y",
	"a%00/KEY", "a/KEY%00", "a/%00", "a/KEY%0a", "a/KEY%0d%0aX:y", "a/KEY%20", "a/%20KEY", "a/K+Y", "a/K%2BY", "a/KEY%7f", "a/KEY;v=1", "a;b/KEY",
	"a/KEY,b", "a/KEY@", "a/KEY:x", "a/K$Y", "a/K&Y", "a/K=Y", "a/K!Y", "a/K'Y", "a/(KEY)", "a/*", "*", "*/KEY", "a*/KEY", "a/~KEY",
	`a\b/KEY`, "a%5Cb/KEY", `a/..\b`, "a/K|Y", "a/K\"Y", "a/<KEY>", "a/K^Y", "a/K`Y", "a/{KEY}", "a%2Fb\"/KEY",
	"a/\xff", "a/%ff", "a/%c0%af", "a%c0%ae%c0%ae/KEY", "a/%C3%A9", "a/\u00e9", "a/%EF%BC%8F",
	"a/rotate/versions", strings.Repeat("n", 257) + "/KEY", "a/b/" + strings.Repeat("k", 129) + strings.Repeat("n", 200),
	strings.Repeat("a/", 600) + "KEY", strings.Repeat("%61", 2000) + "/KEY",
}

// TestBadPaths: each is one error, the same for each method, known or unknown
// caller; nothing is cleaned, redirected, or left in trail or store.
func TestBadPaths(t *testing.T) {
	d := start(t)
	d.put("a/KEY", "v")
	d.put("a/b/KEY", "v")
	before := d.last()
	for _, p := range badPaths {
		for _, prefix := range []string{"/v1/secrets/", "http://h/v1/secrets/"} {
			for _, key := range []string{d.owner, ""} {
				for _, method := range []string{"GET", "PUT", "DELETE"} {
					r := d.call(method, prefix+p, key, `{"value":"evil"}`)
					if r.code() != "VALIDATION_ERROR" || !strings.HasPrefix(r.message(), "path: ") {
						t.Errorf("%s %s%.60q: %d %.200s", method, prefix, p, r.status, r.body)
					}
				}
			}
		}
	}
	if d.last() != before {
		t.Errorf("left in the trail: %v", actions(d.since(before)))
	}
}

// TestNoKey: what is a namespace but no secret cannot be written or deleted.
func TestNoKey(t *testing.T) {
	d := start(t)
	for _, p := range []string{"a", "a%2FKEY", "a%2fb%2fKEY", "a/versions", "a/rotate", "a%2Fb/rollback", "a/" + strings.Repeat("k", 129)} {
		d.refused("PUT", "/v1/secrets/"+p, `{"value":"v"}`, "VALIDATION_ERROR", "path: ")
		d.refused("DELETE", "/v1/secrets/"+p, "", "VALIDATION_ERROR", "path: ")
	}
}

// TestRawRequests: lines that are no requests, or not for us, are answered with
// an error of HTTP's own or one of ours, and never with anything else.
func TestRawRequests(t *testing.T) {
	d := start(t)
	d.put("a/KEY", d.secret("value-behind-raw-requests"))
	auth := "Host: h\r\nConnection: close\r\nAuthorization: Bearer " + d.owner + "\r\n"
	for _, tc := range []struct {
		raw    string
		status int
		ours   bool
	}{
		{"GET /v1/health HTTP/1.0\r\n\r\n", 200, true},
		{"GET http://h/v1/health HTTP/1.1\r\n" + auth + "\r\n", 200, true},
		{"GET /v1/secrets/a/%zz HTTP/1.1\r\n" + auth + "\r\n", 400, false},
		{"GET /v1/secrets/a/% HTTP/1.1\r\n" + auth + "\r\n", 400, false},
		{"GET /v1/secrets/a/%u0041 HTTP/1.1\r\n" + auth + "\r\n", 400, false},
		{"GET /v1/secrets/a/%2 HTTP/1.1\r\n" + auth + "\r\n", 400, false},
		{"GET v1/secrets/a/KEY HTTP/1.1\r\n" + auth + "\r\n", 400, false},
		{"GET /v1/secrets/a/K Y HTTP/1.1\r\n" + auth + "\r\n", 400, false},
		{"GET /v1/secrets/a/K\x01Y HTTP/1.1\r\n" + auth + "\r\n", 400, false},
		{"GET * HTTP/1.1\r\n" + auth + "\r\n", 404, true},
		{"OPTIONS * HTTP/1.1\r\n" + auth + "\r\n", 404, true},
		{"CONNECT h:1 HTTP/1.1\r\n" + auth + "\r\n", 404, true},
		{"GET mailto:a@b HTTP/1.1\r\n" + auth + "\r\n", 404, true},
		{"GET //h/v1/health HTTP/1.1\r\n" + auth + "\r\n", 404, true},
		{"GET /v1/secrets/a/KEY#x HTTP/1.1\r\n" + auth + "\r\n", 400, true},
		{"GET /v1/health HTTP/2.0\r\n" + auth + "\r\n", 505, false},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404, true},
		{"GET /v1/health\r\n\r\n", 400, false},
		{"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", 400, false},
		{"GET /v1/health HTTP/1.1\r\n\r\n", 400, false}, // no Host
		{"GET /v1/health HTTP/1.1\r\nHost: h\r\nHost: g\r\n\r\n", 400, false},
		{"GET /v1/health HTTP/1.1\r\nHost: h\r\nBad Header: x\r\n\r\n", 400, false},
		{"GET /v1/health HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", 431, false},
		{"GET /v1/health HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: y\r\n", 8<<10) + "\r\n", 431, false},
		{"GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: h\r\n\r\n", 431, false},
		{"PUT /v1/secrets/a/KEY HTTP/1.1\r\n" + auth + "Content-Length: -1\r\n\r\n", 400, false},
		{"PUT /v1/secrets/a/KEY HTTP/1.1\r\n" + auth + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400, false},
		{"PUT /v1/secrets/a/KEY HTTP/1.1\r\n" + auth + "Transfer-Encoding: gzip\r\n\r\n", 501, false},
		{"PUT /v1/secrets/a/KEY HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, true},
		{"PUT /v1/secrets/a/KEY HTTP/1.1\r\n" + auth + "Expect: magic\r\nContent-Length: 2\r\n\r\n{}", 417, false},
	} {
		r := d.send(tc.raw)
		if r.status != tc.status || (r.header.Get("X-Request-Id") != "") != tc.ours {
			t.Errorf("%.60q: %d %v %.100s", tc.raw, r.status, r.header, r.body)
		}
		if tc.ours {
			d.checkReply(tc.raw[:12], r)
		}
	}
	if got := into[api.Secret](d, d.call("GET", "/v1/secrets/a/KEY", d.owner, "")); got.Version != 1 {
		t.Errorf("something was written: version %d", got.Version)
	}
}
