package runas_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-secret-store/assd/internal/runas"
	"github.com/agent-secret-store/assd/internal/testenv"
)

const roleEnv = "RUNAS_TEST_DIR"

// TestMain lets the test binary be the process that gives root up.
func TestMain(m *testing.M) {
	if dir := os.Getenv(roleEnv); dir != "" {
		if err := play(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// play gives root up step by step, and looks at each how that is on the thread that it
// runs on and on one from before.
func play(dir string) error {
	work, done := make(chan func() error), make(chan error)
	go func() {
		runtime.LockOSThread()
		for fn := range work {
			done <- fn()
		}
	}()
	both := func(fn func() error) error {
		work <- fn
		return errors.Join(<-done, fn())
	}
	ours, roots := filepath.Join(dir, "ours"), filepath.Join(dir, "roots")
	reads := func(path string, may bool) func() error {
		return func() error {
			if _, err := os.ReadFile(path); may != (err == nil) {
				return fmt.Errorf("reading %s as %d: %v", filepath.Base(path), os.Geteuid(), err)
			}
			return nil
		}
	}
	u, err := runas.Find("nobody")
	if err != nil {
		return err
	}
	if err := errors.Join(both(reads(roots, true)), u.Begin(), both(reads(ours, true)), both(reads(roots, false))); err != nil {
		return fmt.Errorf("at the beginning: %w", err)
	}
	sentinel := errors.New("what it returns")
	err = u.AsRoot(func() error { return errors.Join(both(reads(roots, true)), sentinel) })
	if err == nil || err.Error() != sentinel.Error() {
		return fmt.Errorf("as root: %v", err)
	}
	if err := errors.Join(both(reads(roots, false)), u.Drop(), both(reads(roots, false)), both(reads(ours, true))); err != nil {
		return fmt.Errorf("at the end: %w", err)
	}
	if u.AsRoot(func() error { return nil }) == nil {
		return errors.New("root was had back")
	}
	if groups, err := os.Getgroups(); err != nil || !slices.Contains(groups, u.GID) || slices.Contains(groups, 0) {
		return fmt.Errorf("the groups are %v, %v", groups, err)
	}
	return both(func() error {
		for name, err := range map[string]error{
			"uid":    syscall.Setuid(0),
			"reuid":  syscall.Setreuid(0, 0),
			"resuid": syscall.Setresuid(-1, -1, 0),
			"gid":    syscall.Setgid(0),
			"groups": syscall.Setgroups([]int{0}),
			"owner":  os.Lchown(ours, 0, 0),
		} {
			if err == nil {
				return fmt.Errorf("%s of root could be had", name)
			}
		}
		return nil
	})
}

// TestDrop: what a process that has given root up can no longer do, on any thread.
func TestDrop(t *testing.T) {
	u, err := runas.Find("nobody")
	if os.Geteuid() != 0 || err != nil {
		testenv.Skip(t, "only root can give up root, for the user nobody")
	}
	dir, err := os.MkdirTemp("", "runas")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for name, uid := range map[string]int{"": 0, "ours": u.UID, "roots": 0} {
		path, err := filepath.Join(dir, name), error(nil)
		if name != "" {
			err = os.WriteFile(path, nil, 0o600)
		}
		if err := errors.Join(err, os.Lchown(path, uid, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Groups: []uint32{0, 1, 2}}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestFind: root is nobody to run as, and a name that is none is told of.
func TestFind(t *testing.T) {
	for name, want := range map[string]string{"root": "name one who is not", "no-such-user": "useradd --system no-such-user", "": "there is no user"} {
		if u, err := runas.Find(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", name, u, err, want)
		}
	}
}

// TestNobody: without a user nothing changes.
func TestNobody(t *testing.T) {
	var u *runas.User
	ran := false
	if err := errors.Join(u.AsRoot(func() error { ran = true; return nil }), u.Drop()); err != nil || !ran {
		t.Error(err, ran)
	}
}
