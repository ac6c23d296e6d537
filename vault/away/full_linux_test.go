package away_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/vault/away"
)

const (
	smallEnv    = "AWAY_SMALL_DISK"
	exitNoMount = 77
)

// TestFullDisk fills a real file system, a tmpfs in a mount namespace of the test's own:
// half a note does not stay, and with room it goes on.
func TestFullDisk(t *testing.T) {
	if dir := os.Getenv(smallEnv); dir != "" {
		onFullDisk(t, dir)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), smallEnv+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || cmd.ProcessState.ExitCode() == exitNoMount:
		testenv.Skip(t, "no mount namespaces here")
	case err != nil:
		t.Errorf("child: %v\n%s", err, out)
	}
}

func onFullDisk(t *testing.T, dir string) {
	err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err == nil {
		err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=0755")
	}
	if err != nil {
		os.Exit(exitNoMount)
	}
	path, ballast := filepath.Join(dir, "checkpoints"), filepath.Join(dir, "ballast")
	old := strings.Repeat("x", os.Getpagesize()-21) + "\n" // the rest of the page takes half a note
	must(t, os.WriteFile(path, []byte(old), 0o600))
	os.WriteFile(ballast, make([]byte, 1<<20), 0o600) //nolint:errcheck // until it is full
	f := away.NewFile(path)
	if err := send(t, f, 1); !errors.Is(err, syscall.ENOSPC) || err.Error() != "writing to it: no space left on device" {
		t.Errorf("on a full disk: %v", err)
	}
	wantText(t, path, old)
	must(t, os.Remove(ballast), send(t, f, 2))
	wantText(t, path, old, note(2))
}
