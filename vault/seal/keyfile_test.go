package seal_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/vault/seal"
)

func TestKeyFileIsReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.key")
	key, err := seal.CreateKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	slot := newSlot(t, seal.NewRootKey(), key)
	for _, mode := range []fs.FileMode{0o600, 0o400} {
		chmod(t, path, mode)
		again, err := seal.ReadKeyFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := slot.Unlock(tenantA, again); err != nil {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

func TestCreateKeyFile(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := filepath.Join(t.TempDir(), "root.key")
	if _, err := seal.CreateKeyFile(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^assd-key-1:[A-Za-z0-9_-]{43}\n$`).Match(first) {
		t.Error("not the one line that a key file is")
	}
	if _, err := seal.CreateKeyFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over an existing file: %v", err)
	}
	if now, _ := os.ReadFile(path); string(now) != string(first) {
		t.Error("the existing file was changed")
	}
}

func TestCreateKeyFileFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	link, target := filepath.Join(dir, "root.key"), filepath.Join(dir, "target")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.CreateKeyFile(link); err == nil {
		t.Error("created")
	}
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("written through the link: %v", err)
	}
}

func TestReadKeyFileRefuses(t *testing.T) {
	digits := strings.Repeat("Ab-_", 10) + "AbA"
	good := "assd-key-1:" + digits + "\n"
	for _, tc := range []struct {
		name, content string
		mode          fs.FileMode
		want          error
	}{
		{"readable by the group", good, 0o640, seal.ErrExposed},
		{"readable by others", good, 0o604, seal.ErrExposed},
		{"writable by the group", good, 0o620, seal.ErrExposed},
		{"executable", good, 0o700, seal.ErrExposed},
		{"empty", "", 0o600, seal.ErrMalformed},
		{"no newline", good[:len(good)-1], 0o600, seal.ErrMalformed},
		{"carriage return", good[:len(good)-2] + "\r\n", 0o600, seal.ErrMalformed},
		{"newline inside", "assd-key-1:\n" + digits, 0o600, seal.ErrMalformed},
		{"one digit short", "assd-key-1:" + digits[1:] + "\n", 0o600, seal.ErrMalformed},
		{"one digit long", "assd-key-1:A" + digits + "\n", 0o600, seal.ErrMalformed},
		{"two lines", good + good, 0o600, seal.ErrMalformed},
		{"another version", "assd-key-2:" + digits + "\n", 0o600, seal.ErrMalformed},
		{"not base64url", "assd-key-1:" + digits[:42] + "+\n", 0o600, seal.ErrMalformed},
		{"bits beyond the key", "assd-key-1:" + digits[:42] + "B\n", 0o600, seal.ErrMalformed},
		{"garbage", strings.Repeat("\x00\xff", 4096), 0o600, seal.ErrMalformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "root.key")
			if err := os.WriteFile(path, []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			chmod(t, path, tc.mode)
			_, err := seal.ReadKeyFile(path)
			if !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			oneClearLine(t, err, path, "Ab-_")
		})
	}
	t.Run("the good one", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "root.key")
		if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.ReadKeyFile(path); err != nil {
			t.Error(err)
		}
	})
}

// oneClearLine wants the file named and nothing of its content.
func oneClearLine(t *testing.T, err error, path, content string) {
	t.Helper()
	if msg := err.Error(); !strings.Contains(msg, fmt.Sprintf("%q", path)) || strings.Contains(msg, "\n") || strings.Contains(msg, content) {
		t.Errorf("message: %s", msg)
	}
}

func TestReadKeyFileMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.key")
	_, err := seal.ReadKeyFile(path)
	if !errors.Is(err, seal.ErrMissing) {
		t.Fatal(err)
	}
	oneClearLine(t, err, path, "assd-key-1:")
}

func TestReadKeyFileWantsARegularFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if _, err := seal.CreateKeyFile(file); err != nil {
		t.Fatal(err)
	}
	link, fifo := filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.Symlink(file, link), syscall.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, fifo, dir} {
		if _, err := seal.ReadKeyFile(path); !errors.Is(err, seal.ErrMalformed) {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
	}
}

func TestReadKeyFileOfAnotherUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.key")
	if _, err := seal.CreateKeyFile(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, os.Geteuid()+1, -1); err != nil {
		testenv.Skip(t, "only root gives a file away")
	}
	if _, err := seal.ReadKeyFile(path); !errors.Is(err, seal.ErrExposed) {
		t.Error(err)
	}
}

func TestCredentialsDirectory(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "assd.key")
	if _, err := seal.CreateKeyFile(path); err != nil {
		t.Fatal(err)
	}
	asRoot := os.Getuid() == 0
	for _, tc := range []struct {
		env  string
		mode fs.FileMode
		ok   bool
	}{
		{dir, 0o400, true},
		{dir + "/", 0o440, asRoot},
		{dir, 0o440, asRoot}, // only a file of root's can be one of systemd's
		{"", 0o440, false},
		{filepath.Dir(dir), 0o440, false},
		{dir, 0o444, false},
		{dir, 0o460, false},
	} {
		t.Setenv("CREDENTIALS_DIRECTORY", tc.env)
		chmod(t, path, tc.mode)
		if _, err := seal.ReadKeyFile(path); (err == nil) != tc.ok {
			t.Errorf("mode %04o with CREDENTIALS_DIRECTORY=%q: %v", tc.mode, tc.env, err)
		}
	}
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
