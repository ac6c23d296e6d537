package server_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/server"
)

// site is a second server of a daemon's vault, with limits, to which connections
// come from wherever a test says.
type site struct {
	d     *daemon
	conns chan net.Conn
	done  chan struct{}
}

// Accept, Close and Addr make s the listener of its server.
func (s *site) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

func (s *site) Close() error {
	select {
	case <-s.done:
	default:
		close(s.done)
	}
	return nil
}

func (s *site) Addr() net.Addr { return address("pipe") }

// address is a peer's, as it stands.
type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

// from is a connection from an address.
type from struct {
	net.Conn
	addr address
}

func (c from) RemoteAddr() net.Addr { return c.addr }

// limited is a site of d with these limits. It ends with the test, before d.
func (d *daemon) limited(failures int, perSecond float64) *site {
	d.t.Helper()
	s := &site{d: d, conns: make(chan net.Conn), done: make(chan struct{})}
	srv := server.New(server.Config{
		Vault: d.vault, Log: d.logger(), Version: "9.9.9", MayClaim: func(int) bool { return false },
		FailedAuthPerMinute: failures, RequestsPerSecond: perSecond,
		Now: func() time.Time { return limiterStart }, // nothing is filled up while a test runs
	})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(s) }()
	d.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			d.t.Errorf("shutting down: %v", err)
		}
		<-served
	})
	return s
}

