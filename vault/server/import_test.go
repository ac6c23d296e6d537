package server_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

const importTarget = "/v1/secrets/import"

// importBody is an import into app/env as the published clients send it.
func importBody(content string) string {
	return asJSON(map[string]any{
		"namespace": "app/env", "content": content, "secret_type": "custom", "access_tier": "standard", "metadata": nil,
	})
}

func TestImport(t *testing.T) {
	d := start(t)
	bot := d.agent("bot", `["secrets:*:*"]`, `["app"]`)
	value := d.secret("value-one of an import")
	text := "A='" + value + "'\r\nB=\"" + d.secret("line 1 of B") + "\n" + d.secret("line 2 of B") + "\"\r\n"
	for name, key := range map[string]string{
		"a token, as the SDK": d.token(bot, "secrets:write:app/env/*"),
		"a key, as the CLI":   bot,
		"an owner's key":      d.owner,
	} {
		seq := d.last()
		r := d.want(d.call("POST", importTarget, key, importBody(text)), "")
		const want = `{"namespace":"app/env","imported":["A","B"],"imported_count":2,"keys":["A","B"],"skipped":0,"dry_run":false}` + "\n"
		if string(r.body) != want {
			t.Errorf("%s: %s, want %s", name, r.body, want)
		}
		got := actions(d.since(seq))
		if i := slices.Index(got, "secret.write"); i < 0 || !slices.Equal(got[i:], []string{"secret.write", "secret.write", "secret.import"}) {
			t.Errorf("%s leaves %q", name, got)
		}
	}
	if got := into[api.Secret](d, d.call("GET", "/v1/secrets/app/env/B", d.owner, "")); got.Value != "line 1 of B\nline 2 of B" || got.Version != 3 {
		t.Errorf("B has version %d and another value", got.Version)
	}
	list := into[api.SecretList](d, d.call("GET", importTarget, d.owner, "")) // a namespace may be called that
	if list.Namespace != "import" {
		t.Errorf("GET lists %q", list.Namespace)
	}
}

func TestImportOptions(t *testing.T) {
	d := start(t)
	d.put("app/env/A", "old")
	body := asJSON(map[string]any{"namespace": "app/env", "content": "A=1\nB=2\n", "overwrite": false, "dry_run": true})
	for range 2 {
		got := into[api.ImportResponse](d, d.call("POST", importTarget, d.owner, body))
		if !got.DryRun || got.Skipped != 1 || !slices.Equal(got.Imported, []string{"B"}) {
			t.Errorf("%+v", got)
		}
	}
}

func TestImportRefusals(t *testing.T) {
	d := start(t)
	value := d.secret("hunter2-hunter2")
	stranger := d.agent("stranger", `["secrets:*:*"]`, `["other"]`)
	reader := d.token(d.owner, "secrets:read:*")
	before := d.state()
	for _, c := range []struct {
		key, body, code, says string
	}{
		{d.owner, "", "VALIDATION_ERROR", "namespace: "},
		{d.owner, `{"namespace":"a"}`, "VALIDATION_ERROR", "content: missing"},
		{d.owner, `{"namespace":"a","content":null}`, "VALIDATION_ERROR", "content: missing"},
		{d.owner, `{"namespace":"a","content":1}`, "VALIDATION_ERROR", "content: "},
		{d.owner, `{"namespace":"a","content":"A=1","lower_tier":true}`, "VALIDATION_ERROR", `unknown field "lower_tier"`},
		{d.owner, importBody("A=1\n" + value), "VALIDATION_ERROR", `content: line 2: there is no "="`},
		{d.owner, importBody("A=" + value + "\nA=2"), "VALIDATION_ERROR", "content: line 2: the name already stands in line 1"},
		{d.owner, importBody("A=1\nB='" + value), "VALIDATION_ERROR", "content: line 2: nothing closes the quote"},
		{d.owner, importBody("A=" + strings.Repeat("x", api.MaxValue+1)), "PAYLOAD_TOO_LARGE", "content: line 1: the value is longer"},
		{d.owner, importBody(strings.Repeat("#", api.MaxImport+1)), "PAYLOAD_TOO_LARGE", "content: line 1: the text is longer"},
		{d.owner, importBody(strings.Repeat("#", 32<<20)), "PAYLOAD_TOO_LARGE", "the body is longer than 33554432 bytes"},
		{reader, importBody("A=" + value), "SCOPE_DENIED", "no scope of the token"},
		{stranger, importBody("A=" + value), "SCOPE_DENIED", "beyond the caller's"},
		{"", importBody("A=" + value), "UNAUTHORIZED", "not authenticated"},
	} {
		r := d.want(d.call("POST", importTarget, c.key, c.body), c.code)
		if !strings.Contains(r.message(), c.says) {
			t.Errorf("%.60q: %s, want %s", c.body, r.message(), c.says)
		}
	}
	d.want(d.call("POST", importTarget+"?dry_run=true", d.owner, importBody("A=1")), "VALIDATION_ERROR")
	d.want(d.call("PUT", importTarget, d.owner, importBody("A=1")), "VALIDATION_ERROR")
	if after := d.state(); after != before {
		t.Errorf("refused, an import changed %s to %s", before, after)
	}
}

