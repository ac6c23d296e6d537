package server_test

import (
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

const exportTarget = "/v1/secrets/export"

func TestExport(t *testing.T) {
	d := start(t)
	bot := d.agent("bot", `["secrets:read:*"]`, `["app"]`)
	one, two := d.secret("value-one of an export"), d.secret("value-two \x01 <&> of an export")
	d.put("app/env/A", one)
	d.put("app/env/B", two)
	d.put("app/env/deep/C", d.secret("value-three of an export"))
	for name, key := range map[string]string{"a token": d.token(bot, "secrets:read:app/env/*"), "a key": bot, "an owner's key": d.owner} {
		seq := d.last()
		got := into[api.Export](d, d.call("POST", exportTarget, key, `{"namespaces":["app/env"]}`))
		if len(got.Items) != 2 || got.Items[0].Value != one || got.Items[1].Value != two || got.Items[1].Key != "B" || got.Items[0].Version != 1 {
			t.Errorf("%s: got %d items, and not as they were", name, len(got.Items))
		}
		left := actions(d.since(seq))
		if i := slices.Index(left, "secret.read"); i < 0 || !slices.Equal(left[i:], []string{"secret.read", "secret.read", "secret.export"}) {
			t.Errorf("%s leaves %q", name, left)
		}
	}
	for body, code := range map[string]string{
		``: "VALIDATION_ERROR", `{"namespaces":"app"}`: "VALIDATION_ERROR", `{"namespaces":["app/env"],"keys":[]}`: "VALIDATION_ERROR",
		`{"namespaces":["app/env"],"format":"dotenv"}`: "VALIDATION_ERROR", `{"namespaces":["app/env"],"keys":["NOT"]}`: "SECRET_NOT_FOUND",
		`{"namespaces":["none"]}`: "SECRET_NOT_FOUND", `{"namespaces":["app/env"],"keys":null}`: "",
	} {
		d.want(d.call("POST", exportTarget, d.owner, body), code)
	}
	d.want(d.call("POST", exportTarget, bot, `{"namespaces":["other"]}`), "SCOPE_DENIED")
	d.want(d.call("POST", exportTarget+"?keys=A", d.owner, `{"namespaces":["app/env"]}`), "VALIDATION_ERROR")
	d.want(d.call("POST", exportTarget, "", `{"namespaces":["app/env"]}`), "UNAUTHORIZED")
	list := into[api.SecretList](d, d.call("GET", exportTarget, d.owner, "")) // a namespace may be called that
	if list.Namespace != "export" {
		t.Errorf("GET lists %q", list.Namespace)
	}
}

// TestExportsTakeTurns: an agent that does not take its answers is not given more,
// and others are.
func TestExportsTakeTurns(t *testing.T) {
	d := start(t)
	for _, key := range []string{"A", "B", "C", "D"} {
		d.put("app/"+key, strings.Repeat("x", 1<<20))
	}
	a, b := d.agent("a", `["secrets:read:*"]`, `[]`), d.agent("b", `["secrets:read:*"]`, `[]`)
	const body = `{"namespaces":["app"]}`
	begin := func(key string) net.Conn { // asks, and takes nothing
		c := d.dial()
		head := "POST " + exportTarget + " HTTP/1.1\r\nHost: assd\r\nAuthorization: Bearer " + key + "\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
		if _, err := io.WriteString(c, head+body); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	answered := func(c net.Conn, within time.Duration) bool {
		c.SetReadDeadline(time.Now().Add(within))
		_, err := c.Read(make([]byte, 1))
		return err == nil
	}
	const long, soon = patience, 300 * time.Millisecond
	first := begin(a)
	if !answered(first, long) {
		t.Fatal("the first is not answered")
	}
	second := begin(a)
	if answered(second, soon) {
		t.Fatal("an agent has as many exports as it likes")
	}
	if !answered(begin(b), long) {
		t.Error("another agent waits for it")
	}
	d.want(d.call("GET", "/v1/secrets/app/A", a, ""), "")
	first.Close()
	if !answered(second, long) {
		t.Error("the next is not answered when the first has gone")
	}
}
