//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/agent-secret-store/assd/internal/testenv"
)

// TestMemoryOfAnotherUser: what belongs to another user is not believed, and a pipe in
// the place of the file is not waited for.
func TestMemoryOfAnotherUser(t *testing.T) {
	m := memory{filepath.Join(t.TempDir(), "ass", "checkpoints")}
	must(t, m.raise(checkpointOf(9), "unix:///s"))
	must(t, os.Remove(m.path(memoryTenant)))
	must(t, unix.Mkfifo(m.path(memoryTenant), 0o600))
	if _, err := m.of(memoryTenant); err == nil || !strings.Contains(err.Error(), "no ordinary file") {
		t.Error("a pipe:", err)
	}
	must(t, m.forget(memoryTenant))
	must(t, m.raise(checkpointOf(9), "unix:///s"))
	if os.Geteuid() != 0 {
		testenv.Skip(t, "only root can make a file of another user")
	}
	for _, path := range []string{m.path(memoryTenant), m.dir} {
		must(t, os.Chown(path, 12345, -1))
		if _, err := m.of(memoryTenant); err == nil || !strings.Contains(err.Error(), "belongs to uid 12345") {
			t.Errorf("%s: %v", path, err)
		}
		must(t, os.Chown(path, 0, -1))
	}
}

// TestMemoryLocked: an ass that holds the lock and does not go on is not waited for without end.
func TestMemoryLocked(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits")
	}
	t.Parallel()
	m := memory{filepath.Join(t.TempDir(), "ass", "checkpoints")}
	must(t, m.raise(checkpointOf(9), "unix:///s"))
	f, err := os.OpenFile(m.path(memoryLock), os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	if ok, err := tryLock(f); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := m.raise(checkpointOf(10), "unix:///s"); err == nil || !strings.Contains(err.Error(), "another ass has held") {
		t.Error(err)
	}
}
