package client_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

const key = "ask_agent_0123456789"

func TestKeyNeverGoesToASecretsRoute(t *testing.T) {
	d := startDaemon(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/tokens":
			reply(w, 200, api.TokenResponse{Token: "tok"})
		case r.Method == http.MethodDelete:
			w.WriteHeader(204)
		default:
			reply(w, 200, map[string]any{"value": "v"})
		}
	})
	c := newClient(t, client.Config{URL: d.url, Key: key})
	s, err := c.WithScope(t.Context(), "secrets:*:production/KEY")
	if err != nil {
		t.Fatal(err)
	}
	path := mustPath(t, "production/openai/KEY")
	value := "v"
	_, e1 := s.Secret(t.Context(), path)
	_, e2 := s.PutSecret(t.Context(), path, api.SecretWrite{Value: &value})
	e3 := s.DeleteSecret(t.Context(), path)
	_, e7 := s.SecretVersion(t.Context(), path, 3)
	_, e8 := s.Versions(t.Context(), path)
	_, e9 := s.Rollback(t.Context(), path, 3)
	_, e4 := s.Secrets(t.Context(), path.Namespace())
	_, e5 := s.Secrets(t.Context(), policy.Namespace{})
	_, e6 := s.Namespaces(t.Context())
	if err := errors.Join(e1, e2, e3, e4, e5, e6, e7, e8, e9); err != nil {
		t.Fatal(err)
	}
	want := []seen{
		{"POST", "/v1/tokens", "Bearer " + key, `{"scopes":["secrets:*:production/KEY"]}`},
		{"GET", "/v1/secrets/production/openai/KEY", "Bearer tok", ""},
		{"PUT", "/v1/secrets/production/openai/KEY", "Bearer tok", `{"value":"v"}`},
		{"DELETE", "/v1/secrets/production/openai/KEY", "Bearer tok", ""},
		{"GET", "/v1/secrets/production/openai/KEY?version=3", "Bearer tok", ""},
		{"GET", "/v1/secrets/production/openai/KEY/versions", "Bearer tok", ""},
		{"POST", "/v1/secrets/production/openai/KEY/rollback", "Bearer tok", `{"version":3}`},
		{"GET", "/v1/secrets?namespace=production%2Fopenai", "Bearer tok", ""},
		{"GET", "/v1/secrets", "Bearer tok", ""},
		{"GET", "/v1/namespaces", "Bearer tok", ""},
	}
	if diff := cmp.Diff(want, d.requests(), cmp.AllowUnexported(seen{})); diff != "" {
		t.Error(diff)
	}
	if n := d.connections(); n != 1 {
		t.Errorf("%d connections for one session, want 1", n)
	}
}

