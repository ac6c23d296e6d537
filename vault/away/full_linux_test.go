package away_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

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
	inNamespace(t, onFullDisk)
}

// inNamespace has fn run by a process of its own, in a mount namespace of its own.
func inNamespace(t *testing.T, fn func(t *testing.T, dir string)) {
	t.Helper()
	if dir := os.Getenv(smallEnv); dir != "" {
		fn(t, dir)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
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

// mount puts an empty file system of 64 KiB there.
func mount(dir string) {
	err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err == nil {
		err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=0755")
	}
	if err != nil {
		os.Exit(exitNoMount)
	}
}

// TestLocalLog: the log of this machine, where there is none, where there is one, and
// where it ends.
func TestLocalLog(t *testing.T) { inNamespace(t, onLocalLog) }

func onLocalLog(t *testing.T, _ string) {
	mount("/dev")
	s, err := away.ParseSyslog("local")
	must(t, err)
	gone := func() {
		t.Helper()
		if err := send(t, s, 7); err == nil || !strings.HasPrefix(err.Error(), "the log takes nothing: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("without /dev/log: %v", err)
		}
	}
	for _, other := range []string{"/var/run/syslog", "/var/run/log"} { // where others look for it
		if info, err := os.Stat(other); err == nil && info.Mode().Type() == os.ModeSocket {
			os.Exit(exitNoMount)
		}
	}
	gone()
	l, err := net.ListenPacket("unixgram", "/dev/log")
	must(t, err, send(t, s, 7))
	b := make([]byte, 2048)
	must(t, l.SetReadDeadline(time.Now().Add(30*time.Second)))
	n, _, err := l.ReadFrom(b)
	must(t, err)
	if !localLine.Match(b[:n]) {
		t.Errorf("it got %q", b[:n])
	}
	must(t, l.Close())
	gone()
}

var localLine = regexp.MustCompile(`^<37>\S+ .* assd\[\d+\]: checkpoint tenant=ten_a{26} size=7 hash=(ab){32} epoch=1 signature=AQID\n$`)

func onFullDisk(t *testing.T, dir string) {
	mount(dir)
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
