package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var soakTime = flag.Duration("soak", 9*time.Second, "how long TestSoak runs: go test ./cmd/assd -run TestSoak -soak 10m")

// soak is a daemon under good and bad traffic, on the socket and over TLS.
type soak struct {
	*fullVault
	address string
	tls     *tls.Config
	good    *http.Client
	served  atomic.Int64       // good requests that were answered well
	ended   atomic.Int64       // bad ones that ended without an answer
	refused [ways]atomic.Int64 // bad ones that were answered with a 4xx, by the way they came
}

// ways are how bad requests come: on the socket, over TLS, and to the TLS port in
// the clear.
const ways = 3

const (
	bySocket = iota
	byTLS
	inTheClear
)

// TestSoak: under mixed traffic for a while every good request is answered, and
// neither memory nor descriptors grow; when it is over all of them are back.
func TestSoak(t *testing.T) {
	s := startSoak(t)
	idle := s.descriptors()
	ctx, cancel := context.WithTimeout(context.Background(), *soakTime)
	defer cancel()
	var work sync.WaitGroup
	for n := range 4 {
		work.Go(func() { s.repeat(ctx, func() { s.doGood(n) }) })
		work.Go(func() { s.repeat(ctx, s.doBad) })
	}
	work.Go(func() { s.repeat(ctx, s.doIdle) })
	usage := s.sample(ctx)
	work.Wait()
	s.good.CloseIdleConnections()
	t.Logf("%d good requests; refused: %d on the socket, %d over TLS, %d in the clear, %d unanswered; memory in MiB, early %d, late %d",
		s.served.Load(), s.refused[bySocket].Load(), s.refused[byTLS].Load(), s.refused[inTheClear].Load(), s.ended.Load(), usage.early>>20, usage.late>>20)
	if s.served.Load() == 0 || s.refused[bySocket].Load() == 0 || s.refused[byTLS].Load() == 0 || s.refused[inTheClear].Load() == 0 {
		t.Fatal("there was no traffic")
	}
	if usage.late > usage.early+usage.early/4+16<<20 {
		t.Errorf("memory grows: from %d to %d MiB", usage.early>>20, usage.late>>20)
	}
	s.settles(idle)
	s.want("GET", "/v1/health", "", "", 200)
	s.end()
	if log := s.err.String(); strings.Contains(log, "panic") || strings.Contains(log, "[ERROR]") {
		t.Errorf("the log: %.2000s", log)
	}
}

func startSoak(t *testing.T) *soak {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	dir := filepath.Join(t.TempDir(), "data")
	s := &soak{address: address, fullVault: startFull(t, dir, "--listen", address, "--log-level", "warn")}
	pem, err := os.ReadFile(filepath.Join(dir, "tls", "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in cert.pem")
	}
	s.tls = &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: []string{"http/1.1"}}
	s.good = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}, ForceAttemptHTTP2: true,
	}}
	return s
}

// repeat does it until ctx ends.
func (s *soak) repeat(ctx context.Context, do func()) {
	for ctx.Err() == nil {
		do()
	}
}

// doGood is what clients do: a token, a write, a read, a list, a page of the
// trail. Every answer must be the right one.
func (s *soak) doGood(n int) {
	few := rand.IntN(200) // versions of one secret pile up for a week, and then an agent may write no more
	path := fmt.Sprintf("/v1/secrets/a/S%d_%d", n, few)
	s.ask("POST", "/v1/tokens", s.agent, `{"scopes":["secrets:*:a/*"],"ttl":"1m"}`, 200)
	s.ask("PUT", path, s.agent, `{"value":"`+strings.Repeat("v", rand.IntN(50_000))+`"}`, 200)
	s.ask("GET", path, s.agent, "", 200)
	s.ask("GET", "/v1/secrets/a", s.owner, "", 200)
	s.ask("GET", "/v1/audit?limit=20", s.owner, "", 200)
	s.ask("POST", "/v1/secrets/import", s.agent, fmt.Sprintf(`{"namespace":"a","content":"A%d=1\nB%d='2'"}`, few, few), 200)
}

func (s *soak) ask(method, target, key, body string, status int) {
	rq, err := http.NewRequest(method, "https://"+s.address+target, strings.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return
	}
	rq.Header.Set("Authorization", "Bearer "+key)
	res, err := s.good.Do(rq)
	if err != nil {
		s.t.Errorf("%s %s: %v", method, target, err)
		return
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		s.t.Errorf("%s %s: %d %.200s %v", method, target, res.StatusCode, answer, err)
		return
	}
	s.served.Add(1)
}

