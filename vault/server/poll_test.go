package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/server"
)

// atOnce is how long an answer may take that does not wait: less than the minute for which
// the polls here would.
const atOnce = 30 * time.Second

// poll is a request that waits; what it is answered comes when it is.
func (d *daemon) poll(target, key string) <-chan reply {
	d.t.Helper()
	waiting, out := d.srv.Waiting(), make(chan reply, 1)
	go func() {
		defer close(out)
		out <- d.call("GET", target, key, "")
	}()
	for began := time.Now(); d.srv.Waiting() <= waiting; time.Sleep(time.Millisecond) {
		if time.Since(began) > atOnce {
			d.t.Fatalf("%s does not wait", target)
		}
	}
	return out
}

// soon is the answer of a poll that has a reason to come.
func (d *daemon) soon(answer <-chan reply) reply {
	d.t.Helper()
	select {
	case r := <-answer:
		return r
	case <-time.After(atOnce):
		d.t.Fatal("the poll still waits")
		return reply{}
	}
}

// quiet fails when a poll is answered that has no reason to be.
func (d *daemon) quiet(answer <-chan reply) {
	d.t.Helper()
	select {
	case r := <-answer:
		d.t.Fatalf("the poll is answered %d %s", r.status, r.body)
	case <-time.After(50 * time.Millisecond):
	}
}

// delayed puts a policy in force by which an approval begins ten minutes later.
func (d *daemon) delayed() {
	d.t.Helper()
	const text = "[tiers.sensitive]\ndelay = \"10m\"\n"
	if _, err := d.vault.OfferPolicy(context.Background(), "policy.toml", []byte(text), nil); err != nil {
		d.t.Fatal(err)
	}
}

// TestPollOfARequest: an agent that waits is answered as soon as an owner has
// decided, and not before; one that has nothing to wait for, at once.
func TestPollOfARequest(t *testing.T) {
	d := start(t)
	d.guard("a/HOT", "v", "sensitive")
	bot := d.agent("bot", `["secrets:read:*"]`, `[]`)
	for _, tc := range []struct{ act, status string }{{"approve", "approved"}, {"deny", "denied"}} {
		id := d.ask(bot, "secrets:read:a/HOT")
		target := "/v1/approvals/agent/" + id + "?wait=60s"
		answer := d.poll(target, bot)
		d.quiet(answer)
		d.want(d.call("POST", "/v1/approvals/"+id+"/"+tc.act, d.owner, `{"reason":"because"}`), "")
		got := into[api.Approval](d, d.soon(answer))
		if got.Status != tc.status || got.Reason == nil || *got.Reason != "because" {
			t.Errorf("after %s it is told %+v", tc.act, got)
		}
		began := time.Now()
		if again := into[api.Approval](d, d.call("GET", target, bot, "")); again.Status != tc.status || time.Since(began) > atOnce {
			t.Errorf("decided, it is %s after %v", again.Status, time.Since(began))
		}
		d.want(d.call("POST", "/v1/approvals/"+id+"/revoke", d.owner, ""), map[bool]string{true: "", false: "CONFLICT"}[tc.act == "approve"])
	}
	if n := d.srv.Waiting(); n != 0 {
		t.Errorf("%d still count as waiting", n)
	}
}

// TestPollOfADelay: what is approved and has not begun is waited for too; to
// revoke it, or a lockdown, ends that.
func TestPollOfADelay(t *testing.T) {
	d := start(t)
	d.delayed()
	d.guard("a/HOT", "v", "sensitive")
	bot := d.agent("bot", `["secrets:read:*"]`, `[]`)
	for _, end := range []struct{ target, status string }{{"/v1/approvals/ID/revoke", "revoked"}, {"/v1/vault/lockdown", "expired"}} {
		id := d.ask(bot, "secrets:read:a/HOT")
		pending := d.poll("/v1/approvals/agent/"+id+"?wait=60s", bot)
		d.want(d.call("POST", "/v1/approvals/"+id+"/approve", d.owner, ""), "")
		d.quiet(pending)
		got := into[api.Approval](d, d.call("GET", "/v1/approvals/agent/"+id, bot, ""))
		if got.Status != "approved" || got.OpensAt == nil || got.OpensAt.Sub(*got.ApprovedAt) != 10*time.Minute {
			t.Errorf("approved with a delay, it is %+v", got)
		}
		d.want(d.call("POST", strings.Replace(end.target, "ID", id, 1), d.owner, ""), "")
		if got := into[api.Approval](d, d.soon(pending)); got.Status != end.status {
			t.Errorf("after %s it is %s", end.target, got.Status)
		}
	}
}

