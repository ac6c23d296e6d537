package server_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

// refused sends what must be refused and checks that nothing came of it: not in
// the trail, not in what can be listed.
func (d *daemon) refused(method, target, body, code string, inMessage ...string) {
	d.t.Helper()
	before, state := d.last(), d.state()
	skip := d.last() // what state itself left
	r := d.call(method, target, d.owner, body)
	if r.code() != code {
		d.t.Errorf("%s %.60s %.60q: %d %.200s; want %s", method, target, body, r.status, r.body, code)
	}
	for _, s := range inMessage {
		if !strings.Contains(r.message(), s) {
			d.t.Errorf("%s %.60s %.60q: %q does not say %q", method, target, body, r.message(), s)
		}
	}
	if got := d.last(); got != skip {
		d.t.Errorf("%s %.60s %.60q left events %v", method, target, body, actions(d.since(skip)))
	}
	if d.state() != state {
		d.t.Errorf("%s %.60s %.60q changed something (event %d)", method, target, body, before)
	}
}

// bodyTargets are the routes that take a body, with one that is good.
var bodyTargets = []struct{ method, target, good string }{
	{"PUT", "/v1/secrets/a/K", `{"value":"v"}`},
	{"POST", "/v1/tokens", `{"scopes":["read:secrets"]}`},
	{"POST", "/v1/agents", `{"name":"n"}`},
}

// TestMalformedBodies: what is no single, plain JSON object is refused by every
// route alike.
func TestMalformedBodies(t *testing.T) {
	d := start(t)
	for _, at := range bodyTargets {
		inside := strings.TrimSuffix(at.good, "}")
		for _, tc := range []struct{ body, says string }{
			{`{`, "not well-formed"},
			{inside, "not well-formed"},
			{inside[:len(inside)-1], "not well-formed"},
			{inside + `,}`, "not well-formed"},
			{inside + `,"}`, "not well-formed"},
			{"{'a':1}", "not well-formed"},
			{"{a:1}", "not well-formed"},
			{`{"` + "\x01" + `":1}`, "not well-formed"},
			{inside + `,"value":"` + "\n" + `"}`, ""},
			{at.good + at.good, "something behind"},
			{at.good + " x", "something behind"},
			{at.good + "]", "something behind"},
			{at.good + "\x00", "something behind"},
			{"null", "not a JSON object"},
			{"true", "not a JSON object"},
			{"7", "not a JSON object"},
			{`"` + "text" + `"`, "not a JSON object"},
			{"[" + at.good + "]", "not a JSON object"},
			{"\ufeff" + at.good, "not a JSON object"},
			{"\u00a0" + at.good, "not a JSON object"},
			{"\u2028" + at.good, "not a JSON object"},
			{"\x00" + at.good, "not a JSON object"},
			{inside + `,"` + "\xff" + `":1}`, "not UTF-8"},
			{inside + ",\"x\":\"\xc0\xaf\"}", "not UTF-8"},
			{inside + ",\"x\":\"\xed\xa0\x80\"}", "not UTF-8"},
			{inside + `,"nosuch":1}`, `unknown field "nosuch"`},
			{inside + `,"":1}`, "unknown field"},
			{inside + `,"` + strings.ToUpper(strings.Split(at.good, `"`)[1]) + `":1}`, "unknown field"},
			{inside + "," + at.good[1:], "duplicate field"},
			{inside + `,"` + `\u00` + hex(strings.Split(at.good, `"`)[1][0]) + strings.Split(at.good, `"`)[1][1:] + `":null}`, "duplicate field"},
			{strings.Repeat("[", 100_000), ""},
			{strings.Repeat(`{"a":`, 100_000), ""},
		} {
			d.refused(at.method, at.target, tc.body, "VALIDATION_ERROR", tc.says)
		}
	}
}

func hex(b byte) string { return strconv.FormatUint(uint64(b), 16) }