// nonsense is what is sent as it stands; "KEY" in it is a valid key.
var nonsense = []string{
	"GET /v1/secrets/a/K HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET /v1/secrets/a/K HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ask_live_wrong\r\n\r\n",
	"GET /v1/secrets/a%252F/..%2f/%00 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer KEY\r\n\r\n",
	"PUT /v1/secrets/a/K HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer KEY\r\nContent-Length: 9000000\r\n\r\n",
	"PUT /v1/secrets/a/K HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer KEY\r\nContent-Length: 14\r\n\r\n{\"value\":\"v\"}}",
	"PUT /v1/secrets/a/K HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer KEY\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	"POST /v1/tokens HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer KEY\r\nContent-Length: 2000\r\n\r\n" + strings.Repeat("[", 2000),
	"POST /v1/secrets/import HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer KEY\r\nContent-Length: 33\r\n\r\n{\"namespace\":\"a\",\"content\":\"A=\\\"\"}",
	"GET / HTTP/1.1\r\nHost: h\r\nX-Long: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
	"BREW /pot HTCPCP/1.0\r\n\r\n", "\x00\x01\x02\x03", "\r\n", "",
}

// doBad sends nonsense on the socket, over TLS, or to the TLS port in the clear,
// and hangs up half way, or waits for the answer.
func (s *soak) doBad() {
	raw := strings.ReplaceAll(nonsense[rand.IntN(len(nonsense))], "KEY", s.agent)
	way := rand.IntN(ways)
	c, err := s.connect(way)
	if err != nil {
		s.t.Errorf("connecting: %v", err)
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Write([]byte(raw)); err != nil && rand.IntN(2) == 0 {
		return
	}
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
	}
	answer, _ := io.ReadAll(io.LimitReader(c, 1<<20))
	switch status := statusOf(answer); {
	case status == 0:
		s.ended.Add(1)
	case status < 400 || status >= 500 && status != http.StatusHTTPVersionNotSupported:
		s.t.Errorf("%.80q was answered with %.200q", raw, answer)
	default:
		s.refused[way].Add(1)
	}
}

func (s *soak) connect(way int) (net.Conn, error) {
	switch way {
	case bySocket:
		return net.Dial("unix", s.process.socket)
	case inTheClear:
		return net.Dial("tcp", s.address)
	}
	return tls.Dial("tcp", s.address, s.tls)
}

// statusOf is the status of the first answer in b, or 0.
func statusOf(b []byte) int {
	head, _, _ := bytes.Cut(b, []byte("\r\n"))
	words := strings.Fields(string(head))
	if len(words) < 2 || !strings.HasPrefix(words[0], "HTTP/") {
		return 0
	}
	status, _ := strconv.Atoi(words[1])
	return status
}

// doIdle holds some connections that say nothing.
func (s *soak) doIdle() {
	var held []net.Conn
	for n := range 60 {
		if c, err := s.connect(n % ways); err == nil {
			held = append(held, c)
		}
	}
	time.Sleep(200 * time.Millisecond)
	for _, c := range held {
		c.Close()
	}
}

// memory is the most that the daemon had resident in the second and in the last
// third of the run, in bytes.
type memory struct{ early, late int }

func (s *soak) sample(ctx context.Context) (m memory) {
	began := time.Now()
	for ctx.Err() == nil {
		time.Sleep(50 * time.Millisecond)
		switch part := time.Since(began) * 3 / *soakTime; part {
		case 0:
		case 1:
			m.early = max(m.early, s.resident())
		default:
			m.late = max(m.late, s.resident())
		}
	}
	return m
}

// resident is the daemon's anonymous memory in bytes: the data file, which is
// mapped, grows with what is stored.
func (s *soak) resident() int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.cmd.Process.Pid))
	if err != nil {
		s.t.Error(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kib << 10
		}
	}
	s.t.Error("no RssAnon in /proc")
	return 0
}

func (s *soak) descriptors() int {
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.process.cmd.Process.Pid))
	if err != nil {
		s.t.Error(err)
	}
	return len(fds)
}

// settles waits for the daemon to have no more descriptors than when it was idle.
func (s *soak) settles(idle int) {
	s.t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for s.descriptors() > idle {
		if time.Now().After(deadline) {
			s.t.Errorf("%d descriptors are open, %d were before the traffic", s.descriptors(), idle)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}
