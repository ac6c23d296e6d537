package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/store"
)

func init() {
	children["filelimit"] = fileLimitChild
	children["createlimit"] = createLimitChild
}

// TestFileSizeLimit: RLIMIT_FSIZE is a full disk that needs no root.
func TestFileSizeLimit(t *testing.T)        { run(t, command(t, "filelimit", t.TempDir())) }
func TestCreateUnderFileLimit(t *testing.T) { run(t, command(t, "createlimit", t.TempDir())) }

func limitFiles(bytes uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = min(bytes, limit.Max)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}

const noLimit = ^uint64(0)

func fileLimitChild(dir string) error {
	clock := newClock()
	cfg := store.Config{
		Path:        filepath.Join(dir, "vault.db"),
		ReservePath: filepath.Join(dir, "reserve"),
		Now:         clock.Now,
	}
	if err := limitFiles(3 << 20); err != nil { // less than the reserve
		return err
	}
	db, err := store.Open(cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Update(ctx, put("normal", "1")); !errors.Is(err, store.ErrFull) {
		return fmt.Errorf("without a reserve, an update got %w", err)
	}
	if err := db.UpdateReserved(ctx, put("reserved", "1")); err != nil {
		return fmt.Errorf("without a reserve, a reserved update got %w", err)
	}
	written, err := fillUp(db.UpdateReserved)
	if err != nil {
		return err
	}
	if err := limitFiles(noLimit); err != nil {
		return err
	}
	clock.advance(time.Minute)
	if err := db.Update(ctx, put("again", "1")); err != nil {
		return fmt.Errorf("with space again: %w", err)
	}
	return reopened(db, cfg, append(written, "reserved", "again"), "normal")
}

type update = func(ctx context.Context, op func(*store.Tx) error) error

// fillUp writes until there is no space and returns the keys that were written.
func fillUp(update update) (written []string, err error) {
	big := string(make([]byte, 100<<10))
	for i := range 10_000 {
		key := fmt.Sprintf("fill%04d", i)
		err := update(ctx, put(key, big))
		if errors.Is(err, store.ErrFull) {
			return written, nil
		}
		if err != nil {
			return nil, fmt.Errorf("filling up: %w", err)
		}
		written = append(written, key)
	}
	return nil, errors.New("the disk does not become full")
}

// reopened opens the store anew and checks which keys are there.
func reopened(db *store.DB, cfg store.Config, present []string, absent ...string) error {
	if err := db.Close(); err != nil {
		return err
	}
	db, err := store.Open(cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(s *store.Snapshot) error {
		for _, key := range present {
			if s.Get(store.Secrets, []byte(key)) == nil {
				return fmt.Errorf("%q is lost, after it was acknowledged", key)
			}
		}
		for _, key := range absent {
			if s.Get(store.Secrets, []byte(key)) != nil {
				return fmt.Errorf("%q is there, although refused", key)
			}
		}
		return nil
	})
}

func createLimitChild(dir string) error {
	if err := limitFiles(8 << 10); err != nil {
		return err
	}
	cfg := store.Config{Path: filepath.Join(dir, "vault.db")}
	if db, err := store.Open(cfg); !errors.Is(err, store.ErrFull) {
		if err == nil {
			db.Close()
		}
		return fmt.Errorf("without space to create: %w", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		return fmt.Errorf("left behind: %v, %w", entries, err)
	}
	if err := limitFiles(noLimit); err != nil {
		return err
	}
	db, err := store.Open(cfg)
	if err != nil {
		return err
	}
	return db.Close()
}