// TestPollOfTheList: an owner who has a list is answered when it is another one:
// by a new request, by a decision.
func TestPollOfTheList(t *testing.T) {
	d := start(t)
	d.guard("a/HOT", "v", "sensitive")
	d.guard("a/OTHER", "v", "sensitive")
	bot := d.agent("bot", `["secrets:read:*"]`, `[]`)
	const pending = "/v1/approvals?status=pending"
	list := into[api.Approvals](d, d.call("GET", pending+"&wait=60s", d.owner, "")) // without a cursor: at once
	if len(list.Items) != 0 || list.Cursor == "" {
		t.Fatalf("nothing was asked for, and the list is %+v", list)
	}
	next := func(change func()) {
		t.Helper()
		answer := d.poll(pending+"&wait=60s&cursor="+list.Cursor, d.owner)
		d.quiet(answer)
		change()
		got := into[api.Approvals](d, d.soon(answer))
		if got.Cursor == list.Cursor {
			t.Error("the list has changed and its cursor has not")
		}
		list = got
	}
	var id string
	next(func() { id = d.ask(bot, "secrets:read:a/HOT") })
	if len(list.Items) != 1 || list.Items[0].ID != id {
		t.Errorf("asked for, %s is not listed: %+v", id, list.Items)
	}
	next(func() { d.ask(bot, "secrets:read:a/OTHER") })
	next(func() { d.want(d.call("POST", "/v1/approvals/"+id+"/deny", d.owner, ""), "") })
	if len(list.Items) != 1 || list.Items[0].ID == id {
		t.Errorf("denied, %s is still listed: %+v", id, list.Items)
	}
	began := time.Now()
	same := into[api.Approvals](d, d.call("GET", pending+"&wait=1s&cursor="+list.Cursor, d.owner, ""))
	if same.Cursor != list.Cursor || len(same.Items) != 1 || time.Since(began) < time.Second {
		t.Errorf("nothing has changed, and after %v it is %+v", time.Since(began), same)
	}
	began = time.Now()
	for _, stale := range []string{"0", "9f86d081884c7d659a2feaa0c55ad015", "%00"} {
		into[api.Approvals](d, d.call("GET", pending+"&wait=60s&cursor="+stale, d.owner, ""))
	}
	if time.Since(began) > atOnce {
		t.Errorf("with the cursor of another list it waits %v", time.Since(began))
	}
	d.want(d.call("GET", pending+"&wait=60s&cursor="+list.Cursor, bot, ""), "SCOPE_DENIED")
}

// TestWaitValues: how long may be waited is written in one way, and bounded.
func TestWaitValues(t *testing.T) {
	d := start(t)
	d.guard("a/HOT", "v", "sensitive")
	bot := d.agent("bot", `["secrets:read:*"]`, `[]`)
	id := d.ask(bot, "secrets:read:a/HOT")
	d.want(d.call("POST", "/v1/approvals/"+id+"/deny", d.owner, ""), "")
	for _, target := range []string{"/v1/approvals/agent/" + id, "/v1/approvals"} {
		for _, wait := range []string{"1", "1s", "60", "60s", "1m", "030s", "05"} {
			d.want(d.call("GET", target+"?wait="+wait, d.owner, ""), "")
		}
		for _, wait := range []string{"", "0", "0s", "00m", "61", "61s", "2m", "1h", "1d", "-1s", "%2B1s", "1.5s", "1e1", "s", "abc", "1s%20", "1ms", "500ms",
			"99999999999999999999", "9223372036854775808s", "1s&wait=1s", "٣"} {
			d.want(d.call("GET", target+"?wait="+wait, d.owner, ""), "VALIDATION_ERROR")
		}
	}
	if n := d.srv.Waiting(); n != 0 {
		t.Errorf("%d still count as waiting", n)
	}
}

// TestPollsAreBounded: of one bearer so many wait at a time; one more is answered
// as things are, another bearer still waits. On a shutdown all are answered.
func TestPollsAreBounded(t *testing.T) {
	d := start(t)
	d.guard("a/HOT", "v", "sensitive")
	bot, other := d.agent("bot", `["secrets:read:*"]`, `[]`), d.agent("other", `["secrets:read:*"]`, `[]`)
	id, theirs := d.ask(bot, "secrets:read:a/HOT"), d.ask(other, "secrets:read:a/HOT")
	target := "/v1/approvals/agent/" + id + "?wait=60s"
	var all []<-chan reply
	for range server.MaxWaitingEach {
		all = append(all, d.poll(target, bot))
	}
	began := time.Now()
	if got := into[api.Approval](d, d.call("GET", target, bot, "")); got.Status != "pending" || time.Since(began) > atOnce {
		t.Errorf("one more is told %s after %v", got.Status, time.Since(began))
	}
	all = append(all, d.poll("/v1/approvals/agent/"+theirs+"?wait=60s", other))
	for _, answer := range all {
		d.quiet(answer)
		break
	}
	ctx, cancel := context.WithTimeout(context.Background(), atOnce)
	defer cancel()
	if err := d.srv.Shutdown(ctx); err != nil {
		t.Errorf("shutting down with polls: %v", err)
	}
	for _, answer := range all {
		if got := into[api.Approval](d, d.soon(answer)); got.Status != "pending" {
			t.Errorf("at the end it is %s", got.Status)
		}
	}
}

