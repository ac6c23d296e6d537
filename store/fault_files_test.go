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
)

// A fileFault is a step of what makes a file or gives it a name: what whoever asked is
// told, and whether the store goes on. Beside vault.db nothing may be left.
type fileFault struct {
	op, step string
	happened bool
	told     error // besides the error of the step
	stopped  bool
}

// fileFaults are all of them; a step that has happened is marked so. ARCHITECTURE.md,
// "Failure", says the same in words.
var fileFaults = []fileFault{
	{op: "create", step: "commit"},
	{op: "create", step: "commit", happened: true},
	{op: "create", step: "link"},
	{op: "create", step: "link", happened: true},
	{op: "create", step: "folder sync"},
	{op: "create", step: "folder sync", happened: true},
	{op: "copy", step: "commit of the copy"},
	{op: "copy", step: "commit of the copy", happened: true},
	{op: "copy", step: "sync"},
	{op: "copy", step: "sync", happened: true},
	{op: "copy", step: "link"},
	{op: "copy", step: "link", happened: true},
	{op: "copy", step: "folder sync"},
	{op: "copy", step: "folder sync", happened: true},
	{op: "compact", step: "commit of the copy"},
	{op: "compact", step: "commit of the copy", happened: true},
	{op: "compact", step: "sync"},
	{op: "compact", step: "sync", happened: true},
	{op: "compact", step: "rename"},
	// The name is looked at: it is the new file's, so that is gone on with.
	{op: "compact", step: "rename", happened: true, told: errNone},
	// Either file may be at the name after a crash: what is committed to one could be lost.
	{op: "compact", step: "folder sync", told: ErrStopped, stopped: true},
	{op: "compact", step: "folder sync", happened: true, told: ErrStopped, stopped: true},
}

var errNone = errors.New("no error at all")

func TestFileFaults(t *testing.T) {
	for _, f := range fileFaults {
		t.Run(fmt.Sprintf("%s, %s, happened=%t", f.op, f.step, f.happened), func(t *testing.T) { f.test(t) })
	}
}

func (f fileFault) test(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "vault.db")
	d, reached := faultyDisk(f.step, f.happened, syscall.EIO)
	if f.op == "create" {
		_, err := Open(Config{Path: path, disk: d})
		f.wantTold(t, err, *reached)
		wantNamesOf(t, dir, "vault.db") // whole, or not there
		f.wantFound(t, path, nil)
		return
	}
	db, err := Open(Config{Path: path})
	if err == nil {
		err = update(db, "before")
	}
	if err != nil {
		t.Fatal(err)
	}
	db.disk = *d
	if f.op == "copy" {
		err = db.CopyTo(context.Background(), filepath.Join(dir, "copy.db"))
	} else {
		err = db.Compact(context.Background())
	}
	f.wantTold(t, err, *reached)
	wantNamesOf(t, dir, "vault.db")
	keys := []string{"before"}
	if err := update(db, "after"); f.stopped != errors.Is(err, ErrStopped) || !f.stopped && err != nil {
		t.Errorf("an update afterwards: %v", err)
	} else if err == nil {
		keys = append(keys, "after")
	}
	if !f.stopped { // the step goes well now
		if err := db.Compact(context.Background()); err != nil {
			t.Errorf("compacting afterwards: %v", err)
		}
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	f.wantFound(t, path, keys)
}

func (f fileFault) wantTold(t *testing.T, err error, reached bool) {
	t.Helper()
	switch {
	case !reached:
		t.Error("the step is not come to")
	case f.told == errNone:
		if err != nil {
			t.Errorf("told %v", err)
		}
	case !errors.Is(err, syscall.EIO) || f.told != nil && !errors.Is(err, f.told) || f.told == nil && errors.Is(err, ErrStopped):
		t.Errorf("told %v", err)
	}
}

// wantFound opens the file anew.
func (f fileFault) wantFound(t *testing.T, path string, keys []string) {
	t.Helper()
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) && f.op == "create" {
		keys = nil // the next start makes it
	}
	db, err := Open(Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	wantFormat(t, path, Format, keys...)
}

