package client_test

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/client"
)

// seen is one request as a daemon saw it.
type seen struct{ method, path, auth, body string }

// fakeDaemon answers on a Unix socket and remembers what it was sent. It
// stands in for assd only where a test is about the transport.
type fakeDaemon struct {
	url    string
	socket string

	mu    sync.Mutex
	seen  []seen
	conns int
}

func startDaemon(t *testing.T, handle http.HandlerFunc) *fakeDaemon {
	t.Helper()
	d := &fakeDaemon{socket: filepath.Join(socketDir(t), "s")}
	d.url = client.SocketURL(d.socket)
	l, err := net.Listen("unix", d.socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			d.record(r)
			handle(w, r)
		}),
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				d.mu.Lock()
				d.conns++
				d.mu.Unlock()
			}
		},
	}
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return d
}

func (d *fakeDaemon) record(r *http.Request) {
	var body []byte
	if r.ContentLength != 0 {
		body = make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, seen{r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), string(body)})
}

func (d *fakeDaemon) requests() []seen {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]seen(nil), d.seen...)
}

func (d *fakeDaemon) connections() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conns
}

// socketDir is a folder with a short path: a socket's path is bounded.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ass")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func newClient(t *testing.T, cfg client.Config) *client.Client {
	t.Helper()
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func mustPath(t *testing.T, s string) policy.Path {
	t.Helper()
	p, err := policy.ParsePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// reply writes v as the answer.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}
