package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/agent-secret-store/assd/vault/api"
)

// TestClaimedReason: what an agent says is told as what it says: in one line, cut,
// without what a terminal would act on; and it makes no other request.
func TestClaimedReason(t *testing.T) {
	d := start(t)
	bot := d.agent("bot", `["secrets:*:*"]`, `[]`)
	for n, tc := range []struct{ says, want string }{
		{"to deploy  the\tnew version", "to deploy the new version"},
		{"", ""}, {" \n\t\u200b ", ""},
		{"red \x1b[31malert\x1b[0m\x07\r\nApproved by olga", "red [31malert [0m Approved by olga"},
		{"left \u202etfel\u202c \u2066x\u2069 \ufeffend", "left tfel x end"},
		{"käse 🧀 日本", "käse 🧀 日本"},
		{strings.Repeat("é", 301), strings.Repeat("é", 300) + "…"},
		{strings.Repeat("x", 1<<20), strings.Repeat("x", 300) + "…"},
		{strings.Repeat("\u202e\x00 ", 1<<18), ""},
	} {
		path := "a/HOT" + string(rune('A'+n))
		d.guard(path, "v", "sensitive")
		before := d.last()
		r := d.call("POST", "/v1/tokens", bot, asJSON(map[string]any{"scopes": []string{"secrets:read:" + path}, "reason": tc.says}))
		if r.status != http.StatusAccepted {
			t.Fatalf("asking with %.40q: %d %.300s", tc.says, r.status, r.body)
		}
		id := into[api.TokenWaits](d, r).ApprovalID
		got := into[api.Approval](d, d.call("GET", "/v1/approvals/agent/"+id, d.owner, ""))
		said := ""
		if got.ClaimedReason != nil {
			said = *got.ClaimedReason
		}
		if said != tc.want || (got.ClaimedReason == nil) != (tc.want == "") || got.Because == "" || strings.Contains(got.Because, said) && said != "" {
			t.Errorf("%.40q is told as %.400q, because %q", tc.says, said, got.Because)
		}
		for _, e := range d.since(before) {
			if strings.ContainsFunc(e.Reason, unicode.IsControl) || utf8.RuneCountInString(e.Reason) > 600 {
				t.Errorf("the trail says %.700q", e.Reason)
			}
		}
		if again := d.ask(bot, "secrets:read:"+path); again != id {
			t.Errorf("without the reason it is the request %s, not %s", again, id)
		}
	}
	d.want(d.call("POST", "/v1/tokens", bot, `{"scopes":["secrets:read:a/HOTA"],"reason":["x"]}`), "VALIDATION_ERROR")
	d.want(d.call("POST", "/v1/tokens", bot, `{"scopes":["secrets:read:a/HOTA"],"reason":"`+strings.Repeat("x", 9<<20)+`"}`), "PAYLOAD_TOO_LARGE")
}

// TestOwnersReasons: they are kept as they are, so what is too long or would act
// on a terminal is refused; and so is a body that no passphrase needs.
func TestOwnersReasons(t *testing.T) {
	d := start(t)
	d.guard("a/HOT", "v", "sensitive")
	bot := d.agent("bot", `["secrets:read:*"]`, `[]`)
	id := d.ask(bot, "secrets:read:a/HOT")
	before := d.last()
	for _, target := range []string{"/v1/approvals/" + id + "/approve", "/v1/approvals/" + id + "/deny", "/v1/approvals/" + id + "/revoke", "/v1/vault/lockdown", "/v1/vault/lift"} {
		for _, reason := range []string{strings.Repeat("x", api.MaxReason+1), "red \x1b[31malert", "two\nlines", "\u009b31m", "\x00", "a\u007f"} {
			r := d.want(d.call("POST", target, d.owner, asJSON(map[string]any{"reason": reason})), "VALIDATION_ERROR")
			if !strings.HasPrefix(r.message(), "reason: ") {
				t.Errorf("%s: %s", target, r.body)
			}
		}
		for _, field := range []string{"reason", "digest", "passphrase"} {
			d.want(d.call("POST", target, d.owner, `{"`+field+`":"`+strings.Repeat("x", 1<<20)+`"}`), "PAYLOAD_TOO_LARGE")
		}
	}
	if got := actions(d.since(before)); len(got) != 0 {
		t.Errorf("left in the trail: %v", got)
	}
}

// TestProcessHints: an owner is shown which process asked over the socket, and its
// parents; over TLS there is none.
func TestProcessHints(t *testing.T) {
	r := startTLS(t, nil)
	r.guard("a/HOT", "v", "sensitive")
	r.guard("a/FAR", "v", "sensitive")
	bot := r.agent("bot", `["secrets:read:*"]`, `[]`)
	approval := func(id string) api.Approval {
		return into[api.Approval](r.daemon, r.call("GET", "/v1/approvals/agent/"+id, r.owner, ""))
	}
	got := approval(r.daemon.ask(bot, "secrets:read:a/HOT")).Process
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) < 2 || len(got) > 6 || got[0].PID != os.Getpid() || got[0].Exe != self || got[0].Name == "" || got[1].PID != os.Getppid() {
		t.Fatalf("it is told as %+v", got)
	}
	if at := got[0].StartedAt; at == nil || at.After(time.Now().Add(time.Second)) || time.Since(*at) > time.Hour || at.Location() != time.UTC {
		t.Errorf("it was started at %v", at)
	}
	far, _ := r.ask(r.client(true), "POST", "/v1/tokens", bot, `{"scopes":["secrets:read:a/FAR"]}`)
	if far.status != http.StatusAccepted {
		t.Fatalf("%d %s", far.status, far.body)
	}
	over := approval(into[api.TokenWaits](r.daemon, far).ApprovalID)
	if over.Source != "127.0.0.1" || len(over.Process) != 0 || over.Process == nil {
		t.Errorf("over TLS it is told as %s %+v", over.Source, over.Process)
	}
}

