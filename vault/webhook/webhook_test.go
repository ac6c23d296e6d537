package webhook_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/agent-secret-store/assd/vault/webhook"
)

// token is in the path and the query of each URL here, and must never show.
const token = "T0KEN-IN-THE-PATH"

const body = `{"type":"secret.write","timestamp":"2026-03-01T12:00:00Z","data":{}}`

func secretText(n int) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, n))
}

func secrets(t *testing.T, text string) []webhook.Secret {
	t.Helper()
	s, err := webhook.ParseSecrets([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// config is one for a receiver at that origin.
func config(t *testing.T, origin string) webhook.Config {
	t.Helper()
	u, err := webhook.ParseURL(origin + "/services/" + token + "?key=" + token)
	if err != nil {
		t.Fatal(err)
	}
	return webhook.Config{URL: u, Secrets: secrets(t, secretText(32))}
}

// send sends one message with cfg, and checks that no error holds the token.
func send(t *testing.T, cfg webhook.Config) error {
	t.Helper()
	s := webhook.New(cfg)
	defer s.Close()
	err := s.Send(context.Background(), webhook.Message{ID: "msg_1", At: time.Now(), Body: []byte(body)})
	if err != nil && (strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "\n")) {
		t.Errorf("the error tells: %v", err)
	}
	return err
}

func pool(srv *httptest.Server) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(srv.Certificate())
	return p
}

// TestSend: what arrives is one signed message, as the standard's own library takes
// it, with either secret while there are two.
func TestSend(t *testing.T) {
	old, next := secretText(24), secretText(64)
	var got *http.Request
	var text []byte
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		text, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
	})
	for name, srv := range map[string]*httptest.Server{"http": httptest.NewServer(handler), "https": httptest.NewTLSServer(handler)} {
		t.Run(name, func(t *testing.T) {
			defer srv.Close()
			cfg := config(t, srv.URL)
			cfg.Secrets = secrets(t, old+"\n"+next+"\n")
			if name == "https" {
				cfg.Roots = pool(srv)
			}
			if err := send(t, cfg); err != nil {
				t.Fatal(err)
			}
			for _, s := range []string{old, next} {
				wh, err := standard.NewWebhook(s)
				if err != nil {
					t.Fatal(err)
				}
				if err := wh.Verify(text, got.Header); err != nil {
					t.Error(err)
				}
				if wh.Verify(append(text, ' '), got.Header) == nil {
					t.Error("another body verifies too")
				}
			}
			if wh, _ := standard.NewWebhook(secretText(25)); wh.Verify(text, got.Header) == nil {
				t.Error("another secret verifies too")
			}
			if string(text) != body || got.Method != "POST" || got.URL.Path != "/services/"+token || got.URL.RawQuery != "key="+token ||
				got.Header.Get("Content-Type") != "application/json" || got.Header.Get("webhook-id") != "msg_1" {
				t.Errorf("%s %s %v %s", got.Method, got.URL, got.Header, text)
			}
		})
	}
}

// TestAnswers: just 2xx is delivered; everything else says in words of ours why not.
func TestAnswers(t *testing.T) {
	elsewhere := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere = true }))
	defer other.Close()
	for _, tc := range []struct {
		status int
		want   string
	}{
		{200, ""}, {202, ""}, {204, ""}, {299, ""},
		{301, "it answered 301 Moved Permanently, and redirects are not followed: put the URL that it leads to into assd.toml"},
		{302, "redirects are not followed"}, {307, "redirects are not followed"}, {308, "redirects are not followed"}, {304, "304"},
		{400, "it answered 400 Bad Request"}, {404, "404 Not Found"}, {410, "410 Gone"}, {429, "429 Too Many Requests"},
		{500, "it answered 500 Internal Server Error"}, {503, "503 Service Unavailable"}, {599, "it answered 599"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", other.URL+"/"+token)
			w.WriteHeader(tc.status)
		}))
		err := send(t, config(t, srv.URL))
		srv.Close()
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%d: %v", tc.status, err)
		}
		if _, refused := errors.AsType[webhook.Refusal](err); refused != (tc.want != "") {
			t.Errorf("%d is a refusal: %v", tc.status, refused)
		}
	}
	if elsewhere {
		t.Error("a redirect was followed")
	}
}

// TestLargeAnswer: no more is read of an answer than is bounded.
func TestLargeAnswer(t *testing.T) {
	sent := make(chan int64, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(w, io.LimitReader(endless{}, 1<<30))
		sent <- n
	}))
	defer srv.Close()
	if err := send(t, config(t, srv.URL)); err != nil {
		t.Error(err)
	}
	if n := <-sent; n > 32<<20 { // what fits into the buffers of the system
		t.Errorf("%d bytes were taken", n)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// TestNoAnswer: what has nobody there, or somebody else.
func TestNoAnswer(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	secure.Config.ErrorLog = nil
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	rude := raw(t, "SSH-2.0-"+token+"\r\n")
	hangup := raw(t, "")
	for origin, want := range map[string]string{
		closed.URL: "it refuses connections",
		secure.URL: "its certificate does not verify: x509: certificate signed by unknown authority",
		strings.Replace(plain.URL, "http", "https", 1): "what answers there does not speak TLS",
		"http://" + rude:                "the connection ended, or its answer was no HTTP",
		"http://" + hangup:              "the connection ended, or its answer was no HTTP",
		"https://" + hangup:             "the connection ended, or its answer was no HTTP",
		"https://nobody.invalid":        "its name ",
		"https://other.example.invalid": "its name ",
	} {
		err := send(t, config(t, origin))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v; want %q", origin, err, want)
		}
	}
}