// TestFieldErrors: each field with what does not belong there; the message
// begins with the field and never repeats what was sent.
func TestFieldErrors(t *testing.T) {
	d := start(t)
	const secret, tokens, agents = "PUT /v1/secrets/a/K", "POST /v1/tokens", "POST /v1/agents"
	long := strings.Repeat("x", 2000)
	for _, tc := range []struct{ line, body, says string }{
		{secret, ``, "value: missing"},
		{secret, `{}`, "value: missing"},
		{secret, `{"value":null}`, "value: missing"},
		{secret, `{"value":7}`, "value: a JSON number"},
		{secret, `{"value":["v"]}`, "value: a JSON array"},
		{secret, `{"value":{"a":"b"}}`, "value: a JSON object"},
		{secret, `{"value":true}`, "value: a JSON bool"},
		{secret, `{"value":"\ud800"}`, "surrogate"},
		{secret, `{"value":"\udc00\ud800"}`, "surrogate"},
		{secret, `{"value":"\\\ud800x"}`, "surrogate"},
		{secret, `{"value":"v","metadata":{"\ud800":1}}`, "surrogate"},
		{secret, `{"value":"v","secret_type":"API_KEY"}`, "secret_type: "},
		{secret, `{"value":"v","secret_type":"MARKED"}`, "secret_type: "},
		{secret, `{"value":"v","secret_type":1}`, "secret_type: "},
		{secret, `{"value":"v","access_tier":"MARKED"}`, "access_tier: "},
		{secret, `{"value":"v","access_tier":["standard"]}`, "access_tier: "},
		{secret, `{"value":"v","lower_tier":"yes"}`, "lower_tier: "},
		{secret, `{"value":"v","metadata":"MARKED"}`, "metadata: "},
		{secret, `{"value":"v","metadata":[]}`, "metadata: "},
		{secret, `{"value":"v","metadata":{"a":1,"a":2}}`, `duplicate field "a"`},
		{secret, `{"value":"v","metadata":{"x":[{"a":1,"a":2}]}}`, `duplicate field "a"`},
		{secret, `{"value":"v","metadata":{"x":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}}`, "nested deeper than 32"},
		{tokens, ``, "scopes: "},
		{tokens, `{"scopes":null}`, "scopes: "},
		{tokens, `{"scopes":[]}`, "scopes: "},
		{tokens, `{"scopes":"read:secrets"}`, "scopes: "},
		{tokens, `{"scopes":[1]}`, "scopes: "},
		{tokens, `{"scopes":[null]}`, "scopes: entry 1"},
		{tokens, `{"scopes":[""]}`, "scopes: entry 1"},
		{tokens, `{"scopes":["read:secrets","secrets:read:production*"]}`, "scopes: entry 2: scope pattern can match no key, which has a namespace before it: write production/*"},
		{tokens, `{"scopes":["secrets:read:a/../b"]}`, "scopes: "},
		{tokens, `{"scopes":["secrets:MARKED:a/b"]}`, "scopes: "},
		{tokens, `{"scopes":["secrets:read:a/b "]}`, "scopes: "},
		{tokens, `{"scopes":["` + strings.Repeat(`read:secrets","`, 256) + `read:secrets"]}`, "scopes: more than 256"},
		{tokens, `{"scopes":["read:secrets"],"ttl":0}`, "ttl "},
		{tokens, `{"scopes":["read:secrets"],"ttl":-1}`, "ttl "},
		{tokens, `{"scopes":["read:secrets"],"ttl":"MARKED"}`, "ttl "},
		{tokens, `{"scopes":["read:secrets"],"ttl":""}`, "ttl "},
		{tokens, `{"scopes":["read:secrets"],"ttl":"1.5h"}`, "ttl "},
		{tokens, `{"scopes":["read:secrets"],"ttl":1.5}`, "ttl "},
		{tokens, `{"scopes":["read:secrets"],"ttl":1e3}`, "ttl "},
		{tokens, `{"scopes":["read:secrets"],"ttl":99999999999999999999999}`, "ttl "},
		{tokens, `{"scopes":["read:secrets"],"ttl":"999999999d"}`, "ttl "},
		{tokens, `{"scopes":["read:secrets"],"ttl":"8d"}`, "ttl: "},
		{tokens, `{"scopes":["read:secrets"],"ttl":604801}`, "ttl: "},
		{tokens, `{"scopes":["read:secrets"],"ttl":true}`, "ttl "},
		{tokens, `{"scopes":["read:secrets"],"ttl":{}}`, "ttl "},
		{tokens, `{"scopes":["read:secrets"],"max_uses":0}`, "max_uses: "},
		{tokens, `{"scopes":["read:secrets"],"max_uses":-3}`, "max_uses: "},
		{tokens, `{"scopes":["read:secrets"],"max_uses":1000000001}`, "max_uses: "},
		{tokens, `{"scopes":["read:secrets"],"max_uses":1e999}`, "max_uses: "},
		{tokens, `{"scopes":["read:secrets"],"max_uses":18446744073709551616}`, "max_uses: "},
		{tokens, `{"scopes":["read:secrets"],"max_uses":1.5}`, "max_uses: "},
		{tokens, `{"scopes":["read:secrets"],"max_uses":"3"}`, "max_uses: "},
		{tokens, `{"scopes":["read:secrets"],"ip_allowlist":"local"}`, "ip_allowlist: "},
		{tokens, `{"scopes":["read:secrets"],"ip_allowlist":["MARKED"]}`, "ip_allowlist: "},
		{tokens, `{"scopes":["read:secrets"],"ip_allowlist":["10.0.0.0/33"]}`, "ip_allowlist: "},
		{tokens, `{"scopes":["read:secrets"],"ip_allowlist":["010.0.0.1"]}`, "ip_allowlist: "},
		{tokens, `{"scopes":["read:secrets"],"ip_allowlist":["fe80::1%eth0/64"]}`, "ip_allowlist: "},
		{tokens, `{"scopes":["read:secrets"],"ip_allowlist":["Local"]}`, "ip_allowlist: "},
		{tokens, `{"scopes":["read:secrets"],"ip_allowlist":[""]}`, "ip_allowlist: "},
		{tokens, `{"scopes":["read:secrets"],"ip_allowlist":["` + strings.Repeat(`local","`, 64) + `local"]}`, "ip_allowlist: more than 64"},
		{agents, ``, "name: "},
		{agents, `{"name":null}`, "name: "},
		{agents, `{"name":""}`, "name: "},
		{agents, `{"name":7}`, "name: "},
		{agents, `{"name":"a b"}`, "name: "},
		{agents, `{"name":"-a"}`, "name: "},
		{agents, `{"name":"` + long[:65] + `"}`, "name: "},
		{agents, `{"name":"agt_aaaaaaaaaaaaaaaaaaaaaaaaaa"}`, "name: "},
		{agents, `{"name":"AGT_AAAAAAAAAAAAAAAAAAAAAAAAAA"}`, "name: "},
		{agents, `{"name":"\u0430gent"}`, "name: "},
		{agents, `{"name":"n","description":"` + long + `"}`, "description: "},
		{agents, `{"name":"n","description":1}`, "description: "},
		{agents, `{"name":"n","allowed_namespaces":["a","../b"]}`, "allowed_namespaces: entry 2"},
		{agents, `{"name":"n","allowed_namespaces":["a*"]}`, "allowed_namespaces: "},
		{agents, `{"name":"n","allowed_namespaces":"*"}`, "allowed_namespaces: "},
		{agents, `{"name":"n","allowed_scopes":["read"]}`, "allowed_scopes: "},
		{agents, `{"name":"n","allowed_scopes":{}}`, "allowed_scopes: "},
	} {
		method, target, _ := strings.Cut(tc.line, " ")
		d.refused(method, target, tc.body, "VALIDATION_ERROR", tc.says)
		if r := d.call(method, target, d.owner, tc.body); strings.Contains(string(r.body), "MARKED") {
			t.Errorf("%s %s: the error repeats what was sent: %s", tc.line, tc.body, r.body)
		}
	}
	d.refused("POST", "/v1/vault/claim", `{"owner":"me"}`, "VALIDATION_ERROR", `unknown field "owner"`)
}

