//go:build linux || darwin

package peer_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/internal/peer"
)

// TestOf asks both ends of a connection to a listener.
func TestOf(t *testing.T) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(shortDir(t), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.DialUnix("unix", nil, listener.Addr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := listener.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()

	want := peer.Cred{UID: os.Geteuid(), PID: os.Getpid()}
	for name, conn := range map[string]*net.UnixConn{"client": client, "server": server} {
		if got, err := peer.Of(conn); err != nil || got != want {
			t.Errorf("from the %s: %+v, %v; want %+v", name, got, err, want)
		}
	}
	client.Close()
	if got, err := peer.Of(client); err == nil || got != (peer.Cred{}) {
		t.Errorf("of a closed connection: %+v, %v", got, err)
	}
}

// TestOfNobody asks a socket that nobody is connected to.
func TestOfNobody(t *testing.T) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(shortDir(t), "s"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, err := peer.Of(conn); err == nil || got != (peer.Cred{}) || !strings.HasPrefix(err.Error(), "asking for the socket's peer: ") {
		t.Errorf("got %+v, %v", got, err)
	}
}

// shortDir is a directory whose name leaves room in a socket address, which
// holds about a hundred bytes.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "peer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