func TestRoutes(t *testing.T) {
	d := startDaemon(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			w.WriteHeader(204)
			return
		}
		reply(w, 200, map[string]any{"token": "tok"})
	})
	c := newClient(t, client.Config{URL: d.url, Key: key})
	ctx := t.Context()
	_, e1 := c.Health(ctx)
	_, e2 := c.Claim(ctx, api.ClaimRequest{})
	_, e3 := c.Me(ctx)
	_, e4 := c.Tokens(ctx)
	e5 := c.RevokeToken(ctx, "tok_1")
	_, e6 := c.Agents(ctx)
	_, e7 := c.CreateAgent(ctx, api.AgentCreate{Name: "a"})
	e8 := c.RevokeAgent(ctx, "a/../b?c")
	at := time.Date(2026, 3, 1, 1, 0, 0, 5, time.FixedZone("", 3600))
	_, e9 := c.Audit(ctx, client.AuditQuery{Namespace: "p/q", Agent: "a", Action: "secret.read", Since: at, Until: at, Limit: 7, Cursor: "c"})
	_, e10 := c.Certificate(ctx)
	_, e11 := c.Approvals(ctx, "")
	_, e12 := c.Approvals(ctx, api.ApprovalPending)
	_, e13 := c.Approval(ctx, "a/../b")
	_, e14 := c.Approve(ctx, "apr_1", api.ApprovalDecision{Reason: "r", Digest: "d"})
	_, e15 := c.Deny(ctx, "a/../b", api.ApprovalDecision{})
	if err := errors.Join(e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e11, e12, e13, e14, e15); err != nil {
		t.Fatal(err)
	}
	mine := "Bearer " + key
	want := []seen{
		{"GET", "/v1/health", "", ""},
		{"POST", "/v1/vault/claim", "", `{}`},
		{"GET", "/v1/me", mine, ""},
		{"GET", "/v1/tokens", mine, ""},
		{"DELETE", "/v1/tokens/tok_1", mine, ""},
		{"GET", "/v1/agents", mine, ""},
		{"POST", "/v1/agents", mine, `{"name":"a"}`},
		{"DELETE", "/v1/agents/a%2F..%2Fb%3Fc", mine, ""},
		{"GET", "/v1/audit?action=secret.read&agent=a&cursor=c&limit=7&namespace=p%2Fq" +
			"&since=2026-03-01T00%3A00%3A00.000000005Z&until=2026-03-01T00%3A00%3A00.000000005Z", mine, ""},
		{"GET", "/v1/vault/certificate", "", ""},
		{"GET", "/v1/approvals", mine, ""},
		{"GET", "/v1/approvals?status=pending", mine, ""},
		{"GET", "/v1/approvals/agent/a%2F..%2Fb", mine, ""},
		{"POST", "/v1/approvals/apr_1/approve", mine, `{"reason":"r","digest":"d"}`},
		{"POST", "/v1/approvals/a%2F..%2Fb/deny", mine, `{}`},
	}
	if diff := cmp.Diff(want, d.requests(), cmp.AllowUnexported(seen{})); diff != "" {
		t.Error(diff)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	reached := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		redirect := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) }
		local := startDaemon(t, redirect)
		remote := httptest.NewServer(http.HandlerFunc(redirect))
		defer remote.Close()
		for _, url := range []string{local.url, remote.URL} {
			c := newClient(t, client.Config{URL: url, Key: key, Timeout: time.Second})
			if _, err := c.Me(t.Context()); err == nil || !strings.Contains(err.Error(), "redirect") {
				t.Errorf("%d from %s: got error %v, want one about the redirect", status, url, err)
			}
		}
		if n := len(local.requests()); n != 1 {
			t.Errorf("%d: the daemon saw %d requests, want 1", status, n)
		}
	}
	if reached != 0 {
		t.Errorf("the redirect's target was reached %d times", reached)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	for _, status := range []int{200, 500} {
		sent, ended := 0, make(chan struct{})
		d := startDaemon(t, func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			w.WriteHeader(status)
			io.WriteString(w, `{"name":"`)
			chunk := []byte(strings.Repeat("x", 1<<16))
			for sent = 0; sent < 1<<30; sent += len(chunk) {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		})
		c := newClient(t, client.Config{URL: d.url, Key: key})
		if _, err := c.Me(t.Context()); err == nil {
			t.Errorf("status %d: an endless answer was taken", status)
		}
		c.Close()
		if <-ended; sent >= 1<<30 {
			t.Errorf("status %d: all of an endless answer was read", status)
		}
	}
}

func TestAnswersThatAreNoJSON(t *testing.T) {
	for _, body := range []string{"", "hunter2", `{"items":[]} hunter2`, `{"items":`, `{"items":{"hunter2":1}}`, `{"items":[{"created_at":"hunter2"}]}`} {
		d := startDaemon(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
		c := newClient(t, client.Config{URL: d.url, Key: key})
		_, err := c.Agents(t.Context())
		if err == nil {
			t.Errorf("%q was taken for an answer", body)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q is repeated in the error: %v", body, err)
		}
	}
}

func TestRefusalsOfTheDaemon(t *testing.T) {
	d := startDaemon(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "12")
		reply(w, 403, api.ErrorBody{
			Error:      api.Error{Code: api.CodeApprovalRequired, Message: "waits", Hint: "ask", Details: map[string]any{"tier": "critical"}},
			ApprovalID: "apr_1",
		})
	})
	_, err := newClient(t, client.Config{URL: d.url, Key: key}).Me(t.Context())
	want := &api.Error{
		Code: api.CodeApprovalRequired, Message: "waits", Hint: "ask", Details: map[string]any{"tier": "critical"},
		ApprovalID: "apr_1", RetryAfter: 12,
	}
	got, ok := errors.AsType[*api.Error](err)
	if !ok {
		t.Fatalf("got error %v, want an *api.Error", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRefusalThatIsNotTheDaemons(t *testing.T) {
	d := startDaemon(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(502)
		io.WriteString(w, "<html>bad gateway</html>")
	})
	_, err := newClient(t, client.Config{URL: d.url, Key: key}).Me(t.Context())
	if err == nil || !strings.Contains(err.Error(), "502") || strings.Contains(err.Error(), "html") {
		t.Errorf("got error %v, want the status and nothing of the page", err)
	}
}

// A server on TLS answers plain HTTP with status 400.
func TestStrangeAnswerNamesTLS(t *testing.T) {
	own := issue(t, nil, nil)
	tlsOnly := httptest.NewUnstartedServer(http.NotFoundHandler())
	tlsOnly.TLS = &tls.Config{Certificates: []tls.Certificate{own.chain()}}
	tlsOnly.StartTLS()
	t.Cleanup(tlsOnly.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	place := tlsOnly.Listener.Addr().String()
	for url, want := range map[string]string{
		"http://" + place: "use --api-url https://" + place,
		plain.URL:         "look whether it is assd that answers at " + plain.URL,
	} {
		_, err := newClient(t, client.Config{URL: url, Key: key}).Me(t.Context())
		e, ok := errors.AsType[*client.StrangeAnswerError](err)
		if !ok || !strings.Contains(e.Hint(), want) {
			t.Errorf("got error %v, want a StrangeAnswerError with the hint %q", err, want)
		}
	}
}

func TestTokenThatWaitsForApproval(t *testing.T) {
	d := startDaemon(t, func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 202, api.TokenWaits{RequiresApproval: true, ApprovalID: "apr_7"})
	})
	_, err := newClient(t, client.Config{URL: d.url, Key: key}).WithScope(t.Context(), "secrets:read:a/B")
	e, ok := errors.AsType[*api.Error](err)
	if !ok || e.ApprovalID != "apr_7" || e.ExitCode() != api.ExitApproval {
		t.Errorf("got error %#v, want APPROVAL_REQUIRED with apr_7", err)
	}
}