// TestPollOverTLS: the same over both protocols, to the end by a shutdown.
func TestPollOverTLS(t *testing.T) {
	r := startTLS(t, nil)
	r.guard("a/HOT", "v", "sensitive")
	r.guard("a/OTHER", "v", "sensitive")
	bot := r.agent("bot", `["secrets:read:*"]`, `[]`)
	clients := []*http.Client{r.client(false), r.client(true)}
	poll := func(id string) (answers []chan string) {
		for _, c := range clients {
			out, waiting := make(chan string, 1), r.tls.Waiting()
			answers = append(answers, out)
			go func() {
				got, res := r.ask(c, "GET", "/v1/approvals/agent/"+id+"?wait=60s", bot, "")
				out <- res.Proto + " " + into[api.Approval](r.daemon, got).Status
			}()
			for r.tls.Waiting() == waiting {
				time.Sleep(time.Millisecond)
			}
		}
		return answers
	}
	want := func(answers []chan string, status string) {
		t.Helper()
		for i, proto := range []string{"HTTP/1.1 ", "HTTP/2.0 "} {
			select {
			case got := <-answers[i]:
				if got != proto+status {
					t.Errorf("it is told %s; want %s%s", got, proto, status)
				}
			case <-time.After(atOnce):
				t.Fatal("the poll still waits")
			}
		}
	}
	id := r.daemon.ask(bot, "secrets:read:a/HOT")
	answers := poll(id)
	r.want(r.call("POST", "/v1/approvals/"+id+"/deny", r.owner, ""), "")
	want(answers, "denied")
	answers = poll(r.daemon.ask(bot, "secrets:read:a/OTHER"))
	r.stopTLS() // fails when it takes long
	want(answers, "pending")
}

// TestPollDecidesAnew: each look asks again who may look.
func TestPollDecidesAnew(t *testing.T) {
	d := start(t)
	d.guard("a/HOT", "v", "sensitive")
	bot, other := d.agent("bot", `["secrets:*:*"]`, `[]`), d.agent("other", `["secrets:*:*"]`, `[]`)
	id, theirs := d.ask(bot, "secrets:read:a/HOT"), d.ask(other, "secrets:read:a/HOT")
	began := time.Now()
	foreign := d.want(d.call("GET", "/v1/approvals/agent/"+theirs+"?wait=60s", bot, ""), "NOT_FOUND")
	none := d.want(d.call("GET", "/v1/approvals/agent/apr_aaaaaaaa?wait=60s", bot, ""), "NOT_FOUND")
	if string(foreign.body) != string(none.body) || time.Since(began) > atOnce {
		t.Errorf("after %v an agent can tell %s from %s", time.Since(began), foreign.body, none.body)
	}
	token := d.token(bot, "secrets:*:*")
	d.want(d.call("GET", "/v1/approvals/agent/"+id+"?wait=60s", token, ""), "SCOPE_DENIED")

	target := "/v1/approvals/agent/" + id
	began = time.Now()
	woken, waits := d.poll(target+"?wait=60s", bot), d.poll(target+"?wait=3s", bot)
	d.want(d.call("DELETE", "/v1/agents/bot", d.owner, ""), "")
	inTime := time.Since(began) < 3*time.Second                              // else it may have been answered before
	d.want(d.call("POST", "/v1/approvals/"+theirs+"/deny", d.owner, ""), "") // news, of another one
	d.want(d.soon(woken), "UNAUTHORIZED")
	if late := d.soon(waits); inTime {
		d.want(late, "UNAUTHORIZED")
	}
}

// TestPollOfAGoneClient: nobody is waited for who does not wait any more.
func TestPollOfAGoneClient(t *testing.T) {
	d := start(t)
	d.guard("a/HOT", "v", "sensitive")
	bot := d.agent("bot", `["secrets:read:*"]`, `[]`)
	id := d.ask(bot, "secrets:read:a/HOT")
	c := d.dial()
	io.WriteString(c, "GET /v1/approvals/agent/"+id+"?wait=60s HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer "+bot+"\r\n\r\n")
	for want := 1; want >= 0; want-- {
		for began := time.Now(); d.srv.Waiting() != want; time.Sleep(time.Millisecond) {
			if time.Since(began) > atOnce {
				t.Fatalf("%d wait; want %d", d.srv.Waiting(), want)
			}
		}
		c.Close()
	}
}

