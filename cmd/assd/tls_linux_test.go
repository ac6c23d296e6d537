package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// served is an assd that serves TLS and has told systemd that it is ready.
type served struct {
	cmd     *exec.Cmd
	log     safeBuffer
	dir     string
	socket  string
	port    string
	owner   string
	exited  chan struct{}
	trusted *tls.Config
}

// safeBuffer can be read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// startTLS starts a daemon and waits until it says that it is ready, and no
// longer.
func startTLS(t *testing.T) *served {
	run, err := os.MkdirTemp("", "assd")
	if err != nil {
		t.Fatal(err)
	}
	s := &served{dir: filepath.Join(t.TempDir(), "data"), socket: filepath.Join(run, "run", "s"), exited: make(chan struct{})}
	out, err := exec.Command("assd", "init", "--json", "--data-dir", s.dir).Output()
	var claim struct {
		Key string `json:"owner_key"`
	}
	if err := errors.Join(err, json.Unmarshal(out, &claim)); err != nil {
		t.Fatalf("init: %v", err)
	}
	s.owner = claim.Key
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(run, "n"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	s.cmd = exec.Command("assd", "--data-dir", s.dir, "--socket", s.socket, "--listen", "127.0.0.1:0")
	s.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(run, "n"))
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.cmd.Wait()
		close(s.exited)
	}()
	t.Cleanup(func() {
		s.cmd.Process.Kill()
		<-s.exited
		os.RemoveAll(run)
	})
	said := make([]byte, 100)
	notify.SetReadDeadline(time.Now().Add(time.Minute))
	if n, err := notify.Read(said); err != nil || string(said[:n]) != "READY=1" {
		t.Fatalf("systemd was told %q, %v\n%s", said[:n], err, s.log.String())
	}
	return s
}

// ready reads what must be there when the daemon says that it is ready.
func (s *served) ready(t *testing.T) {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(s.dir, "tls", "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s.trusted = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}
	s.trusted.RootCAs.AppendCertsFromPEM(pem)
	m := servingTLS.FindStringSubmatch(s.log.String())
	for began := time.Now(); m == nil && time.Since(began) < 30*time.Second; time.Sleep(time.Millisecond) {
		m = servingTLS.FindStringSubmatch(s.log.String()) // the pipe is slower than the socket
	}
	if m == nil {
		t.Fatalf("it does not say where it serves TLS: %s", s.log.String())
	}
	s.port = m[1]
}

func (s *served) dial(t *testing.T) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", "127.0.0.1:"+s.port, s.trusted)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// TestReady: what says that it is ready answers on both listeners at once.
func TestReady(t *testing.T) {
	s := startTLS(t)
	s.ready(t)
	c := s.dial(t)
	fmt.Fprint(c, "GET /v1/health HTTP/1.1\r\nHost: h\r\n\r\n")
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("over TLS: %v, %v", res, err)
	}
	if status, _, err := call(s.socket, "GET", "/v1/health", "", ""); err != nil || status != http.StatusOK {
		t.Errorf("over the socket: %d, %v", status, err)
	}
}

// TestTermDrainsTLS: a request that is under way over TLS when SIGTERM comes is
// answered, and neither listener takes another.
func TestTermDrainsTLS(t *testing.T) {
	s := startTLS(t)
	s.ready(t)
	const body = `{"value":"drained"}`
	c := s.dial(t)
	underWay(t, c, s.owner, body)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for _, at := range [][2]string{{"tcp", "127.0.0.1:" + s.port}, {"unix", s.socket}} {
		for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			late, err := net.Dial(at[0], at[1])
			if err != nil {
				break
			}
			late.Close()
			if time.Since(began) > 8*time.Second { // a drain takes ten at most
				t.Fatalf("%s takes new connections while draining", at)
			}
		}
	}
	fmt.Fprint(c, body[5:])
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the request under way got %v, %v", res, err)
	}
	select {
	case <-s.exited:
	case <-time.After(time.Minute):
		t.Fatal("the daemon does not end")
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ended with %d: %s", code, s.log.String())
	}
}
