package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/agent-secret-store/assd/store"
)

// TestHoldDir: one has a folder at a time, by whatever name; who comes when it has been
// removed finds none, and who comes after that the one which was made anew.
func TestHoldDir(t *testing.T) {
	dir, link := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "link")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Symlink(dir, link)); err != nil {
		t.Fatal(err)
	}
	leave, err := store.HoldDir(link)
	if err != nil {
		t.Fatalf("by a link: %v", err)
	}
	if _, err := store.HoldDir(dir); !errors.Is(err, store.ErrLocked) {
		t.Errorf("beside another: %v", err)
	}
	if err := errors.Join(os.Remove(dir), leave()); err != nil {
		t.Fatal(err)
	}
	if _, err := store.HoldDir(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("once it is gone: %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if leave, err = store.HoldDir(dir); err != nil {
		t.Fatalf("made anew: %v", err)
	}
	if err := leave(); err != nil {
		t.Error(err)
	}
}
