package server_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/vault/server"
)

const askEnv = "SERVER_TEST_ASK"

// TestMain lets the test binary be a client of another user.
func TestMain(m *testing.M) {
	if socket := os.Getenv(askEnv); socket != "" {
		os.Exit(ask(socket))
	}
	code := m.Run()
	reportUnseen()
	os.Exit(code)
}

// ask prints what the daemon answers to a request for its health.
func ask(socket string) int {
	c, err := net.Dial("unix", socket)
	if err != nil {
		fmt.Println("no connection:", err)
		return 1
	}
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(c, "GET /v1/health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	io.Copy(os.Stdout, c)
	return 0
}

// askAs is what a process of that user is answered.
func askAs(t *testing.T, uid int, socket string) string {
	t.Helper()
	cmd := exec.Command(executable(t))
	cmd.Env = append(os.Environ(), askEnv+"="+socket)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("asking as uid %d: %v: %s", uid, err, out)
	}
	return string(out)
}

// executable is this test's binary where every user may run it.
func executable(t *testing.T) string {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir := socketDir(t)
	path := filepath.Join(dir, "test")
	if err := os.WriteFile(path, self, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPeerOfAnotherUser: even where the modes let it through, a process of
// another user is not answered; with a group, it is.
func TestPeerOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		testenv.Skip(t, "only root can become another user")
	}
	const nobody = 65534
	d := start(t)
	reachable(t, d.socket)
	if got := askAs(t, nobody, d.socket); got != "" {
		t.Errorf("another user is answered: %s", got)
	}
	if got := askAs(t, 0, d.socket); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("our own user is answered: %q", got)
	}

	group, _ := anotherGroup(t)
	shared := filepath.Join(socketDir(t), "run", "s")
	l := listen(t, server.SocketConfig{Path: shared, Group: group})
	go d.srv.Serve(l)
	reachable(t, shared)
	if got := askAs(t, nobody, shared); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("another user on a group's socket is answered: %q", got)
	}
}

// reachable opens the way to a socket to everyone, as a slip of an admin would.
func reachable(t *testing.T, socket string) {
	t.Helper()
	dir := filepath.Dir(socket)
	for at, mode := range map[string]os.FileMode{filepath.Dir(dir): 0o755, dir: 0o755, socket: 0o666} {
		if err := os.Chmod(at, mode); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTrailNamesThePeer: the uid is the kernel's word, not the client's.
func TestTrailNamesThePeer(t *testing.T) {
	d := start(t)
	d.put("a/K", "v")
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("local uid %d pid %d exe %s", os.Geteuid(), os.Getpid(), self)
	if got := d.events()[0].Source; got != want {
		t.Errorf("the event comes from %q; want %q", got, want)
	}
}
