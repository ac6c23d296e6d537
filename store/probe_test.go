package store_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/internal/shell"
	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/store"
)

// write makes a file with a mode that no umask bends.
func write(t *testing.T, path string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, data, mode), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
}

// vaultBytes returns a vault file with 300 secrets and a few more, and how many
// of its bytes pages take: the file is longer, since it grows in steps. Each
// commit more has the other meta page be the newest.
func vaultBytes(t *testing.T, more int) (data []byte, used int) {
	t.Helper()
	path := newPath(t)
	db := open(t, store.Config{Path: path})
	fill(t, db, 300)
	for i := range more {
		mustPut(t, db, fmt.Sprint("big", i), strings.Repeat("big", 50_000))
	}
	close(t, db)
	data = printOf(t, path).data
	inspect(t, path, func(btx *bolt.Tx) error { used = int(btx.Size()); return nil })
	return data, used
}

// readAll reads all secrets and returns how many there are.
func readAll(db *store.DB) (n int, err error) {
	err = db.View(func(s *store.Snapshot) error {
		return s.Scan(store.Secrets, nil, func(_, v []byte) (bool, error) {
			n += min(1, len(bytes.Clone(v)))
			return true, nil
		})
	})
	return n, err
}

func TestTruncated(t *testing.T) {
	for more := range 2 {
		t.Run(fmt.Sprint("meta ", more), func(t *testing.T) { testTruncated(t, more) })
	}
}

func testTruncated(t *testing.T, more int) {
	data, used := vaultBytes(t, more)
	page := os.Getpagesize()
	cuts := []int{1, 100, page - 1, page + 100, used - 1}
	for n := 0; n < used; n += page {
		cuts = append(cuts, n)
	}
	for _, n := range cuts {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			path := newPath(t)
			write(t, path, data[:n], 0o600)
			wantRefused(t, path, store.ErrForeign)
		})
	}
	t.Run("only what is unused", func(t *testing.T) {
		path := newPath(t)
		write(t, path, data[:used], 0o600)
		if n, err := readAll(open(t, store.Config{Path: path})); n != 300+more || err != nil {
			t.Errorf("%d secrets, %v", n, err)
		}
	})
}

func TestTruncatedWhileOpen(t *testing.T) {
	path := newPath(t)
	db := open(t, store.Config{Path: path})
	fill(t, db, 5000)
	if err := os.Truncate(path, int64(2*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	_, err := readAll(db)
	wantErr(t, err, store.ErrDamaged)
	wantErr(t, db.Update(ctx, put("k000000", "1")), store.ErrDamaged)
}

func TestForeign(t *testing.T) {
	boltOf := func(fn func(*bolt.Tx) error) []byte {
		path := newPath(t)
		inspect(t, path, fn)
		return printOf(t, path).data
	}
	withFormat := func(value []byte) []byte {
		return boltOf(func(btx *bolt.Tx) error {
			for _, b := range strings.Fields(goldenBuckets) {
				if _, err := btx.CreateBucket([]byte(b)); err != nil {
					return err
				}
			}
			return btx.Bucket([]byte("meta")).Put([]byte("format"), value)
		})
	}
	for name, tt := range map[string]struct {
		data []byte
		want error
	}{
		"text":              {[]byte("# not a vault\n"), store.ErrForeign},
		"long text":         {bytes.Repeat([]byte("# not a vault\n"), 5000), store.ErrForeign},
		"zeros":             {make([]byte, 64<<10), store.ErrForeign},
		"bbolt, empty":      {boltOf(func(*bolt.Tx) error { return nil }), store.ErrForeign},
		"bbolt, no buckets": {boltOf(onlyFormat), store.ErrForeign},
		"no format":         {withFormat([]byte("1")), store.ErrForeign},
		"format 0":          {withFormat([]byte{0, 0, 0, 0}), store.ErrForeign},
		"format 3":          {withFormat([]byte{0, 0, 0, 3}), store.ErrNewer},
		"format 2^31":       {withFormat([]byte{0x80, 0, 0, 0}), store.ErrNewer},
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			write(t, path, tt.data, 0o600)
			wantRefused(t, path, tt.want)
		})
	}
}

func onlyFormat(btx *bolt.Tx) error {
	b, err := btx.CreateBucket([]byte("meta"))
	if err != nil {
		return err
	}
	return b.Put([]byte("format"), []byte{0, 0, 0, 1})
}

func TestNotARegularFile(t *testing.T) {
	data, _ := vaultBytes(t, 1)
	target := filepath.Join(t.TempDir(), "target")
	write(t, target, data, 0o600)
	for name, make := range map[string]func(path string) error{
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"symlink":   func(path string) error { return os.Symlink(target, path) },
		"dangling":  func(path string) error { return os.Symlink(target+"-absent", path) },
		"pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			if err := make(path); err != nil {
				t.Fatal(err)
			}
			_, err := store.Open(store.Config{Path: path})
			wantErr(t, err, store.ErrForeign)
			wantErr(t, err, store.ErrIrregular)
			wantFiles(t, filepath.Dir(path), "vault.db")
		})
	}
}

