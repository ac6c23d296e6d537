package harden_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/agent-secret-store/assd/internal/harden"
)

const roleEnv = "HARDEN_TEST_ROLE"

// nobody is whom the processes run as when the tests run as root, which may
// look into everything.
const nobody = 65534

// TestMain lets the test binary be the processes that the tests look at.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		os.Exit(play(role))
	}
	os.Exit(m.Run())
}

// play is one of those processes; "look" is the one that looks at another.
func play(role string) int {
	if os.Geteuid() == 0 {
		fmt.Println("running as root, who may do everything")
		return 1
	}
	if pid, ok := strings.CutPrefix(role, "look "); ok {
		fmt.Println(look("/proc/"+pid+"/environ"), look("/proc/"+pid+"/mem"))
		return 0
	}
	if role != "plain" {
		if err := harden.Process(role == "keep"); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Printf("dumpable %d, core files %d of %d\n", dumpable, limit.Cur, limit.Max)
	io.Copy(io.Discard, os.Stdin) // stay until the test is done
	return 0
}

// look says whether path can be opened.
func look(path string) string {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrPermission) {
		return "denied"
	}
	if err != nil {
		return err.Error()
	}
	f.Close()
	return "open"
}

// coreLimit is what the processes start with, in bytes.
const coreLimit = 4096

// start runs the test binary in a role, as an unprivileged user and with
// limits on core files above 0, and returns its process id and its first line.
func start(t *testing.T, binary, role string) (int, string) {
	t.Helper()
	// The shell sets the limit in the process that then becomes the binary.
	cmd := exec.Command("sh", "-c", fmt.Sprintf(`ulimit -c %d && exec "$0"`, coreLimit/512), binary)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Dir = "/"
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %q: %v", role, err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("process %q said %q: %v", role, line, err)
	}
	return cmd.Process.Pid, strings.TrimSpace(line)
}

// executable returns this test's binary where every user may run it.
func executable(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "harden")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "test")
	if err := os.WriteFile(path, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestProcess checks what Process sets, and that another process of the same
// user sees less for it.
func TestProcess(t *testing.T) {
	binary := executable(t)
	for _, tc := range []struct{ role, state, environ string }{
		{"plain", "dumpable 1, core files 4096 of 4096", "open"},
		{"hard", "dumpable 0, core files 0 of 0", "denied"},
		{"keep", "dumpable 0, core files 0 of 4096", "denied"},
	} {
		pid, state := start(t, binary, tc.role)
		if state != tc.state {
			t.Errorf("process %q: %s; want %s", tc.role, state, tc.state)
		}
		_, seen := start(t, binary, fmt.Sprintf("look %d", pid))
		environ, mem, _ := strings.Cut(seen, " ")
		// Some systems keep even a plain process's memory from its siblings.
		if environ != tc.environ || tc.role != "plain" && mem != "denied" {
			t.Errorf("process %q: environment and memory are %s to others", tc.role, seen)
		}
	}
}
