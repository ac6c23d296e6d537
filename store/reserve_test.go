package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func testNow() time.Time { return time.Unix(1_700_000_000, 0) }

func TestReserveIsMadeWhole(t *testing.T) {
	for name, before := range map[string]func(path string) error{
		"new":    func(string) error { return nil },
		"empty":  func(path string) error { return os.WriteFile(path, nil, 0o644) },
		"sparse": func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<20)) },
		"short":  func(path string) error { return os.WriteFile(path, make([]byte, 100), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "reserve")
			if err := before(path); err != nil {
				t.Fatal(err)
			}
			r, err := openReserve(Config{ReservePath: path, ReserveSize: 1 << 20, Now: testNow})
			if err != nil || !r.ready() {
				t.Fatalf("opening: %v", err)
			}
			wantReserve(t, path, 1<<20)
		})
	}
}

// TestReserveHalfMade: what could be got of it when there was no space for all
// of it is given back.
func TestReserveHalfMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reserve")
	now := testNow()
	r := &reserve{path: path, size: 1 << 20, now: func() time.Time { return now }}
	r.allocate = func(f *os.File, size int64) error {
		return errors.Join(writeBlocks(f, size/2), syscall.ENOSPC)
	}
	if r.ready() {
		t.Error("a reserve that was half made is ready")
	}
	wantReserve(t, path, 0)
	r.allocate = allocate
	if r.ready() {
		t.Error("a second try followed at once")
	}
	now = now.Add(reserveRetry)
	if !r.ready() {
		t.Error("no second try, or it failed")
	}
	wantReserve(t, path, 1<<20)
}

func TestReserveByWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reserve")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size = 100<<10 + 1
	if err := errors.Join(writeBlocks(f, size), f.Sync()); err != nil {
		t.Fatal(err)
	}
	wantReserve(t, path, size)
	if !allocated(f, size) {
		t.Error("its blocks are not seen")
	}
}

func TestReserveIsNothingElse(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.WriteFile(target, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func(path string) error{
		"symlink":   func(path string) error { return os.Symlink(target, path) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		path := filepath.Join(dir, name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		cfg := Config{Path: filepath.Join(dir, "vault.db"), ReservePath: path}
		db, err := Open(cfg)
		if err == nil {
			db.Close()
		}
		if !errors.Is(err, ErrIrregular) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move it away") {
			t.Errorf("a %s in the place of the reserve: %v", name, err)
		}
	}
	if data, err := os.ReadFile(target); string(data) != "precious" || err != nil {
		t.Errorf("the file behind the link holds %q, %v", data, err)
	}
}