// TestBounds: at the bound it is taken, one beyond it is not.
func TestBounds(t *testing.T) {
	d := start(t)
	const target = "/v1/secrets/a/K"
	large := strings.Repeat("\u00e9", 1<<19)
	for _, value := range []string{"", large, strings.Repeat("\x01", 1<<20), "\u0000\ufffd\U0001f511"} {
		d.put("a/K", value)
		if got := into[api.Secret](d, d.call("GET", target, d.owner, "")); got.Value != value {
			t.Errorf("%d bytes came back as %d others", len(value), len(got.Value))
		}
	}
	for sent, want := range map[string]string{`\ud83d\udd11\uD83D\uDD11`: "\U0001f511\U0001f511", `\\ud800\\\\udc00`: `\ud800\\udc00`, `\u00e9\ufffd`: "\u00e9\ufffd"} {
		d.want(d.call("PUT", target, d.owner, `{"value":"`+sent+`"}`), "")
		if got := into[api.Secret](d, d.call("GET", target, d.owner, "")); got.Value != want {
			t.Errorf("%s came back as %q", sent, got.Value)
		}
	}
	// As long as a value can get on the wire: six bytes for each of its bytes.
	escaped := `{"value":"` + strings.Repeat(`\u0041`, 1<<20) + `"}`
	d.want(d.call("PUT", target, d.owner, escaped), "")
	d.want(d.call("PUT", target, d.owner, `{"value":"v","metadata":{"m":"`+strings.Repeat("m", 16<<10-8)+`"}}`), "")
	d.want(d.call("PUT", target, d.owner, `{"value":"v","metadata":{"x":`+strings.Repeat("[", 30)+strings.Repeat("]", 30)+`}}`), "")

	// Small on the wire and large in memory.
	d.refused("PUT", target, `{"value":"v","metadata":{"a":[`+strings.Repeat("[],", 100_000)+`[]]}}`, "VALIDATION_ERROR", "more than 20000 elements")
	d.refused("PUT", target, `{"value":"`+large+`x"}`, "PAYLOAD_TOO_LARGE", "value: longer than 1048576 bytes")
	d.refused("PUT", target, `{"value":"v","metadata":{"m":"`+strings.Repeat("m", 16<<10-7)+`"}}`, "PAYLOAD_TOO_LARGE", "metadata: longer than 16384 bytes")
	huge := strings.Repeat(" ", 8<<20-len(`{"value":"v"}`))
	d.want(d.call("PUT", target, d.owner, huge+`{"value":"v"}`), "")
	for _, at := range bodyTargets {
		d.refused(at.method, at.target, huge+"    "+at.good, "PAYLOAD_TOO_LARGE", "longer than 8388608 bytes")
	}
	chunked := "PUT " + target + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer " + d.owner + "\r\n\r\n"
	r := d.send(chunked + "800001\r\n" + strings.Repeat(" ", 8<<20+1) + "\r\n0\r\n\r\n")
	d.checkReply("chunked", r)
	d.want(r, "PAYLOAD_TOO_LARGE")
	r = d.send(chunked + "d\r\n{\"value\":\"c\"}\r\n0\r\n\r\n")
	d.want(r, "")
}

