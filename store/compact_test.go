package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/store"
)

func init() {
	children["compact"] = compactChild
	children["compactlimit"] = compactLimitChild
}

// dump is all that a vault file holds, bucket by bucket.
func dump(t testing.TB, path string) map[string]map[string]string {
	t.Helper()
	b, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	all := map[string]map[string]string{}
	err = b.View(func(btx *bolt.Tx) error {
		return btx.ForEach(func(name []byte, bucket *bolt.Bucket) error {
			all[string(name)] = map[string]string{}
			return bucket.ForEach(func(k, v []byte) error {
				all[string(name)][string(k)] = string(v)
				return nil
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wantSame(t testing.TB, path string, want map[string]map[string]string) {
	t.Helper()
	got := dump(t, path)
	if len(got) != len(want) {
		t.Errorf("there are %d buckets, want %d", len(got), len(want))
	}
	for name, bucket := range want {
		if len(got[name]) != len(bucket) {
			t.Errorf("%q has %d keys, want %d", name, len(got[name]), len(bucket))
		}
		for k, v := range bucket {
			if got[name][k] != v {
				t.Errorf("%q of %q holds %d bytes, want %d", k, name, len(got[name][k]), len(v))
			}
		}
	}
}

// used is a closed vault file of n keys, in which others have been overwritten
// and deleted, and what is not to be found any more.
func used(t testing.TB, n int) (path string, gone []byte) {
	t.Helper()
	path, gone = newPath(t), []byte("what was here before is to be gone for good")
	db := open(t, store.Config{Path: path})
	err := db.Update(ctx, func(tx *store.Tx) error {
		for i := range n {
			if err := tx.Put(store.Values, fmt.Appendf(nil, "k%05d", i), slices.Concat(gone, make([]byte, i%5000))); err != nil {
				return err
			}
		}
		return tx.Put(store.Audit, []byte{0, 1}, nil)
	})
	if err == nil {
		err = db.Update(ctx, func(tx *store.Tx) error {
			for i := range n {
				var err error
				key := fmt.Appendf(nil, "k%05d", i)
				if i%3 == 0 {
					err = tx.Delete(store.Values, key)
				} else {
					err = tx.Put(store.Values, key, fmt.Appendf(nil, "value of %d %s", i, make([]byte, i%5000)))
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	close(t, db)
	if !bytes.Contains(printOf(t, path).data, gone) {
		t.Fatal("free pages do not keep what was in them")
	}
	return path, gone
}

func TestCompact(t *testing.T) {
	path, gone := used(t, 2000)
	was, before := dump(t, path), printOf(t, path)
	for range 2 {
		if err := store.Compact(path); err != nil {
			t.Fatal(err)
		}
		after := printOf(t, path)
		if bytes.Contains(after.data, gone) {
			t.Error("a free page has been kept")
		}
		if after.mode != 0o600 || len(after.data) >= len(before.data) {
			t.Errorf("mode %v, %d bytes of %d", after.mode, len(after.data), len(before.data))
		}
		wantSame(t, path, was)
		wantFiles(t, filepath.Dir(path), filepath.Base(path))
	}
	db := open(t, store.Config{Path: path})
	mustPut(t, db, "again", "1")
	wantValue(t, db, "again", "1")
}

// TestCompactRemovesWhatWasLeft: the file that a killed one leaves is not used.
func TestCompactRemovesWhatWasLeft(t *testing.T) {
	path, _ := used(t, 50)
	was := dump(t, path)
	if err := os.WriteFile(path+".compact", bytes.Repeat([]byte("left over"), 1000), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := store.Compact(path); err != nil {
		t.Fatal(err)
	}
	wantSame(t, path, was)
	wantFiles(t, filepath.Dir(path), filepath.Base(path))
	if mode := printOf(t, path).mode; mode != 0o600 {
		t.Errorf("its mode is %v", mode)
	}
}

func TestCompactRefuses(t *testing.T) {
	t.Run("in use", func(t *testing.T) {
		path, _ := used(t, 50)
		for _, readOnly := range []bool{false, true} {
			db, err := store.Open(store.Config{Path: path, ReadOnly: readOnly})
			if err != nil {
				t.Fatal(err)
			}
			before := printOf(t, path)
			wantErr(t, store.Compact(path), store.ErrLocked)
			if !bytes.Equal(printOf(t, path).data, before.data) {
				t.Error("the file has changed")
			}
			close(t, db)
			wantFiles(t, filepath.Dir(path), filepath.Base(path))
		}
	})
	t.Run("foreign", func(t *testing.T) {
		path := newPath(t)
		if err := os.WriteFile(path, bytes.Repeat([]byte("not a vault"), 2000), 0o600); err != nil {
			t.Fatal(err)
		}
		before := printOf(t, path)
		wantErr(t, store.Compact(path), store.ErrForeign)
		if !bytes.Equal(printOf(t, path).data, before.data) {
			t.Error("the file has changed")
		}
	})
	t.Run("exposed", func(t *testing.T) {
		path, _ := used(t, 50)
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		wantErr(t, store.Compact(path), store.ErrExposed)
	})
	t.Run("missing", func(t *testing.T) {
		path := newPath(t)
		if err := store.Compact(path); err == nil {
			t.Error("it compacts what is not there")
		}
		wantFiles(t, filepath.Dir(path))
	})
	t.Run("damaged", func(t *testing.T) {
		path, _ := used(t, 2000)
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		page, size := int64(os.Getpagesize()), int64(len(printOf(t, path).data))
		for at := 4 * page; at < size; at += page { // the flags of all pages but those of the file itself
			if _, err := f.WriteAt([]byte{0xff, 0xff}, at+8); err != nil {
				t.Fatal(err)
			}
		}
		before := printOf(t, path)
		if err := store.Compact(path); err == nil {
			t.Error("it compacts a file that is damaged")
		}
		if !bytes.Equal(printOf(t, path).data, before.data) {
			t.Error("the file has changed")
		}
		wantFiles(t, filepath.Dir(path), filepath.Base(path))
	})
}

// TestOpenWhileCompacting: who opens the file at any moment has the one that is
// there afterwards, or is told that it is in use; never the one that was replaced.
func TestOpenWhileCompacting(t *testing.T) {
	path, _ := used(t, 300)
	var written []string
	for round := range 15 {
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := store.Compact(path); err != nil && !errors.Is(err, store.ErrLocked) {
				t.Errorf("compacting: %v", err)
			}
		})
		for try := 0; ; try++ {
			db, err := store.Open(store.Config{Path: path, MustExist: true})
			if errors.Is(err, store.ErrLocked) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			key := fmt.Sprintf("round%d-%d", round, try)
			mustPut(t, db, key, "acknowledged")
			written = append(written, key)
			close(t, db)
			break
		}
		wg.Wait()
	}
	db := open(t, store.Config{Path: path})
	for _, key := range written {
		wantValue(t, db, key, "acknowledged")
	}
}

// compactChild compacts for ever.
func compactChild(dir string) error {
	fmt.Println("up")
	for {
		if err := store.Compact(filepath.Join(dir, "vault.db")); err != nil {
			return err
		}
	}
}

// TestCompactKilled: killed at any moment the file is whole, and what it leaves
// beside it goes with the next one.
func TestCompactKilled(t *testing.T) {
	path, _ := used(t, 2000)
	was := dump(t, path)
	for i := range 12 {
		cmd := command(t, "compact", filepath.Dir(path))
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i*7) * time.Millisecond)
		cmd.Process.Kill() //nolint:errcheck // Wait tells
		if cmd.Wait() == nil || cmd.ProcessState.ExitCode() != -1 {
			t.Fatalf("the child ended by itself: %v", cmd.ProcessState)
		}
		wantSame(t, path, was)
		close(t, open(t, store.Config{Path: path}))
	}
	if err := store.Compact(path); err != nil {
		t.Fatal(err)
	}
	wantSame(t, path, was)
	wantFiles(t, filepath.Dir(path), filepath.Base(path))
}

// TestCompactOnAFullDisk: the old file stays as it is, and nothing beside it.
func TestCompactOnAFullDisk(t *testing.T) { run(t, command(t, "compactlimit", t.TempDir())) }

func compactLimitChild(dir string) error {
	path := filepath.Join(dir, "vault.db")
	db, err := store.Open(store.Config{Path: path})
	if err != nil {
		return err
	}
	for i := range 40 {
		if err := db.Update(ctx, put(fmt.Sprintf("k%d", i), string(make([]byte, 50<<10)))); err != nil {
			return err
		}
	}
	if err := db.Close(); err != nil {
		return err
	}
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, limit := range []uint64{0, 4 << 10, 100 << 10, 1 << 20} {
		if err := limitFiles(limit); err != nil {
			return err
		}
		if err := store.Compact(path); !errors.Is(err, store.ErrFull) {
			return fmt.Errorf("with space for %d bytes: %w", limit, err)
		}
		after, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(after, before) {
			return fmt.Errorf("with space for %d bytes the old file has changed, %w", limit, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			return fmt.Errorf("with space for %d bytes it left %v, %w", limit, entries, err)
		}
	}
	if err := limitFiles(noLimit); err != nil {
		return err
	}
	return store.Compact(path)
}
