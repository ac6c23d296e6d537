//go:build unix

package client_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// listenRaw accepts connections on a socket and sends what each of them wrote,
// and a first empty string when one has come.
func listenRaw(t *testing.T, path string) <-chan string {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	got := make(chan string, 8)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(time.Minute))
			b, _ := io.ReadAll(c)
			got <- string(b)
			c.Close()
		}
	}()
	return got
}

func refused(t *testing.T, cfg client.Config, about string) {
	t.Helper()
	cfg.Key = key
	_, err := newClient(t, cfg).Me(t.Context())
	e, ok := errors.AsType[*client.RefusedError](err)
	if !ok || e.ExitCode() != api.ExitDenied || !strings.Contains(e.Error(), about) {
		t.Errorf("got error %v, want a RefusedError about %q", err, about)
	}
}

func TestDaemonOfAnotherUser(t *testing.T) {
	socket := filepath.Join(socketDir(t), "s")
	got := listenRaw(t, socket)
	other := os.Geteuid() + 1
	if os.Geteuid() != 0 {
		// The folder is ours, and so refused before connecting.
		refused(t, client.Config{URL: client.SocketURL(socket), DaemonUID: &other}, "belongs to")
		return
	}
	// Root's folders are fine for every daemon, so it comes to connecting.
	refused(t, client.Config{URL: client.SocketURL(socket), DaemonUID: &other}, "user id")
	if sent := <-got; sent != "" {
		t.Errorf("%d bytes were sent to another user's process", len(sent))
	}
}

func TestSocketInAnotherUsersFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		testenv.Skip(t, "only root can make a folder of another user")
	}
	dir := filepath.Join(socketDir(t), "theirs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	got := listenRaw(t, socket)
	if err := os.Chown(dir, 54321, 54321); err != nil {
		t.Fatal(err)
	}
	refused(t, client.Config{URL: client.SocketURL(socket)}, dir)
	select {
	case <-got:
		t.Error("the socket was connected to")
	case <-time.After(50 * time.Millisecond):
	}
}

func TestWhatIsNoSocket(t *testing.T) {
	dir := socketDir(t)
	file, link, real := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "real")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got := listenRaw(t, real)
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link, dir} {
		refused(t, client.Config{URL: client.SocketURL(path)}, "not a socket")
	}
	select {
	case <-got:
		t.Error("the socket was connected to through a link")
	case <-time.After(50 * time.Millisecond):
	}
}