// TestMetadataNumbers: metadata comes back with the numbers that were stored.
func TestMetadataNumbers(t *testing.T) {
	d := start(t)
	const metadata = `{"account":9007199254740993,"big":1e999,"rate":0.10}`
	d.want(d.call("PUT", "/v1/secrets/a/K", d.owner, `{"value":"v","metadata":`+metadata+`}`), "")
	if r := d.call("GET", "/v1/secrets/a/K", d.owner, ""); !strings.Contains(string(r.body), metadata) {
		t.Errorf("stored %s, got %s", metadata, r.body)
	}
}

// TestQueries: parameters that a route does not know, twice, empty, or bad.
func TestQueries(t *testing.T) {
	d := start(t)
	d.put("a/K", "v")
	id := into[api.TokenResponse](d, d.call("POST", "/v1/tokens", d.owner, `{"scopes":["read:secrets"]}`)).TokenID
	d.agent("ci", `[]`, `[]`)
	for _, target := range []string{
		"/v1/secrets?namespace=a&namespace=a", "/v1/secrets?namespace=", "/v1/secrets?namespace", "/v1/secrets?Namespace=a",
		"/v1/secrets?namespace=a&x=1", "/v1/secrets?version=1", "/v1/secrets?namespace=a;b=c", "/v1/secrets?namespace=%zz",
		"/v1/secrets?namespace=a%00", "/v1/secrets?namespace=a//b", "/v1/secrets?namespace=../a", "/v1/secrets?namespace=a%252Fb",
		"/v1/secrets?namespace=/a", "/v1/secrets?namespace=a/", "/v1/secrets?namespace=*", "/v1/secrets?namespace=" + strings.Repeat("n", 257),
		"/v1/secrets?" + strings.Repeat("x", 5000), "/v1/secrets?%6eamespace=a&namespace=b",
		"/v1/secrets/a/K?version=0", "/v1/secrets/a/K?version=-1", "/v1/secrets/a/K?version=1x", "/v1/secrets/a/K?version=%2B1",
		"/v1/secrets/a/K?version=9223372036854775808", "/v1/secrets/a/K?version=1&version=1", "/v1/secrets/a/K?v=1", "/v1/secrets/a/K?namespace=b",
		"/v1/secrets/a?version=1",
		"/v1/namespaces?x=1", "/v1/agents?x=1", "/v1/tokens?x=1", "/v1/me?x=1",
		"/v1/audit?limit=0", "/v1/audit?limit=1001", "/v1/audit?limit=x", "/v1/audit?limit=%2B1", "/v1/audit?limit=", "/v1/audit?page=0",
		"/v1/audit?page=1000001", "/v1/audit?page=2&cursor=" + audit.Filter{}.Cursor(d.vault.Tenant(), 3), "/v1/audit?cursor=3", "/v1/audit?cursor=" + audit.Filter{}.Cursor(d.vault.Tenant(), 0), "/v1/audit?cursor=",
		"/v1/audit?cursor=" + audit.Filter{Namespace: "a"}.Cursor(d.vault.Tenant(), 3), "/v1/audit?agent=ci&cursor=" + audit.Filter{}.Cursor(d.vault.Tenant(), 3), "/v1/audit?cursor=" + audit.Filter{}.Cursor(d.vault.Tenant(), 3) + "A",
		"/v1/audit?action=secret.rea", "/v1/audit?action=Secret.read", "/v1/audit?action=secret.", "/v1/audit?action=*", "/v1/audit?action=secret.read.denied.*", "/v1/audit?action=",
		"/v1/audit?cursor=-1", "/v1/audit?cursor=99999999999999999999",
		"/v1/audit?since=yesterday", "/v1/audit?since=2026-01-01", "/v1/audit?until=1h", "/v1/audit?since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z",
		"/v1/audit?namespace=a*", "/v1/audit?agent=" + strings.Repeat("a", 129), "/v1/audit?order=asc", "/v1/audit?limit=1&limit=1",
	} {
		d.refused("GET", target, "", "VALIDATION_ERROR")
	}
	// A parameter that was meant to narrow what is done must not be passed over.
	for _, tc := range []struct{ method, target, body string }{
		{"DELETE", "/v1/secrets/a/K?version=1", ""},
		{"PUT", "/v1/secrets/a/K?if_absent=true", `{"value":"w"}`},
		{"DELETE", "/v1/tokens/" + id + "?dry_run=1", ""},
		{"DELETE", "/v1/agents/ci?dry_run=1", ""},
		{"POST", "/v1/tokens?ttl=1s", `{"scopes":["read:secrets"]}`},
		{"POST", "/v1/agents?owner=1", `{"name":"n"}`},
	} {
		d.refused(tc.method, tc.target, tc.body, "VALIDATION_ERROR", "query: ")
	}
}

