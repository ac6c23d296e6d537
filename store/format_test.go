package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// What the tests of processes that are killed use as well.
var (
	Older       = older
	WantFormat  = wantFormat
	WantNamesOf = wantNamesOf
)

// older is a closed file of that format which has "a", without the buckets that came
// later.
func older(t *testing.T, format uint32) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "vault.db")
	db, err := Open(Config{Path: path})
	if err == nil {
		err = errors.Join(update(db, "a"), db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := bolt.Open(path, fileMode, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = b.Update(func(btx *bolt.Tx) error {
		for _, name := range later {
			if err := btx.DeleteBucket([]byte(name)); err != nil {
				return err
			}
		}
		return btx.Bucket([]byte(Meta)).Put(formatKey, encodeFormat(format))
	})
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantFormat looks at a file without writing to it.
func wantFormat(t *testing.T, path string, want uint32, keys ...string) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := Open(Config{Path: path, ReadOnly: true, CheckPages: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := formatOf(db.bolt); err != nil || got != want {
		t.Errorf("%s is of format %d, %v, want %d", filepath.Base(path), got, err, want)
	}
	err = db.View(func(s *Snapshot) error {
		for _, key := range keys {
			if s.Get(Secrets, []byte(key)) == nil {
				t.Errorf("%s has lost %q", filepath.Base(path), key)
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("reading has changed the file, %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != fileMode {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestMigrate(t *testing.T) {
	path := older(t, 1)
	wantFormat(t, path, 1, "a")
	for i := range 2 {
		db, err := Open(Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		want := backupName(path, 1)
		if i > 0 {
			want = ""
		}
		if got := db.Backup(); got != want {
			t.Errorf("opened the %d. time, the backup is %q", i+1, got)
		}
		if err := errors.Join(update(db, fmt.Sprint("b", i)), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	wantFormat(t, path, 2, "a", "b0", "b1")
	wantFormat(t, path+".format-1", 1, "a")
	// Whoever goes back has it as it was.
	if err := os.Rename(path+".format-1", path); err != nil {
		t.Fatal(err)
	}
	wantFormat(t, path, 1, "a")
}

// TestMigrateFaults: each step failed, and failed but happened; then it is opened anew.
func TestMigrateFaults(t *testing.T) {
	for _, step := range []string{"commit of the copy", "sync", "rename", "folder sync", "commit"} {
		for _, happened := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, happened=%t", step, happened), func(t *testing.T) {
				path := older(t, 1)
				d, reached := faultyDisk(step, happened, syscall.EIO)
				_, err := Open(Config{Path: path, disk: d})
				if !*reached || !errors.Is(err, syscall.EIO) {
					t.Fatalf("reached %v, %v", *reached, err)
				}
				wantNamesOf(t, filepath.Dir(path), "vault.db", "vault.db.format-1")
				wantFormat(t, path, map[bool]uint32{false: 1, true: 2}[step == "commit" && happened], "a")
				db, err := Open(Config{Path: path})
				if err != nil {
					t.Fatal(err)
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
				wantFormat(t, path, 2, "a")
				wantFormat(t, path+".format-1", 1, "a")
			})
		}
	}
}

// TestMigrateWithoutSpace: the file stays as it is, and the error says what to do.
func TestMigrateWithoutSpace(t *testing.T) {
	path := older(t, 1)
	before, _ := os.ReadFile(path)
	d, _ := faultyDisk("commit of the copy", false, syscall.ENOSPC)
	_, err := Open(Config{Path: path, disk: d})
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "free some and start again") {
		t.Errorf("got %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the file has changed, %v", err)
	}
	wantNamesOf(t, filepath.Dir(path), "vault.db")
}

// TestNewerFormat: what a newer assd has made is refused, and left as it is.
func TestNewerFormat(t *testing.T) {
	path := older(t, Format+1)
	before, _ := os.ReadFile(path)
	for _, readOnly := range []bool{false, true} {
		_, err := Open(Config{Path: path, ReadOnly: readOnly})
		if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "made by a newer assd") || !strings.Contains(err.Error(), "format is 3") {
			t.Errorf("got %v", err)
		}
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the file has changed, %v", err)
	}
}

// wantNamesOf checks that a directory holds nothing but some of these.
func wantNamesOf(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+e.Name()+" ") {
			t.Errorf("there is %q", e.Name())
		}
	}
}