// TestPollTimes: a poll is answered when its time is over, also at the longest,
// which is as long as a request may take to come in; or when the request expires.
func TestPollTimes(t *testing.T) {
	bubble(t, func(t *testing.T, p *pipes, v *vault.Vault) {
		claim, err := v.Claim(context.Background(), "olga", vault.Origin{Local: true}, api.ClaimRequest{})
		if err != nil {
			t.Fatal(err)
		}
		call := func(method, target, key, body string) (reply, time.Duration) {
			t.Helper()
			began := time.Now()
			return exchange(t, p.dial(), method, target, key, body), time.Since(began)
		}
		r, _ := call("PUT", "/v1/secrets/a/HOT", claim.OwnerKey, `{"value":"v","access_tier":"sensitive"}`)
		if r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		r, _ = call("POST", "/v1/agents", claim.OwnerKey, `{"name":"bot"}`)
		bot := field(t, r, "api_key")
		r, _ = call("POST", "/v1/tokens", bot, `{"scopes":["secrets:read:a/HOT"]}`)
		target := "/v1/approvals/agent/" + field(t, r, "approval_id") + "?wait="
		for wait, want := range map[string]time.Duration{"1s": time.Second, "30": 30 * time.Second, "60s": time.Minute, "1m": time.Minute} {
			r, took := call("GET", target+wait, bot, "")
			if r.status != 200 || field(t, r, "status") != "pending" || took <= want || took > want+2*time.Second {
				t.Errorf("wait=%s: %d %s after %v", wait, r.status, r.body, took)
			}
		}
		time.Sleep(time.Hour - 4*time.Minute) // it was made some three minutes ago
		for took, status := time.Duration(0), "pending"; status == "pending"; {
			r, took = call("GET", target+"60s", bot, "")
			if status = field(t, r, "status"); status == "pending" && took < time.Minute {
				t.Fatalf("still pending, it is told so after %v", took)
			}
			if status == "expired" && took > time.Minute {
				t.Errorf("that it has expired it is told after %v", took)
			}
		}
	})
}

// exchange is one request on a connection, whose head comes in within a second,
// and its answer.
func exchange(t *testing.T, c net.Conn, method, target, key, body string) reply {
	t.Helper()
	defer c.Close()
	req, err := http.NewRequest(method, "http://h"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	var sent bytes.Buffer
	if err := req.Write(&sent); err != nil {
		t.Fatal(err)
	}
	go func() {
		c.Write(sent.Next(10))
		time.Sleep(time.Second)
		c.Write(sent.Bytes())
	}()
	res, err := http.ReadResponse(bufio.NewReader(c), req)
	if err != nil {
		t.Fatalf("%s %s: no answer: %v", method, target, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, b}
}

// field is a text in the answer.
func field(t *testing.T, r reply, name string) string {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal(r.body, &body); err != nil || body[name] == nil {
		t.Fatalf("no %s in %d %s", name, r.status, r.body)
	}
	return body[name].(string)
}

// TestPollRests: one who waits for news costs nothing while there is none, also
// where the list holds requests whose time is over.
func TestPollRests(t *testing.T) {
	d := unclaimed(t)
	d.stop()
	var later, looks atomic.Int64
	d.cfg.Now = func() time.Time { looks.Add(1); return time.Now().Add(time.Duration(later.Load())) }
	d.serve(vault.Open)
	d.owner = d.secret(into[api.Claim](d, d.call("POST", "/v1/vault/claim", "", "")).OwnerKey)
	d.guard("a/HOT", "v", "sensitive")
	d.guard("a/OTHER", "v", "sensitive")
	bot := d.agent("bot", `["secrets:read:*"]`, `[]`)
	d.ask(bot, "secrets:read:a/HOT")
	denied := d.ask(bot, "secrets:read:a/OTHER")
	d.want(d.call("POST", "/v1/approvals/"+denied+"/deny", d.owner, ""), "")
	later.Store(int64(2 * time.Hour))
	d.ask(bot, "secrets:read:a/HOT") // anew: the first one has expired
	for _, filter := range []string{"", "status=pending&"} {
		target := "/v1/approvals?" + filter
		cursor := into[api.Approvals](d, d.call("GET", strings.TrimRight(target, "?&"), d.owner, "")).Cursor
		looks.Store(0)
		into[api.Approvals](d, d.call("GET", target+"wait=1s&cursor="+cursor, d.owner, ""))
		if n := looks.Load(); n > 40 {
			t.Errorf("%s: in a second without news the clock was read %d times", target, n)
		}
	}
}
