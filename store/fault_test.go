package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// faults are the ways in which a commit fails and what the store makes of it.
var faults = []struct {
	name string
	err  error
	full bool // known to be for want of space
}{
	{"write ENOSPC", &fs.PathError{Op: "write", Path: "vault.db", Err: syscall.ENOSPC}, true},
	{"write EDQUOT", &fs.PathError{Op: "write", Path: "vault.db", Err: syscall.EDQUOT}, true},
	{"write EFBIG", &fs.PathError{Op: "write", Path: "vault.db", Err: syscall.EFBIG}, true},
	{"grow ENOSPC", resizeError(syscall.ENOSPC), true},
	{"grow EFBIG", resizeError(syscall.EFBIG), true},
	{"grow EIO", resizeError(syscall.EIO), false},
	{"write EIO", &fs.PathError{Op: "write", Path: "vault.db", Err: syscall.EIO}, false},
	{"sync EIO", syscall.EIO, false},
	{"sync ENOSPC", syscall.ENOSPC, false},
	{"sync ENOSPC, darwin", &fs.PathError{Op: "sync", Path: "vault.db", Err: syscall.ENOSPC}, false},
	{"sync in grow", fmt.Errorf("file sync error: %s", syscall.ENOSPC), false},
	{"anything else", errors.New("no space left on device"), false},
}

// resizeError is what bbolt makes of a truncate that failed.
func resizeError(errno syscall.Errno) error {
	return fmt.Errorf("file resize error: %s", &fs.PathError{Op: "truncate", Path: "vault.db", Err: errno})
}

// TestFaultTable: each failure of a commit, when it had not happened and when
// it had; then the file is opened anew.
func TestFaultTable(t *testing.T) {
	for _, fault := range faults {
		for _, happened := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, happened=%t", fault.name, happened), func(t *testing.T) {
				testFault(t, fault.err, happened, fault.full && !happened)
			})
		}
	}
	t.Run("panic", func(t *testing.T) {
		db, undone := openFaulty(t, func(*bolt.Tx) error { panic("assertion failed") })
		wantStopped(t, db, update(db, "b"))
		if *undone != 1 {
			t.Errorf("the hook ran %d times", *undone)
		}
	})
}

func testFault(t *testing.T, fault error, happened, full bool) {
	db, undone := openFaulty(t, func(btx *bolt.Tx) error {
		if happened {
			if err := btx.Commit(); err != nil {
				t.Errorf("committing: %v", err)
			}
		}
		return fault
	})
	err := update(db, "b")
	if *undone != 1 {
		t.Errorf("the hook ran %d times", *undone)
	}
	if full {
		wantFull(t, db, err)
	} else {
		wantStopped(t, db, err)
	}
	wantReopened(t, db, map[string]bool{"a": true, "b": happened, "c": full})
}