// TestReserveFaults: a reserve that cannot be made for want of space is no error, and
// the store begins as on a full disk; for another reason it is one.
func TestReserveFaults(t *testing.T) {
	for _, tc := range []struct {
		err      error
		happened bool
		full     bool
	}{{syscall.ENOSPC, false, true}, {syscall.ENOSPC, true, true}, {syscall.EIO, false, false}, {syscall.EIO, true, false}} {
		t.Run(fmt.Sprintf("%v, happened=%t", tc.err, tc.happened), func(t *testing.T) {
			r := &reserve{path: filepath.Join(t.TempDir(), "reserve"), size: 64 << 10, now: testNow}
			r.allocate = func(f *os.File, size int64) error {
				if tc.happened {
					if err := allocate(f, size); err != nil {
						return err
					}
				}
				return tc.err
			}
			err := r.fill()
			if isNoSpace(err) != tc.full || err == nil || r.intact {
				t.Errorf("told %v, intact %v", err, r.intact)
			}
			if info, err := os.Stat(r.path); err != nil || info.Size() != 0 {
				t.Errorf("the reserve has %d bytes, %v", info.Size(), err)
			}
			r.allocate = allocate
			if err := r.fill(); err != nil || !r.intact {
				t.Errorf("made again: %v", err)
			}
		})
	}
}

// TestLostLastWrite: what a power cut may take of the newest commit, its meta page or the
// pages at the end of the file, leaves the state before, or a file that is refused.
func TestLostLastWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.db")
	db, err := Open(Config{Path: path})
	if err == nil {
		err = errors.Join(update(db, "a"), updateLarge(db, "b"), db.Close())
	}
	whole, rerr := os.ReadFile(path)
	if err := errors.Join(err, rerr); err != nil {
		t.Fatal(err)
	}
	page := int64(os.Getpagesize())
	newest := newestMeta(t, path)
	for name, damage := range map[string]func(f *os.File) error{
		"meta page torn": func(f *os.File) error {
			_, err := f.WriteAt(make([]byte, 40), newest+pageHeaderSize+24)
			return err
		},
		"meta page not written": func(f *os.File) error {
			other := page - newest // as it would be two commits before: there was none
			b := make([]byte, page)
			if _, err := f.ReadAt(b, other); err != nil {
				return err
			}
			_, err := f.WriteAt(b[pageHeaderSize+8:], newest+pageHeaderSize+8)
			return err
		},
		"meta page of zeros": func(f *os.File) error { _, err := f.WriteAt(make([]byte, page), newest); return err },
	} {
		t.Run(name, func(t *testing.T) {
			damaged(t, path, whole, damage)
			wantFormat(t, path, Format, "a")
			db, err := Open(Config{Path: path})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(update(db, "c"), db.Close()); err != nil {
				t.Error(err)
			}
			wantFormat(t, path, Format, "a", "c")
		})
	}
	for n := int64(1); n <= 4; n++ {
		t.Run(fmt.Sprintf("cut by %d pages", n), func(t *testing.T) {
			damaged(t, path, whole, func(f *os.File) error { return f.Truncate(usedBytes(t, path) - n*page) })
			for _, readOnly := range []bool{true, false} {
				if _, err := Open(Config{Path: path, ReadOnly: readOnly}); !errors.Is(err, ErrForeign) {
					t.Errorf("opened with %v", err)
				}
			}
			// With its meta page lost too, it is what it was before.
			damaged(t, path, whole, func(f *os.File) error {
				return errors.Join(f.Truncate(usedBytes(t, path)-n*page), flip(f, newest))
			})
			wantFormat(t, path, Format, "a")
		})
	}
}

// updateLarge makes the file longer.
func updateLarge(db *DB, key string) error {
	return db.Update(context.Background(), func(tx *Tx) error { return tx.Put(Secrets, []byte(key), make([]byte, 100<<10)) })
}

// flip turns a bit of a meta page.
func flip(f *os.File, meta int64) error {
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, meta+atPages); err != nil {
		return err
	}
	b[0] ^= 1
	_, err := f.WriteAt(b, meta+atPages)
	return err
}

func damaged(t *testing.T, path string, whole []byte, damage func(*os.File) error) {
	t.Helper()
	if err := os.WriteFile(path, whole, fileMode); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(damage(f), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// newestMeta is where the meta page in force is.
func newestMeta(t *testing.T, path string) int64 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page := int64(os.Getpagesize())
	first, ok := readMetaAt(f, 0)
	second, ok2 := readMetaAt(f, page)
	if !ok || !ok2 {
		t.Fatal("a meta page is not valid")
	}
	if first.txid > second.txid {
		return 0
	}
	return page
}

func usedBytes(t *testing.T, path string) int64 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := readMeta(f, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return int64(m.pages * m.pageSize)
}
