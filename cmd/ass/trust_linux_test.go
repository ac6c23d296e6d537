package main_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// Whoever sets the environment of ass could put issuers of their own in the place
// of this system's, and have a kept key sent to a daemon of theirs under the URL
// that was kept.
func TestKeptKeyAndTheIssuersOfTheEnvironment(t *testing.T) {
	var conns, requests atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Write([]byte("{}"))
	}))
	srv.Listener = countConns{srv.Listener, &conns}
	srv.StartTLS()
	defer srv.Close()
	dir, home := t.TempDir(), t.TempDir()
	file := filepath.Join(dir, "theirs.pem")
	put(t, file, pemOf("CERTIFICATE", srv.Certificate().Raw))
	put(t, filepath.Join(home, ".assrc"), "ASS_AGENT_KEY=ask_live_kept\nASS_API_URL="+srv.URL+"\n")
	for _, setting := range []string{"SSL_CERT_FILE=" + file, "SSL_CERT_DIR=" + dir} {
		name, _, _ := strings.Cut(setting, "=")
		for _, args := range [][]string{{"whoami"}, {"status"}, {"secrets", "get", "a/B"}, {"whoami", "--client-cert", file}} {
			cmd := exec.Command(filepath.Join(bin, "ass"), args...)
			cmd.Env = []string{"HOME=" + home, setting}
			out, _ := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != 4 || conns.Load() != 0 || !strings.Contains(string(out), "unset "+name) {
				t.Errorf("%s, %v: exit code %d, %d connections, %s", name, args, code, conns.Load(), out)
			}
			conns.Store(0)
		}
		cmd := exec.Command(filepath.Join(bin, "ass"), "whoami")
		cmd.Env = []string{"HOME=" + home, setting, "ASS_AGENT_KEY=ask_live_given"}
		if out, err := cmd.CombinedOutput(); err != nil || requests.Swap(0) != 1 {
			t.Errorf("%s: a key that is given is not sent: %v, %s", name, err, out)
		}
		conns.Store(0)
	}
}

// countConns counts what connects.
type countConns struct {
	net.Listener
	n *atomic.Int64
}

func (l countConns) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.n.Add(1)
	}
	return c, err
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