// TestIDs: ids at the end of a path are read as strictly as all of it.
func TestIDs(t *testing.T) {
	d := start(t)
	for _, base := range []string{"/v1/tokens/", "/v1/agents/"} {
		for _, id := range []string{"", "%20", "a%2Fb", "%00", "a%25", "%zz"[:1] + "25zz", "a*", "\"", strings.Repeat("a", 129), "%C3%A9", "a;b", "a,b"} {
			d.refused("DELETE", base+id, "", "VALIDATION_ERROR", "id: ")
		}
		d.refused("DELETE", base+"nobody", "", "NOT_FOUND")
	}
}

// TestCredentials: whoever is not known is told so, once a minute in the trail.
func TestCredentials(t *testing.T) {
	d := start(t)
	d.put("a/K", "v")
	key := d.agent("ci", `["secrets:*:*"]`, `[]`)
	token := d.token(key, "secrets:read:a/*")
	before := d.last()
	swapped := key[:len(key)-1] + string(key[len(key)-1]^1)
	for _, header := range []string{
		"", "Authorization: " + key, "Authorization: Basic " + key, "Authorization: Bearer", "Authorization: Bearer  ",
		"Authorization: Bearer " + swapped, "Authorization: Bearer " + key + "x", "Authorization: Bearer " + key[:40],
		"Authorization: Bearer ask_live_" + strings.Repeat("0", 49), "Authorization: Bearer " + token[:len(token)-3] + "AAA",
		"Authorization: Bearer " + token + ".x", "Authorization: Bearer a.b.c", "Authorization: Bearer " + strings.Repeat("x", 20000),
		"Authorization: Bearer " + key + "\r\nAuthorization: Bearer " + key, "Authorization: Bearer " + key + ", Bearer " + key,
		"X-API-Key: " + key, "Cookie: token=" + token, "Authorization: Bearer {\"typ\":1}",
	} {
		for _, target := range []string{"/v1/secrets/a/K", "/v1/secrets", "/v1/namespaces", "/v1/me", "/v1/tokens", "/v1/agents", "/v1/audit"} {
			d.want(d.call("GET", target, "", "", header), "UNAUTHORIZED")
		}
	}
	d.want(d.call("GET", "/v1/me", "", "", "Authorization: bEARER   "+key+"  "), "")
	if got := d.since(before); len(got) != 1 || got[0].Action != "auth.failed" || got[0].ActorType != "unknown" {
		t.Errorf("the trail has %v; want one auth.failed", actions(got))
	}
}