// TestDecidedAlready: what is decided, ended or expired is not decided again.
func TestDecidedAlready(t *testing.T) {
	d := start(t)
	d.guard("a/HOT", "v", "sensitive")
	d.guard("a/OTHER", "v", "sensitive")
	bot := d.agent("bot", `["secrets:read:*"]`, `[]`)
	all := func(id, code string, but ...string) {
		t.Helper()
		for _, act := range []string{"approve", "deny", "revoke"} {
			if !strings.Contains(strings.Join(but, " "), act) {
				d.want(d.call("POST", "/v1/approvals/"+id+"/"+act, d.owner, ""), code)
			}
		}
	}
	decide := func(id, act, status string) {
		t.Helper()
		if got := into[api.Approval](d, d.call("POST", "/v1/approvals/"+id+"/"+act, d.owner, "")); got.Status != status {
			t.Errorf("after %s it is %s", act, got.Status)
		}
	}
	id := d.ask(bot, "secrets:read:a/HOT")
	d.want(d.call("POST", "/v1/approvals/"+id+"/revoke", d.owner, ""), "CONFLICT") // it waits
	decide(id, "approve", "approved")
	all(id, "CONFLICT", "revoke")
	d.want(d.call("POST", "/v1/approvals/"+id+"/revoke", bot, ""), "SCOPE_DENIED")
	d.want(d.call("GET", "/v1/secrets/a/HOT", bot, ""), "")
	decide(id, "revoke", "revoked")
	all(id, "CONFLICT")
	d.want(d.call("GET", "/v1/secrets/a/HOT", bot, ""), "APPROVAL_REQUIRED")
	for _, filter := range []string{"", "?status=revoked", "?status=approved"} {
		list := asJSON(into[api.Approvals](d, d.call("GET", "/v1/approvals"+filter, d.owner, "")))
		if strings.Contains(list, id) == strings.Contains(filter, "approved") {
			t.Errorf("revoked, the list %s is %s", filter, list)
		}
	}

	id = d.ask(bot, "secrets:read:a/OTHER")
	decide(id, "deny", "denied")
	all(id, "CONFLICT")
	r := d.want(d.call("POST", "/v1/tokens", bot, `{"scopes":["secrets:read:a/OTHER"]}`), "SCOPE_DENIED") // for a minute
	if !strings.Contains(string(r.body), id) {
		t.Errorf("asked again, it is told %s", r.body)
	}

	id = d.ask(bot, "secrets:read:a/HOT")
	d.want(d.call("POST", "/v1/vault/lockdown", d.owner, ""), "")
	d.want(d.call("POST", "/v1/vault/lift", d.owner, ""), "")
	all(id, "CONFLICT")
	if got := into[api.Approval](d, d.call("GET", "/v1/approvals/agent/"+id, bot, "")); got.Status != "expired" {
		t.Errorf("after a lockdown it is %s", got.Status)
	}
	all("apr_aaaaaaaa", "NOT_FOUND")
	all("a%2Fb", "VALIDATION_ERROR")
}

// TestTriesAreBounded: where many passphrases are tried at once some are told to
// come again; to deny, to lock down and to look wait for none of them.
func TestTriesAreBounded(t *testing.T) {
	d := guarded(t)
	d.guard("a/HOT", "v", "sensitive")
	bot := d.secret(into[api.AgentCreated](d, d.call("POST", "/v1/agents", d.owner, with(`{"name":"bot"}`))).APIKey)
	id := d.ask(bot, "secrets:read:a/HOT")
	const tries = 12
	codes, body := make(chan string, tries), `{"passphrase":"wrong horse battery staple"}`
	var conns []net.Conn
	for range tries {
		c := d.dial()
		conns = append(conns, c)
		go func() {
			fmt.Fprintf(c, "POST /v1/approvals/%s/approve HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", id, d.owner, len(body), body)
			codes <- tried(c)
		}()
	}
	began := time.Now()
	for first := <-codes; first != "RATE_LIMITED in 4 s"; first = <-codes { // so they queue
		if first != "STEP_UP_REQUIRED in  s" {
			t.Errorf("a wrong passphrase is %q", first)
		}
		if time.Since(began) > atOnce {
			t.Fatal("nobody is told to come again")
		}
	}
	began = time.Now()
	d.want(d.call("GET", "/v1/me", d.owner, ""), "")
	d.want(d.call("POST", "/v1/approvals/"+id+"/deny", d.owner, ""), "")
	d.want(d.call("POST", "/v1/vault/lockdown", d.owner, ""), "")
	if took := time.Since(began); took > atOnce {
		t.Errorf("to deny and to lock down took %v", took)
	}
	for _, c := range conns {
		c.Close()
	}
	for began = time.Now(); ; time.Sleep(20 * time.Millisecond) { // once they are gone: nobody is ever locked out
		if r := d.call("POST", "/v1/vault/lift", d.owner, with("")); r.code() != "RATE_LIMITED" {
			d.want(r, "")
			return
		}
		if time.Since(began) > 2*atOnce {
			t.Fatal("the right passphrase is kept out")
		}
	}
}

// tried is the code of the answer on c, and when to come again.
func tried(c net.Conn) string {
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return reply{status: res.StatusCode, body: b}.code() + " in " + res.Header.Get("Retry-After") + " s"
}