// get is a GET from an IP address with a key, and the checked answer.
func (s *site) get(ip, target, key string) reply {
	s.d.t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	here.SetDeadline(time.Now().Add(20 * time.Second))
	s.conns <- from{there, address(net.JoinHostPort(ip, "40000"))}
	raw := "GET " + target + " HTTP/1.1\r\nHost: assd\r\nConnection: close\r\n"
	if key != "" {
		raw += "Authorization: Bearer " + key + "\r\n"
	}
	go here.Write([]byte(raw + "\r\n"))
	res, err := http.ReadResponse(bufio.NewReader(here), nil)
	if err != nil {
		s.d.t.Fatalf("no answer to %s from %s: %v", target, ip, err)
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(res.Body); err != nil {
		s.d.t.Fatal(err)
	}
	r := reply{res.StatusCode, res.Header, body.Bytes()}
	s.d.checkDocumented(raw+"\r\n", r)
	s.d.checkReply(target+" from "+ip, r)
	return r
}

// wantLimited wants r to be 429 and to say after how many seconds to come again.
func (d *daemon) wantLimited(r reply, most int) {
	d.t.Helper()
	d.want(r, "RATE_LIMITED")
	after, err := strconv.Atoi(r.header.Get("Retry-After"))
	if err != nil || after < 1 || after > most {
		d.t.Errorf("Retry-After is %q, want 1 to %d seconds", r.header.Get("Retry-After"), most)
	}
}

// wrong is something that is no valid credential, each time another.
func wrong(n int) string {
	return []string{"", "nonsense", "ask_live_typo", "eyJhbGciOiJFZERTQSJ9.e30.AAAA", fmt.Sprint("ask_agent_", n)}[n%5]
}

func TestThreat22FailedAuthentication(t *testing.T) {
	d := start(t)
	d.put("a/KEY", "v")
	bot := d.agent("bot", `["secrets:read:*"]`, `[]`)
	token := d.token(bot, "secrets:read:*")
	gone := d.agent("gone", `["secrets:read:*"]`, `[]`)
	d.want(d.call("DELETE", "/v1/agents/gone", d.owner, ""), "")
	const burst = 5
	s := d.limited(burst, 0)
	served := func(ip string) {
		t.Helper()
		for _, key := range []string{d.owner, bot, token} {
			d.want(s.get(ip, "/v1/secrets/a/KEY", key), "")
		}
		d.want(s.get(ip, "/v1/me", bot), "")
		d.want(s.get(ip, "/v1/health", ""), "")
		d.want(s.get(ip, "/.well-known/jwks.json", wrong(2)), "")
	}
	fails := map[string]int{} // by how the trail names the source
	flood := func(class string, ips ...string) {
		t.Helper()
		for n := range burst {
			d.want(s.get(ips[n%len(ips)], "/v1/secrets/a/KEY", wrong(n)), "UNAUTHORIZED")
			if n == burst/2 {
				served(ips[0])
			}
		}
		for n := range 3 * burst {
			key := wrong(n)
			if n == burst {
				key = gone // a key that was one
			}
			d.wantLimited(s.get(ips[n%len(ips)], []string{"/v1/secrets/a/KEY", "/v1/me", "/v1/agents"}[n%3], key), 60/burst+1)
			if n%burst == 0 {
				served(ips[0])
			}
		}
		fails[class] += 4 * burst
	}
	served("10.0.0.1")
	before := d.last()
	flood("10.0.0.1", "10.0.0.1", "::ffff:10.0.0.1")
	d.want(s.get("10.0.0.2", "/v1/me", wrong(1)), "UNAUTHORIZED") // another source
	fails["10.0.0.2"]++
	flood("2001:db8::/64", "2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::9") // one /64
	d.want(s.get("2001:db8:0:1::1", "/v1/me", wrong(1)), "UNAUTHORIZED")
	fails["2001:db8:0:1::/64"]++
	// What is forbidden to a valid key is no failure to authenticate.
	for range 2 * burst {
		d.want(s.get("10.0.0.3", "/v1/agents", bot), "SCOPE_DENIED")
	}
	d.want(s.get("10.0.0.3", "/v1/me", wrong(0)), "UNAUTHORIZED")
	fails["10.0.0.3"]++

	failed := 0
	for _, e := range d.since(before) {
		if e.Action == "auth.failed" {
			failed++
		}
	}
	if failed != len(fails) {
		t.Errorf("%d events for the failures of %d sources", failed, len(fails))
	}
	d.wantFailures(before, fails)
}

// wantFailures restarts the daemon's vault, which writes what it has only
// counted, and wants so many failures in the trail after that event, by source.
func (d *daemon) wantFailures(after uint64, want map[string]int) {
	d.t.Helper()
	d.stop()
	d.serve(vault.Open)
	got := map[string]int{}
	for _, e := range d.since(after) {
		if e.Action == "auth.failed" {
			got[e.AgentID] += max(e.Count, 1)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		d.t.Errorf("the trail counts %v, there were %v", got, want)
	}
}

// Over the Unix socket a source is a uid.
func TestThreat22FailedAuthenticationOnTheSocket(t *testing.T) {
	d := start(t)
	before := d.last()
	srv := server.New(server.Config{Vault: d.vault, Log: d.logger(), Version: "9.9.9", FailedAuthPerMinute: 3})
	was := d.socket
	d.socket = filepath.Join(socketDir(t), "run", "s")
	l, err := server.ListenUnix(server.SocketConfig{Path: d.socket})
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(l) //nolint:errcheck // ends with Shutdown
	for n := range 3 {
		d.want(d.call("GET", "/v1/me", wrong(n), ""), "UNAUTHORIZED")
	}
	for n := range 4 {
		d.wantLimited(d.call("GET", "/v1/me", wrong(n), ""), 21)
		d.wantLimited(d.call("PUT", "/v1/secrets/a/KEY", wrong(n), `{"value":"v"}`), 21)
		d.want(d.call("GET", "/v1/me", d.owner, ""), "")
	}
	d.put("a/KEY", "v")
	if err := srv.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	d.socket = was
	d.wantFailures(before, map[string]int{fmt.Sprint("local uid ", os.Geteuid()): 11})
}

// TestManyFailingSources: each source has a budget of its own, and each failure
// is counted.
func TestManyFailingSources(t *testing.T) {
	d := start(t)
	s := d.limited(2, 0)
	before := d.last()
	const sources = 300 // each fails twice and is turned away once
	for n := range sources {
		ip := fmt.Sprintf("10.1.%d.%d", n/250, n%250)
		d.want(s.get(ip, "/v1/me", wrong(n)), "UNAUTHORIZED")
		d.want(s.get(ip, "/v1/me", wrong(n)), "UNAUTHORIZED")
		d.wantLimited(s.get(ip, "/v1/me", wrong(n)), 31)
	}
	d.stop()
	d.serve(vault.Open)
	total := 0
	for cursor := ""; ; {
		page := into[api.AuditPage](d, d.call("GET", "/v1/audit?limit=1000"+cursor, d.owner, ""))
		for _, e := range page.Events {
			if e.Seq > before && e.Action == "auth.failed" {
				total += max(e.Count, 1)
			}
		}
		if page.NextCursor == "" {
			break
		}
		cursor = "&cursor=" + page.NextCursor
	}
	if total != 3*sources {
		t.Errorf("the trail counts %d failures, there were %d", total, 3*sources)
	}
}

// TestRequestsPerKey: all that one identity sends with its key and its tokens is
// from one budget; nobody else's is touched.
func TestRequestsPerKey(t *testing.T) {
	d := start(t)
	d.put("a/KEY", "v")
	bot, other := d.agent("bot", `["secrets:read:*"]`, `[]`), d.agent("other", `["secrets:read:*"]`, `[]`)
	tokens := []string{d.token(bot, "secrets:read:*"), d.token(bot, "secrets:read:a/*")}
	const rate, slowest = 0.02, 51
	s := d.limited(0, rate)
	for n := range 10 { // the burst
		d.want(s.get("10.0.0.1", "/v1/secrets/a/KEY", tokens[n%2]), "")
	}
	for _, key := range append(tokens, bot) {
		d.wantLimited(s.get("10.0.0.1", "/v1/secrets/a/KEY", key), slowest)
		d.wantLimited(s.get("10.0.0.2", "/v1/me", key), slowest) // from wherever it comes
		d.want(s.get("10.0.0.1", "/v1/health", key), "")
	}
	for range 3 {
		d.want(s.get("10.0.0.1", "/v1/me", wrong(3)), "UNAUTHORIZED") // failures have limits of their own
	}
	for _, key := range []string{other, d.owner} {
		for range 10 {
			d.want(s.get("10.0.0.1", "/v1/me", key), "")
		}
		d.wantLimited(s.get("10.0.0.1", "/v1/me", key), slowest)
	}
	twelve := d.limited(0, 11.5) // a burst of as many
	for range 12 {
		d.want(twelve.get("10.0.0.1", "/v1/me", bot), "")
	}
	d.wantLimited(twelve.get("10.0.0.1", "/v1/me", bot), 1)
}

// Off by default, and with a limit far away, nobody is held up.
func TestRequestsPerKeyOffByDefault(t *testing.T) {
	d := start(t)
	s := d.limited(server.DefaultFailedAuthPerMinute, 0)
	for range 300 {
		d.want(s.get("10.0.0.1", "/v1/me", d.owner), "")
	}
	for n := range server.DefaultFailedAuthPerMinute {
		d.want(s.get("10.0.0.1", "/v1/me", wrong(n)), "UNAUTHORIZED")
	}
	d.wantLimited(s.get("10.0.0.1", "/v1/me", wrong(0)), 2)
}

var limiterStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestLimiterRefills(t *testing.T) {
	now := limiterStart
	l := server.NewLimiter(2, 3)
	for n := range 3 {
		if wait := l.Take("a", now); wait != 0 {
			t.Fatalf("take %d waits %v", n, wait)
		}
	}
	for range 3 { // what is refused costs nothing
		if wait := l.Take("a", now); wait != 500*time.Millisecond {
			t.Errorf("emptied, it waits %v", wait)
		}
		if wait := l.Wait("a", now); wait != 500*time.Millisecond {
			t.Errorf("emptied, it says %v", wait)
		}
	}
	now = now.Add(499 * time.Millisecond)
	if wait := l.Take("a", now); wait <= 0 || wait > 2*time.Millisecond {
		t.Errorf("just before, it waits %v", wait)
	}
	now = now.Add(time.Millisecond)
	if wait := l.Take("a", now); wait != 0 {
		t.Errorf("filled with one, it waits %v", wait)
	}
	now = now.Add(time.Hour)
	for range 100 { // a look takes nothing
		if wait := l.Wait("a", now); wait != 0 {
			t.Fatalf("full, it says %v", wait)
		}
	}
	for n := range 4 {
		if wait := l.Take("a", now); (wait != 0) != (n == 3) {
			t.Errorf("after an hour take %d waits %v", n, wait)
		}
	}
	if l.Take("b", now) != 0 || l.Wait("c", now) != 0 {
		t.Error("others wait too")
	}
	if l.Wait("c", now); l.Size() != 2 {
		t.Errorf("a look made a bucket: there are %d", l.Size())
	}
	for _, off := range []server.Limiter{server.NewLimiter(0, 9), server.NewLimiter(-1, 9)} {
		for range 2 {
			if off.Take("a", now) != 0 || off.Wait("a", now) != 0 {
				t.Error("a limiter of nothing limits")
			}
		}
	}
}

// TestLimiterIsBounded: a flood of sources costs no more than the table, cannot
// free one that is limited, and the table recovers.
func TestLimiterIsBounded(t *testing.T) {
	now := limiterStart
	l := server.NewLimiter(1, 2)
	for range 2 {
		l.Take("known", now)
	}
	for n := range 3 * server.MaxLimited {
		l.Take(fmt.Sprint("flood ", n), now)
		if l.Size() > server.MaxLimited {
			t.Fatalf("the table holds %d", l.Size())
		}
	}
	if l.Size() != server.MaxLimited {
		t.Errorf("the table holds %d, want %d", l.Size(), server.MaxLimited)
	}
	if l.Wait("known", now) == 0 {
		t.Error("the flood has freed one that is limited")
	}
	if l.Wait("new", now) == 0 || l.Take("new", now) == 0 {
		t.Error("those for whom there is no room are not limited together")
	}
	if l.Wait("flood 0", now) != 0 {
		t.Error("one of the first is limited after one take")
	}
	now = now.Add(1500 * time.Millisecond) // known has 1.5 of 2, the flood is full again
	if wait := l.Take("new", now); wait != 0 || l.Size() != 2 {
		t.Errorf("once there is room one waits %v, and the table holds %d", wait, l.Size())
	}
	if l.Take("known", now) != 0 || l.Take("known", now) == 0 {
		t.Error("the sweep has filled a bucket")
	}
}

// A full table is not swept for each of a flood.
func BenchmarkLimiterFlood(b *testing.B) {
	l, now, n := server.NewLimiter(1, 60), limiterStart, 0
	for b.Loop() {
		n++
		l.Take(strings.Repeat("x", 8)+strconv.Itoa(n), now)
		now = now.Add(time.Microsecond)
	}
}
