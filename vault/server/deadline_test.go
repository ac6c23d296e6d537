package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/server"
	"github.com/agent-secret-store/assd/vault/server/certs"
)

// TestLongWalksOutliveTheirRequest: what walks along the trail may take longer than a
// request has; with HTTP/2 nothing else may.
func TestLongWalksOutliveTheirRequest(t *testing.T) {
	for _, h2 := range []bool{true, false} {
		t.Run(fmt.Sprintf("h2=%t", h2), func(t *testing.T) {
			var wrong []string
			for deadline := 200 * time.Millisecond; deadline < 10*time.Second; deadline *= 4 { // a slow machine needs long to ask
				if wrong = walksWithin(t, h2, deadline); len(wrong) == 0 {
					return
				}
			}
			t.Error(strings.Join(wrong, "\n"))
		})
	}
}

// walksWithin has each walk take three times as long as a request has, and returns what
// was answered otherwise than it is to be.
func walksWithin(t *testing.T, h2 bool, deadline time.Duration) (wrong []string) {
	r := hurried(t, deadline, "audit", "audit.verify", "audit.export", "audit.stats", "audit.follow", "audit.checkpoint", "agent.list")
	c := r.client(h2)
	var wg sync.WaitGroup
	var mu sync.Mutex
	walk := func(target, want string, answered bool) {
		wg.Go(func() {
			got, err := r.walk(c, h2, target)
			if (err == nil && strings.Contains(got, want)) != answered {
				mu.Lock()
				defer mu.Unlock()
				wrong = append(wrong, fmt.Sprintf("%s: answered %v with %v: %.300s", target, deadline, err, got))
			}
		})
	}
	for target, want := range map[string]string{
		"POST /v1/audit/verify": `"ok":true`, "GET /v1/audit/export": `"seq":1,`, "GET /v1/audit/export?action=secret.delete": "",
		"GET /v1/audit/stats": `"complete":true`, "GET /v1/audit?limit=1": `"events":[{`, "GET /v1/audit/checkpoint": `"size":`,
		"GET /v1/audit/follow?wait=1s": "id: ",
	} {
		walk(target, want, true)
	}
	if h2 { // else its deadline is that of the connection, which an answer sets anew
		walk("GET /v1/agents", "", false)
	}
	wg.Wait()
	return wrong
}

// hurried serves TLS with so short a deadline for each request, three times which these
// routes take.
func hurried(t *testing.T, deadline time.Duration, slow ...string) *remote {
	d := start(t)
	keeper, err := certs.Open(certs.Config{Dir: filepath.Join(d.cfg.Dir, "tls"), Host: "127.0.0.1", Bound: netip.MustParseAddr("127.0.0.1"), Log: d.logger()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := server.ListenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(server.Config{Vault: d.vault, Log: d.logger(), Certificates: keeper, MayClaim: func(int) bool { return true }})
	s.Hurry(deadline)
	for _, name := range slow {
		s.Delay(name, 3*deadline)
	}
	done := make(chan error, 1)
	go func() { done <- s.ServeTLS(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutting down: %v", err)
		}
		<-done
	})
	return &remote{daemon: d, keeper: keeper, addr: l.Addr().String()}
}

// walk is an owner's request and its body, an error when it is not answered well.
func (r *remote) walk(c *http.Client, h2 bool, target string) (string, error) {
	method, path, _ := strings.Cut(target, " ")
	req, err := http.NewRequest(method, "https://"+r.addr+path, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+r.owner)
	res, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if h2 != (res.ProtoMajor == 2) {
		return "", fmt.Errorf("it came by %s", res.Proto)
	}
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != 200 {
		err = fmt.Errorf("%s: %s", res.Status, b)
	}
	return string(b), err
}

// TestWhoLeavesIsNoError: a client that leaves while it follows the trail, or before an
// export has ended, is nothing to be logged as an error.
func TestWhoLeavesIsNoError(t *testing.T) {
	d := start(t)
	d.lengthen()
	for i, target := range []string{"/v1/audit/follow", "/v1/audit/follow?after=0", "/v1/audit/export", "/v1/audit/export?format=csv"} {
		d.waitLeft(i) // each has one of few places until then
		res, leave := d.open(target, d.owner)
		if _, err := io.ReadFull(res.Body, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		leave()
	}
	d.waitLeft(4)
	c, err := net.Dial("unix", d.socket) // and one that is torn off in the middle of a piece
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET /v1/audit/export HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\n\r\n", d.owner)
	if _, err := io.ReadFull(c, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	d.waitLeft(5)
	if strings.Contains(d.logged(), "[ERROR]") {
		t.Errorf("the log: %s", d.logged())
	}
}

// waitLeft waits until the log tells of so many who left.
func (d *daemon) waitLeft(n int) {
	d.t.Helper()
	for began := time.Now(); strings.Count(d.logged(), "the client went before") < n; time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > patience {
			d.t.Fatalf("the log: %s", d.logged())
		}
	}
}

// TestFarPagesAreBounded: a page that lies far behind takes a place among those who walk
// the trail; what names the cursor to the caller.
func TestFarPagesAreBounded(t *testing.T) {
	d := start(t)
	near := fmt.Sprintf("/v1/audit?limit=1000&page=%d", server.MaxPassed/1000+1)
	far := fmt.Sprintf("/v1/audit?limit=1000&page=%d", server.MaxPassed/1000+2)
	d.want(d.call("GET", far, d.owner, ""), "")
	d.srv.FillTrail()
	d.want(d.call("GET", near, d.owner, ""), "")
	r := d.want(d.call("GET", far, d.owner, ""), string(api.CodeRateLimited))
	if !strings.Contains(string(r.body), "next_cursor") {
		t.Errorf("it does not name the cursor: %s", r.body)
	}
}

// TestCursorOfAnotherVault: even one with the same filter.
func TestCursorOfAnotherVault(t *testing.T) {
	one, other := start(t), start(t)
	page := into[api.AuditPage](one, one.want(one.call("GET", "/v1/audit?limit=1", one.owner, ""), ""))
	if page.NextCursor == "" {
		t.Fatal("there is no second page")
	}
	one.want(one.call("GET", "/v1/audit?limit=1&cursor="+page.NextCursor, one.owner, ""), "")
	r := other.want(other.call("GET", "/v1/audit?limit=1&cursor="+page.NextCursor, other.owner, ""), string(api.CodeValidation))
	if !strings.Contains(string(r.body), "another vault") {
		t.Errorf("it does not say why: %s", r.body)
	}
}

// logged is what the daemon has logged so far.
func (d *daemon) logged() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}