// raw is the address of a server that answers a text to whatever comes, and hangs up.
func raw(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 4096)) //nolint:errcheck // whatever it is
			io.WriteString(c, text)    //nolint:errcheck // the test sees it
			c.Close()
		}
	}()
	return l.Addr().String()
}

// TestNoProxy: one that the environment names sees nothing.
func TestNoProxy(t *testing.T) {
	seen := false
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen = true }))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	if err := send(t, config(t, "https://nobody.invalid")); err == nil || seen {
		t.Errorf("%v, seen: %v", err, seen)
	}
}

// TestPlainStaysHere: plain HTTP goes to this machine, whatever the system makes of a
// name.
func TestPlainStaysHere(t *testing.T) {
	if err := webhook.DialAs("http://localhost", "192.0.2.1:80"); err == nil || !strings.Contains(err.Error(), "use https") {
		t.Errorf("%v", err)
	}
	if err := webhook.DialAs("http://localhost", "127.0.0.1:1"); err == nil || strings.Contains(err.Error(), "use https") {
		t.Errorf("%v", err)
	}
}

// TestStall: whatever it is that takes its time, an attempt ends within [Timeout]; and
// at once when it is not wanted any more.
func TestStall(t *testing.T) {
	half := "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nslow"
	for name, tc := range map[string]struct {
		origin, answer string
		ok             bool
	}{
		"connection":  {"", "", false},
		"TLS":         {"https://h.test", "", false},
		"answer":      {"http://127.0.0.1", "", false},
		"half a head": {"http://127.0.0.1", "HTTP/1.1 200 OK\r\nX: ", false},
		"half a body": {"http://127.0.0.1", half, true}, // it has said that it took it
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config(t, "http://127.0.0.1")
				if tc.origin != "" {
					cfg = config(t, tc.origin)
				}
				cfg.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
					if tc.origin == "" {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					here, there := net.Pipe()
					go func() {
						there.Read(make([]byte, 1)) // an answer before that is one to nothing
						go io.WriteString(there, tc.answer)
						io.Copy(io.Discard, there) //nolint:errcheck // until it hangs up
						there.Close()
					}()
					return here, nil
				}
				began := time.Now()
				err := send(t, cfg)
				if tc.ok != (err == nil) || err != nil && err.Error() != "it did not answer within 15 seconds" {
					t.Errorf("%v", err)
				}
				if took := time.Since(began); took != webhook.Timeout {
					t.Errorf("it took %v", took)
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				began = time.Now()
				s := webhook.New(cfg)
				defer s.Close()
				err = s.Send(ctx, webhook.Message{ID: "msg_1", At: began})
				if took := time.Since(began); took != time.Second || err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("not wanted any more it took %v: %v", took, err)
				}
			})
		})
	}
}

// TestConnectionIsKept: messages that follow each other need no new connection.
func TestConnectionIsKept(t *testing.T) {
	var conns atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "thanks") }))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	sendSome(t, srv.URL, 4)
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestConnectionThatEnds: one that the receiver closes while the next message is on its
// way is no failure.
func TestConnectionThatEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(c)
			for i := range 2 { // it answers the first
				req, err := http.ReadRequest(r)
				if err != nil || i > 0 {
					break
				}
				io.Copy(io.Discard, req.Body)                        //nolint:errcheck // the test sees it
				io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n") //nolint:errcheck // the same
			}
			c.Close()
		}
	}()
	sendSome(t, "http://"+l.Addr().String(), 4)
}

// sendSome sends n messages, one after the other.
func sendSome(t *testing.T, origin string, n int) {
	t.Helper()
	s := webhook.New(config(t, origin))
	defer s.Close()
	for range n {
		if err := s.Send(context.Background(), webhook.Message{ID: "msg_1", At: time.Now(), Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNothingPrints: a URL prints as its origin and a secret not at all, however.
func TestNothingPrints(t *testing.T) {
	cfg := config(t, "https://hooks.example.com:8443")
	key := strings.TrimPrefix(secretText(32), "whsec_")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, x := range []any{cfg, &cfg, cfg.URL, cfg.Secrets, struct{ c webhook.Config }{cfg}, webhook.New(cfg)} {
			if s := fmt.Sprintf(verb, x); strings.Contains(s, token) || strings.Contains(s, key) || strings.Contains(s, strings.Repeat("7 ", 8)) || strings.Contains(s, strings.Repeat("07", 8)) {
				t.Errorf("%s of a %T: %s", verb, x, s)
			}
		}
	}
	if got := cfg.URL.String(); got != "https://hooks.example.com:8443" {
		t.Errorf("%s", got)
	}
}