func TestUnreachable(t *testing.T) {
	dir := socketDir(t)
	stale := filepath.Join(dir, "stale")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	for _, path := range []string{filepath.Join(dir, "none"), stale} {
		_, err := newClient(t, client.Config{URL: client.SocketURL(path)}).Health(t.Context())
		e, ok := errors.AsType[*client.UnreachableError](err)
		if !ok || e.ExitCode() != api.ExitUnreachable || e.Hint() != "start it with: assd" || e.Unsure {
			t.Errorf("%s: got error %#v, want an UnreachableError that is sure", path, err)
		}
		if err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("%s is not named in %q", path, err)
		}
	}
}

// A daemon that dies after it was asked may have done it: that is said for a
// write and not for a read.
func TestGoneBeforeTheAnswer(t *testing.T) {
	d := startDaemon(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	c := newClient(t, client.Config{URL: d.url, Key: key})
	_, readErr := c.Me(t.Context())
	_, writeErr := c.CreateAgent(t.Context(), api.AgentCreate{Name: "a"})
	for _, tc := range []struct {
		err    error
		unsure bool
	}{{readErr, false}, {writeErr, true}} {
		e, ok := errors.AsType[*client.UnreachableError](tc.err)
		if !ok || e.Unsure != tc.unsure {
			t.Errorf("got error %v, want an UnreachableError with Unsure %v", tc.err, tc.unsure)
		}
	}
}

func TestGoneInsideTheAnswer(t *testing.T) {
	d := startDaemon(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, `{"name":`)
		panic(http.ErrAbortHandler)
	})
	_, err := newClient(t, client.Config{URL: d.url, Key: key}).Me(t.Context())
	if _, ok := errors.AsType[*client.UnreachableError](err); !ok {
		t.Errorf("got error %v, want an UnreachableError", err)
	}
}

func TestTimeout(t *testing.T) {
	release := make(chan struct{})
	d := startDaemon(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	_, err := newClient(t, client.Config{URL: d.url, Key: key, Timeout: 20 * time.Millisecond}).Me(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("got error %v, want one about the time", err)
	}
}

func TestKeyThatCannotBeOne(t *testing.T) {
	for _, bad := range []string{"ask_live_a b", "ask_live_a\nX-Evil: 1", "ask_live_ä", "\x00"} {
		_, err := client.New(client.Config{URL: "unix:///x", Key: bad})
		if err == nil || strings.Contains(err.Error(), bad) {
			t.Errorf("%q: got error %v, want one that does not repeat it", bad, err)
		}
	}
}

func TestTraceHoldsNoSecret(t *testing.T) {
	d := startDaemon(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "req_1")
		reply(w, 200, api.TokenResponse{Token: "tok"})
	})
	var got []client.Call
	c := newClient(t, client.Config{URL: d.url, Key: key, Trace: func(c client.Call) { c.Took = 0; got = append(got, c) }})
	if _, err := c.WithScope(t.Context(), "namespaces:read"); err != nil {
		t.Fatal(err)
	}
	want := []client.Call{{Method: "POST", Path: "/v1/tokens", Status: 200, RequestID: "req_1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