// TestOwnersRoutes: no token and no agent key opens what is for owners, and no
// token what is for keys.
func TestOwnersRoutes(t *testing.T) {
	d := start(t)
	agent := d.agent("ci", `["secrets:*:*","namespaces:read","manage:agents"]`, `[]`)
	everything := []string{"secrets:*:*", "namespaces:read", "manage:agents"}
	ownerToken, agentToken := d.token(d.owner, everything...), d.token(agent, everything...)
	for _, tc := range []struct{ method, target, body, action string }{
		{"GET", "/v1/agents", "", "agent.list.denied"},
		{"POST", "/v1/agents", `{"name":"evil"}`, "agent.create.denied"},
		{"DELETE", "/v1/agents/ci", "", "agent.revoke.denied"},
		{"GET", "/v1/audit", "", "audit.read.denied"},
	} {
		for name, key := range map[string]string{"agent key": agent, "agent token": agentToken, "owner token": ownerToken} {
			before := d.last()
			r := d.want(d.call(tc.method, tc.target, key, tc.body), "SCOPE_DENIED")
			if got := d.since(before); len(got) != 1 || got[0].Action != tc.action || got[0].RequestID != r.header.Get("X-Request-Id") || got[0].Outcome != "denied" {
				t.Errorf("%s by %s left %v; want %s", tc.target, name, got, tc.action)
			}
		}
	}
	for _, token := range []string{ownerToken, agentToken} {
		d.want(d.call("GET", "/v1/me", token, ""), "SCOPE_DENIED")
		d.want(d.call("GET", "/v1/tokens", token, ""), "SCOPE_DENIED")
		d.want(d.call("DELETE", "/v1/tokens/tok_aaaaaaaaaaaaaaaaaaaaaaaaaa", token, ""), "SCOPE_DENIED")
		d.want(d.call("POST", "/v1/tokens", token, `{"scopes":["read:secrets"]}`), "SCOPE_DENIED")
	}
	if names := into[api.Agents](d, d.call("GET", "/v1/agents", d.owner, "")).Items; len(names) != 1 {
		t.Errorf("%d agents; want 1", len(names))
	}
}
