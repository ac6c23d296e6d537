package keyring_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/internal/keyring"
)

// bus is a session bus at a path of its own, which answers nobody.
func bus(t *testing.T) string {
	dir, err := os.MkdirTemp("", "bus") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return path
}

// TestNoKeyring: it is told of in one line, at once, and nothing is started.
func TestNoKeyring(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the keyring of another system is always there")
	}
	started := filepath.Join(t.TempDir(), "started")
	bin := t.TempDir()
	script := "#!/bin/sh\ntouch " + started + "\n"
	if err := os.WriteFile(filepath.Join(bin, "dbus-launch"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	for _, address := range []string{"", "autolaunch:", "unix:path=" + filepath.Join(bin, "none")} {
		t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
		_, err := keyring.Get(t.Context(), "ten_a")
		if err == nil || errors.Is(err, keyring.ErrNone) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", address, err)
		}
		if err := keyring.Set(t.Context(), "ten_a", []byte("text")); err == nil {
			t.Errorf("%q: kept", address)
		}
	}
	if _, err := os.Stat(started); err == nil {
		t.Error("a bus was started")
	}
}

// TestKeyringThatHangs does not hold anybody up.
func TestKeyringThatHangs(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("another system's keyring cannot be put elsewhere")
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+bus(t))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := keyring.Get(ctx, "ten_a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}
