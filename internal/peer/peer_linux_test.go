package peer_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/agent-secret-store/assd/internal/peer"
)

const dialEnv = "PEER_TEST_DIAL"

// TestMain lets the test binary be the process at the other end.
func TestMain(m *testing.M) {
	if addr := os.Getenv(dialEnv); addr != "" {
		os.Exit(dial(addr))
	}
	if name := os.Getenv(nameEnv); name != "" {
		os.Exit(named(name))
	}
	os.Exit(m.Run())
}

func dial(addr string) int {
	conn, err := net.Dial("unix", addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	conn.Read(make([]byte, 1)) // until the other end closes
	return 0
}

// TestOfAnotherProcess is asked from another process, and as root from
// another user's.
func TestOfAnotherProcess(t *testing.T) {
	addr := &net.UnixAddr{Name: "@" + filepath.Base(shortDir(t)), Net: "unix"}
	listener, err := net.ListenUnix("unix", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	uid := os.Geteuid()
	cmd := exec.Command(executable(t))
	cmd.Env = append(os.Environ(), dialEnv+"="+addr.Name)
	cmd.Stderr = os.Stderr
	if uid == 0 {
		uid = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() {
		exited <- cmd.Wait()
		listener.Close() // in case it never connected
	}()

	conn, err := listener.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	want := peer.Cred{UID: uid, PID: cmd.Process.Pid}
	if got, err := peer.Of(conn); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	conn.Close()
	if err := <-exited; err != nil {
		t.Error(err)
	}
}

// executable returns this test's binary where every user may run it.
func executable(t *testing.T) string {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir := shortDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "test")
	if err := os.WriteFile(path, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
