package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/internal/peer"
)

// nobody is whom assd runs as when the tests run as root, whose processes all look
// alike.
const nobody = 65534

// TestHelperIsHidden: nobody of its own user looks into the helper, and it has a
// session of its own.
func TestHelperIsHidden(t *testing.T) {
	dir, err := os.MkdirTemp("", "assd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	binary := filepath.Join(dir, "assd")
	copyProgram(t, binary)
	home, config := filepath.Join(dir, "home"), filepath.Join(dir, "assd.toml")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte("[[rotator]]\npath = \"a/K\"\ncommand = [\"/bin/true\"]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	as := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		as.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := os.Chown(home, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	assd := exec.Command(binary, "--data-dir", filepath.Join(home, "data"), "--config", config, "--log-level", "warn")
	assd.Env, assd.Dir, assd.SysProcAttr = []string{"HOME=" + home}, "/", as
	assd.Stderr = os.Stderr
	plain := exec.Command("sleep", "60")
	plain.SysProcAttr, plain.Dir = as, "/"
	for _, cmd := range []*exec.Cmd{assd, plain} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	}
	pid := childOf(t, assd.Process.Pid)
	for what, pid := range map[string]int{"the helper": pid, "assd": assd.Process.Pid, "": plain.Process.Pid} {
		// It takes each a moment to become what it is.
		hidden, want := false, what != ""
		for end := time.Now().Add(time.Minute); time.Now().Before(end); {
			uid, err := peer.OwnerUID(fmt.Sprintf("/proc/%d/environ", pid))
			if hidden = err == nil && uid == 0; hidden == want {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if hidden != want {
			t.Errorf("what there is of %q in /proc is hidden: %v", what, hidden)
		}
	}
	// It ends with the daemon, however that ends.
	assd.Process.Kill()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if syscall.Kill(pid, 0) == syscall.ESRCH || field(t, pid, 0) == "Z" {
			return
		}
		if time.Since(began) > 30*time.Second {
			t.Fatal("the helper outlives the daemon")
		}
	}
}

// copyProgram puts this test's binary, which is assd by that name, where every user
// may run it.
func copyProgram(t *testing.T, to string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
}

// field is one of /proc/PID/stat behind the name: 0 state, 1 parent, 3 session.
func field(t *testing.T, pid, n int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "Z" // it has gone
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return append(strings.Fields(rest), "", "", "", "")[n]
}

// childOf is the one child of a process, once there is one.
func childOf(t *testing.T, parent int) int {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		all, err := os.ReadDir("/proc")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			pid := 0
			if _, err := fmt.Sscan(e.Name(), &pid); err != nil || field(t, pid, 0) == "Z" || field(t, pid, 1) != fmt.Sprint(parent) {
				continue
			}
			if field(t, pid, 3) == fmt.Sprint(pid) { // it has become one
				return pid
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("assd has started no helper")
	return 0
}