// openFaulty opens a store that has "a" and whose next commit is done by
// commit. undone counts how often the hook of an update ran.
func openFaulty(t *testing.T, commit func(*bolt.Tx) error) (db *DB, undone *int) {
	t.Helper()
	db, err := Open(Config{Path: filepath.Join(t.TempDir(), "vault.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := update(db, "a"); err != nil {
		t.Fatal(err)
	}
	undone = new(int)
	db.writer.prepare = func(tx *Tx) error { tx.OnUndo(func() { *undone++ }); return nil }
	db.writer.commit = func(btx *bolt.Tx) error {
		db.writer.commit = (*bolt.Tx).Commit
		return commit(btx)
	}
	return db, undone
}

func update(db *DB, key string) error {
	return db.Update(context.Background(), func(tx *Tx) error { return tx.Put(Secrets, []byte(key), []byte(key)) })
}

func wantFull(t *testing.T, db *DB, err error) {
	t.Helper()
	if !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	if err := errors.Join(db.Failed(), update(db, "c")); err != nil {
		t.Errorf("the store does not go on: %v", err)
	}
}

func wantStopped(t *testing.T, db *DB, err error) {
	t.Helper()
	if !errors.Is(err, ErrStopped) || errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrStopped", err)
	}
	select {
	case <-db.Done():
	default:
		t.Error("Done is not closed")
	}
	view := db.View(func(*Snapshot) error { return nil })
	for _, err := range []error{db.Failed(), update(db, "c"), view} {
		if !errors.Is(err, ErrStopped) {
			t.Errorf("after the stop: got %v, want ErrStopped", err)
		}
	}
}

func wantReopened(t *testing.T, db *DB, want map[string]bool) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := Open(Config{Path: db.path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(s *Snapshot) error {
		for key, there := range want {
			if got := s.Get(Secrets, []byte(key)) != nil; got != there {
				t.Errorf("reopened, %q is there: %t, want %t", key, got, there)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestStopReachesTheQueue: those who wait when the store stops are told.
func TestStopReachesTheQueue(t *testing.T) {
	const waiting = 2 * maxBatch
	answers := make(chan error, waiting)
	var db *DB
	db, _ = openFaulty(t, func(*bolt.Tx) error {
		for range waiting {
			go func() { answers <- update(db, "late") }()
		}
		for db.Queued() < waiting {
			//nolint:staticcheck // they come
		}
		return syscall.EIO
	})
	if err := update(db, "b"); !errors.Is(err, ErrStopped) {
		t.Errorf("got %v", err)
	}
	for range waiting {
		if err := <-answers; !errors.Is(err, ErrStopped) || !errors.Is(err, syscall.EIO) {
			t.Errorf("one that waited got %v", err)
		}
	}
}

// TestAnswerWaitsForTheCommit: nobody is told of success before the commit, of
// which the fsync is a part, has returned.
func TestAnswerWaitsForTheCommit(t *testing.T) {
	answered := make(chan error, 1)
	db, _ := openFaulty(t, func(btx *bolt.Tx) error {
		select {
		case <-answered:
			t.Error("answered before the commit")
		default:
		}
		if err := btx.Commit(); err != nil {
			return err
		}
		if len(answered) > 0 {
			t.Error("answered before the commit had returned")
		}
		return nil
	})
	if db.bolt.NoSync || db.bolt.NoGrowSync || db.bolt.NoFreelistSync {
		t.Error("bbolt does not sync")
	}
	go func() { answered <- update(db, "b") }()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// TestReserveStates: the reserve against a disk that is full while it exists.
func TestReserveStates(t *testing.T) {
	dir := t.TempDir()
	reserve := filepath.Join(dir, "reserve")
	db, err := Open(Config{Path: filepath.Join(dir, "vault.db"), ReservePath: reserve, ReserveSize: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	wantReserve(t, reserve, 64<<10)
	db.writer.commit = func(btx *bolt.Tx) error {
		if info, err := os.Stat(reserve); err != nil || info.Size() > 0 {
			return faults[0].err
		}
		return btx.Commit()
	}
	if err := update(db, "a"); !errors.Is(err, ErrFull) {
		t.Errorf("an update got %v", err)
	}
	wantReserve(t, reserve, 64<<10)
	runs := 0
	err = db.UpdateReserved(context.Background(), func(tx *Tx) error {
		runs++
		return tx.Put(Secrets, []byte("b"), nil)
	})
	if err != nil || runs != 2 {
		t.Errorf("a reserved update ran %d times and got %v", runs, err)
	}
	wantReserve(t, reserve, 0)
	wantReopened(t, db, map[string]bool{"a": false, "b": true})
}

// TestReservedSharesABatch: those in a batch with a reserved operation get no
// part of the reserve.
func TestReservedSharesABatch(t *testing.T) {
	w := &writer{path: "vault.db", reserve: &reserve{path: filepath.Join(t.TempDir(), "reserve"), intact: true}}
	w.reserve.now = testNow
	db, _ := openFaulty(t, nil)
	w.bolt, w.prepare, w.committed = db.bolt, db.writer.prepare, func() {}
	w.commit = func(btx *bolt.Tx) error {
		if w.reserve.intact {
			return faults[0].err
		}
		return btx.Commit()
	}
	put := func(key string) func(*Tx) error {
		return func(tx *Tx) error { return tx.Put(Secrets, []byte(key), nil) }
	}
	normal := newRequest(context.Background(), put("normal"), false)
	reserved := newRequest(context.Background(), put("reserved"), true)
	w.serve([]*request{normal, reserved})
	if err := normal.wait(w); !errors.Is(err, ErrFull) {
		t.Errorf("the normal operation got %v", err)
	}
	if err := reserved.wait(w); err != nil {
		t.Errorf("the reserved operation got %v", err)
	}
	wantReopened(t, db, map[string]bool{"normal": false, "reserved": true})
}

func wantReserve(t *testing.T, path string, size int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	blocks := info.Sys().(*syscall.Stat_t).Blocks * 512
	if info.Size() != size || blocks < size || info.Mode() != fileMode {
		t.Errorf("the reserve has %d bytes, %d allocated, mode %v; want %d", info.Size(), blocks, info.Mode(), size)
	}
}