// TestImportOfTheLargest: 16 MiB of text, more than any other route takes.
func TestImportOfTheLargest(t *testing.T) {
	d := start(t)
	var text strings.Builder
	for i := range 15 {
		fmt.Fprintf(&text, "K%d=%s\n", i, strings.Repeat("x", api.MaxValue))
	}
	rest := api.MaxImport - text.Len()
	text.WriteString(strings.Repeat("\n", rest)) // two bytes each in JSON
	body := importBody(text.String())
	if len(body) <= 16<<20 {
		t.Fatalf("the body has %d bytes only", len(body))
	}
	got := into[api.ImportResponse](d, d.call("POST", importTarget, d.owner, body))
	if got.ImportedCount != 15 {
		t.Errorf("%d imported, want 15", got.ImportedCount)
	}
}

// TestHugeBodiesTakeTurns: one of each agent and two at a time; the others wait
// before their bodies are read, and nobody waits for another's but for room. An
// owner waits for no agent.
func TestHugeBodiesTakeTurns(t *testing.T) {
	d := start(t)
	agents := []string{}
	for _, name := range []string{"a", "b", "c"} {
		agents = append(agents, d.agent(name, `["secrets:*:*"]`, `[]`))
	}
	begin := func(method, target, key string, length int) net.Conn { // sends the head and no body
		c := d.dial()
		head := method + " " + target + " HTTP/1.1\r\nHost: assd\r\nAuthorization: Bearer " + key +
			"\r\nExpect: 100-continue\r\nContent-Length: " + strconv.Itoa(length) + "\r\n\r\n"
		if _, err := c.Write([]byte(head)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	// invited reports whether the server asks for the body, which it does when it
	// begins to read it.
	invited := func(c net.Conn, within time.Duration) bool {
		c.SetReadDeadline(time.Now().Add(within))
		line, err := bufio.NewReader(c).ReadString('\n')
		return err == nil && strings.Contains(line, strconv.Itoa(http.StatusContinue))
	}
	const long, soon, huge, large = patience, 300 * time.Millisecond, 8<<20 + 1, 200 << 10
	first, second := begin("POST", importTarget, agents[0], huge), begin("POST", importTarget, agents[1], huge)
	if !invited(first, long) || !invited(second, long) {
		t.Fatal("the first two are not read")
	}
	third, again := begin("POST", importTarget, agents[2], huge), begin("POST", importTarget, agents[0], 10)
	if invited(third, soon) || invited(again, soon) {
		t.Fatal("three are read at a time, or two imports of one agent")
	}
	if !invited(begin("POST", importTarget, d.owner, huge), long) {
		t.Error("an owner waits for agents")
	}
	first.Close()
	if !invited(third, long) || !invited(again, long) {
		t.Error("the next are not read when the first has gone")
	}
	for n := range maxLargeEach {
		if !invited(begin("PUT", "/v1/secrets/a/K", agents[0], large), long) {
			t.Fatalf("large body %d of an agent is not read", n+1)
		}
	}
	if invited(begin("PUT", "/v1/secrets/a/K", agents[0], large), soon) {
		t.Error("an agent sends as many large bodies as it likes")
	}
	if !invited(begin("PUT", "/v1/secrets/a/K", agents[1], large), long) {
		t.Error("another waits for it")
	}
	d.want(d.call("PUT", "/v1/secrets/a/K", agents[0], `{"value":"small"}`), "")
}

// maxLargeEach is how many large bodies are read of one agent at a time.
const maxLargeEach = 4