func TestExposed(t *testing.T) {
	data, _ := vaultBytes(t, 1)
	for _, mode := range []os.FileMode{0o640, 0o604, 0o610, 0o602, 0o644} {
		t.Run(mode.String(), func(t *testing.T) {
			path := newPath(t)
			write(t, path, data, mode)
			wantRefused(t, path, store.ErrExposed)
			_, err := store.Open(store.Config{Path: path})
			if want := "chmod 600 " + shell.Quote(path); !strings.Contains(err.Error(), want) {
				t.Errorf("the error %q does not say %q", err, want)
			}
		})
	}
}

func TestOwnedByAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		testenv.Skip(t, "only root can make a file of another user")
	}
	data, _ := vaultBytes(t, 1)
	path := newPath(t)
	write(t, path, data, 0o600)
	if err := os.Chown(path, 65534, -1); err != nil {
		t.Fatal(err)
	}
	_, err := store.Open(store.Config{Path: path})
	wantErr(t, err, store.ErrExposed)
	open(t, store.Config{Path: path, ReadOnly: true}) // root may look
}

// TestOneMetaPageIsEnough: a crash can tear the meta page that was being
// written.
func TestOneMetaPageIsEnough(t *testing.T) {
	data, _ := vaultBytes(t, 1)
	page := os.Getpagesize()
	for _, torn := range [][]int{{0}, {1}, {0, 1}} {
		path := newPath(t)
		broken := bytes.Clone(data)
		for _, n := range torn {
			broken[n*page+30] ^= 1
		}
		write(t, path, broken, 0o600)
		if len(torn) == 2 {
			wantRefused(t, path, store.ErrForeign)
			continue
		}
		close(t, open(t, store.Config{Path: path}))
	}
}

// TestDamagedPages: whatever stands in a page, the store answers, with an error
// or with what it found, and does not crash.
func TestDamagedPages(t *testing.T) {
	data, used := vaultBytes(t, 1)
	page := os.Getpagesize()
	noise := make([]byte, page)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(noise)
	damaged := 0
	for name, junk := range map[string][]byte{
		"zeros": make([]byte, page), "ones": bytes.Repeat([]byte{0xff}, page), "noise": noise,
	} {
		for n := 2; n < used/page; n++ {
			path := newPath(t)
			broken := bytes.Clone(data)
			copy(broken[n*page:], junk)
			write(t, path, broken, 0o600)
			if err := exercise(path); err != nil {
				damaged++
				if !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrForeign) && !errors.Is(err, store.ErrStopped) {
					t.Errorf("page %d of %s: %v", n, name, err)
				}
			}
		}
	}
	if damaged == 0 {
		t.Error("no damage was noticed")
	}
}

// TestDamagedPointer: the bucket that Open looks into says that it lies far
// behind the end of the file.
func TestDamagedPointer(t *testing.T) {
	data, _ := vaultBytes(t, 1)
	inline := append([]byte("meta"), make([]byte, 16)...) // key, root page 0, sequence 0
	if !bytes.Contains(data, inline) {
		t.Fatal("the bucket was not found")
	}
	far := append([]byte("meta"), inline[4:]...)
	binary.NativeEndian.PutUint64(far[4:], 1<<30)
	path := newPath(t)
	write(t, path, bytes.ReplaceAll(data, inline, far), 0o600)
	wantRefused(t, path, store.ErrDamaged)
}

// TestDamagedPageWhileOpen: who comes upon it gets an error, and so do those
// whose commit it was; the others are served.
func TestDamagedPageWhileOpen(t *testing.T) {
	path := newPath(t)
	db := open(t, store.Config{Path: path})
	fill(t, db, 300)
	at := bytes.LastIndex(printOf(t, path).data, []byte("k000150"))
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	_, err = f.WriteAt(make([]byte, page), int64(at/page*page))
	wantErr(t, errors.Join(err, f.Close()), nil)

	other := func(tx *store.Tx) error { return tx.Put(store.Values, []byte("a"), []byte("1")) }
	l := hold(t, db)
	undone := false
	l.update(other)
	l.update(func(tx *store.Tx) error {
		tx.OnUndo(func() { undone = true })
		return put("k000150", "1")(tx)
	})
	for _, err := range l.commit() {
		wantErr(t, err, store.ErrDamaged)
	}
	if !undone {
		t.Error("the hook of the operation that found the damage did not run")
	}
	wantErr(t, db.Failed(), nil)
	wantErr(t, db.Update(ctx, other), nil)
}

// exercise opens a file, reads all of it and writes to it.
func exercise(path string) error {
	db, err := store.Open(store.Config{Path: path})
	if err != nil {
		return err
	}
	_, err = readAll(db)
	return errors.Join(err, db.Update(ctx, put("k000150", "1")), db.Update(ctx, put("new", "1")), db.Close())
}
