package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/store"
)

func init() {
	children["copylimit"] = copyLimitChild
	children["compactloaded"] = compactLoadedChild
}

// A load writes at random, and each commit has a line in Audit that says what it did:
// whether a file is the state of one commit is seen by doing it all again.
type load struct {
	db    *store.DB
	acked atomic.Uint64 // the last line that was acknowledged
	stop  context.CancelFunc
	wg    sync.WaitGroup
}

// startLoad writes from n goroutines until it is stopped.
func startLoad(t testing.TB, db *store.DB, n int) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{db: db, stop: stop}
	for range n {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				if err := l.write(); err != nil {
					t.Errorf("writing under load: %v", err)
					return
				}
			}
		})
	}
	return l
}

func (l *load) end() {
	l.stop()
	l.wg.Wait()
}

// write sets or deletes a few keys, among thousands, with values of up to 3 KiB.
func (l *load) write() error {
	var seq uint64
	err := l.db.Update(ctx, func(tx *store.Tx) error {
		last, _ := tx.Last(store.Audit)
		seq = 1
		if last != nil {
			seq = binary.BigEndian.Uint64(last) + 1
		}
		var line []byte
		for range 1 + rand.IntN(3) {
			n := uint16(rand.IntN(5000))
			size := uint16(rand.IntN(3000))
			if rand.IntN(3) == 0 {
				size = 0
			}
			line = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(line, n), size)
			if err := redo(tx, n, size, seq); err != nil {
				return err
			}
		}
		return tx.Put(store.Audit, binary.BigEndian.AppendUint64(nil, seq), line)
	})
	if err != nil {
		return err
	}
	for {
		was := l.acked.Load()
		if was >= seq || l.acked.CompareAndSwap(was, seq) {
			return nil
		}
	}
}

func loadKey(n uint16) []byte { return fmt.Appendf(nil, "key %05d", n) }

func loadValue(n, size uint16, seq uint64) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%d of %d;", n, seq), int(size)/10+1)
}

func redo(tx *store.Tx, n, size uint16, seq uint64) error {
	if size == 0 {
		return tx.Delete(store.Values, loadKey(n))
	}
	return tx.Put(store.Values, loadKey(n), loadValue(n, size, seq))
}

// wantOneCommit checks that a file is the state of one commit, and returns its line.
func wantOneCommit(t testing.TB, path string) (last uint64) {
	t.Helper()
	all := dump(t, path)
	want := map[string]string{}
	for last = 1; ; last++ {
		line, ok := all["audit"][string(binary.BigEndian.AppendUint64(nil, last))]
		if !ok {
			break
		}
		for b := []byte(line); len(b) > 0; b = b[4:] {
			n, size := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
			delete(want, string(loadKey(n)))
			if size > 0 {
				want[string(loadKey(n))] = string(loadValue(n, size, last))
			}
		}
	}
	last--
	if len(all["audit"]) != int(last) {
		t.Errorf("%d lines, and only %d in one piece", len(all["audit"]), last)
	}
	if len(all["values"]) != len(want) {
		t.Errorf("after line %d there are %d values, want %d", last, len(all["values"]), len(want))
	}
	for k, v := range want {
		if got := all["values"][k]; got != v {
			t.Errorf("after line %d %q holds %.30q, want %.30q", last, k, got, v)
			break
		}
	}
	return last
}

// wantWhole checks each page of a file.
func wantWhole(t testing.TB, path string) {
	t.Helper()
	db, err := store.Open(store.Config{Path: path, ReadOnly: true, CheckPages: true})
	if err != nil {
		t.Fatal(err)
	}
	close(t, db)
	if mode := printOf(t, path).mode; mode != 0o600 {
		t.Errorf("its mode is %v", mode)
	}
}

// filled is a store with several pieces of values, some lines, and pages that are free.
func filled(t testing.TB) *store.DB {
	t.Helper()
	db := open(t, store.Config{Path: newPath(t)})
	l := &load{db: db}
	for range 3 {
		err := db.Update(ctx, func(tx *store.Tx) error {
			last, _ := tx.Last(store.Audit)
			seq := uint64(1)
			if last != nil {
				seq = binary.BigEndian.Uint64(last) + 1
			}
			var line []byte
			for n := range uint16(5000) {
				size := uint16(rand.IntN(3000))
				line = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(line, n), size)
				if err := redo(tx, n, size, seq); err != nil {
					return err
				}
			}
			return tx.Put(store.Audit, binary.BigEndian.AppendUint64(nil, seq), line)
		})
		if err == nil {
			err = l.write()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func TestCopyToUnderLoad(t *testing.T) {
	db := filled(t)
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	l := startLoad(t, db, 4)
	defer l.end()
	for i := range rounds {
		before := l.acked.Load()
		if i%2 == 1 {
			db.SetNoted(2)
		}
		to := filepath.Join(t.TempDir(), "copy.db")
		if err := db.CopyTo(ctx, to); err != nil {
			t.Fatal(err)
		}
		after := l.acked.Load()
		wantWhole(t, to)
		wantFiles2(t, to, "copy.db")
		last := wantOneCommit(t, to)
		if last < before || last > after+4 {
			t.Errorf("the copy ends at line %d, it was begun at %d and done at %d", last, before, after)
		}
		t.Logf("round %d: %d lines at the beginning, %d in the copy, %d at the end", i, before, last, after)
	}
}

func wantFiles2(t *testing.T, path string, want ...string) {
	t.Helper()
	wantFiles(t, filepath.Dir(path), want...)
}

// TestCopyHasNoFreePages: not those of the store, and none that the copy has made, which
// would hold what was deleted while it was being made.
func TestCopyHasNoFreePages(t *testing.T) {
	db := filled(t)
	marks := make([][]byte, 40)
	for i := range marks {
		marks[i] = fmt.Appendf(nil, "mark %d, to be gone for good", i)
		mustPut(t, db, fmt.Sprintf("mark%d", i), string(bytes.Repeat(marks[i], 300)))
	}
	deleted := make(chan error, 1)
	go func() {
		for i := range marks {
			err := db.Update(ctx, func(tx *store.Tx) error { return tx.Delete(store.Secrets, fmt.Appendf(nil, "mark%d", i)) })
			if err != nil {
				deleted <- err
				return
			}
			time.Sleep(2 * time.Millisecond)
		}
		deleted <- nil
	}()
	to := filepath.Join(t.TempDir(), "copy.db")
	err := errors.Join(db.CopyTo(ctx, to), <-deleted)
	if err != nil {
		t.Fatal(err)
	}
	there, data := dump(t, to)["secrets"], printOf(t, to).data
	for i, mark := range marks {
		if _, ok := there[fmt.Sprintf("mark%d", i)]; !ok && bytes.Contains(data, mark) {
			t.Errorf("mark %d is gone from the copy and still in its file", i)
		}
	}
}

func TestCopyToRefuses(t *testing.T) {
	db := filled(t)
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantErr(t, db.CopyTo(ctx, there), fs.ErrExist)
	wantErr(t, db.CopyTo(ctx, filepath.Join(dir, "missing", "copy.db")), fs.ErrNotExist)
	ended, end := context.WithCancel(ctx)
	end()
	wantErr(t, db.CopyTo(ended, filepath.Join(dir, "copy.db")), context.Canceled)
	if string(printOf(t, there).data) != "mine" {
		t.Error("what was there has changed")
	}
	wantFiles(t, dir, "there")

	short, cancel := context.WithTimeout(ctx, 3*time.Millisecond) // amid the copy
	defer cancel()
	wantErr(t, db.CopyTo(short, filepath.Join(dir, "copy.db")), context.DeadlineExceeded)
	wantFiles(t, dir, "there")

	ro := open(t, store.Config{Path: copyOf(t, db), ReadOnly: true})
	wantErr(t, ro.CopyTo(ctx, filepath.Join(dir, "copy.db")), store.ErrReadOnly)
	wantErr(t, ro.Compact(ctx), store.ErrReadOnly)
	close(t, db)
	wantErr(t, db.CopyTo(ctx, filepath.Join(dir, "copy.db")), store.ErrStopped)
	wantErr(t, db.Compact(ctx), store.ErrStopped)
	wantFiles(t, dir, "there")
}

func copyOf(t testing.TB, db *store.DB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := db.CopyTo(ctx, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCloseEndsACopy: Close does not wait until a copy is whole.
func TestCloseEndsACopy(t *testing.T) {
	db := filled(t)
	dir := t.TempDir()
	copied := make(chan error, 1)
	go func() { copied <- db.CopyTo(ctx, filepath.Join(dir, "copy.db")) }()
	eventually(t, "a copy is begun", func() bool {
		entries, err := os.ReadDir(dir)
		return err == nil && len(entries) > 0
	})
	close(t, db)
	if err := <-copied; err != nil {
		wantErr(t, err, store.ErrStopped)
		wantFiles(t, dir)
	}
}

// TestCopiesTakeTurns: two at once both succeed.
func TestCopiesTakeTurns(t *testing.T) {
	db := filled(t)
	l := startLoad(t, db, 2)
	defer l.end()
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			err := db.Compact(ctx)
			if i > 0 {
				err = db.CopyTo(ctx, filepath.Join(dir, fmt.Sprint(i)))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantOneCommit(t, filepath.Join(dir, "1"))
	wantOneCommit(t, filepath.Join(dir, "2"))
}

// TestCompactUnderLoad: what is acknowledged before, while and after is there, snapshots
// go on to see what they saw, and the old file is gone.
func TestCompactUnderLoad(t *testing.T) {
	db := filled(t)
	before, err := db.Size()
	if err != nil {
		t.Fatal(err)
	}
	l := startLoad(t, db, 4)
	held, release := make(chan struct{}), make(chan struct{})
	viewed := make(chan error, 1)
	go func() {
		viewed <- db.View(func(s *store.Snapshot) error {
			last, _ := s.Last(store.Audit)
			held <- struct{}{}
			<-release
			if now, _ := s.Last(store.Audit); !bytes.Equal(last, now) {
				t.Error("a snapshot has changed")
			}
			return nil
		})
	}()
	<-held
	compacted := make(chan error, 1)
	go func() { compacted <- db.Compact(ctx) }()
	was := printStat(t, db.Path())
	eventually(t, "the file is exchanged", func() bool { return !os.SameFile(was, printStat(t, db.Path())) })
	at := l.acked.Load()
	eventually(t, "commits go on while a snapshot of the old file is open", func() bool { return l.acked.Load() > at+10 })
	select {
	case err := <-compacted:
		t.Errorf("it does not wait for the snapshot: %v", err)
	default:
	}
	release <- struct{}{}
	if err := errors.Join(<-viewed, <-compacted); err != nil {
		t.Fatal(err)
	}
	l.end()
	after, err := db.Size()
	if err != nil || after.File >= before.File || before.Free == 0 {
		t.Errorf("size %+v, before %+v, %v", after, before, err)
	}
	wantErr(t, openAgain(db.Path()), store.ErrLocked)
	close(t, db)
	wantWhole(t, db.Path())
	if last := wantOneCommit(t, db.Path()); last != l.acked.Load() {
		t.Errorf("the file ends at line %d, %d was acknowledged", last, l.acked.Load())
	}
	wantFiles2(t, db.Path(), "vault.db")
}

func openAgain(path string) error {
	db, err := store.Open(store.Config{Path: path})
	if err == nil {
		db.Close()
	}
	return err
}

func printStat(t testing.TB, path string) fs.FileInfo {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// compactLoadedChild writes and compacts for ever, and prints each line that is
// acknowledged.
func compactLoadedChild(dir string) error {
	db, err := store.Open(store.Config{Path: filepath.Join(dir, "vault.db")})
	if err != nil {
		return err
	}
	l := &load{db: db}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for l.write() == nil {
				fmt.Println(l.acked.Load())
			}
		})
	}
	for err == nil {
		err = db.Compact(ctx)
	}
	return err
}

// TestCompactKilledUnderLoad: what was acknowledged is there, whichever file the kill
// has left at the name.
func TestCompactKilledUnderLoad(t *testing.T) {
	db := filled(t)
	dir := filepath.Dir(db.Path())
	close(t, db)
	rounds := 3
	if testing.Short() {
		rounds = 2
	}
	for i := range rounds {
		cmd := command(t, "compactloaded", dir)
		var out bytes.Buffer
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(100+i*83) * time.Millisecond)
		cmd.Process.Kill() //nolint:errcheck // Wait tells
		if cmd.Wait() == nil || cmd.ProcessState.ExitCode() != -1 {
			t.Fatalf("the child ended by itself: %v", cmd.ProcessState)
		}
		acked := uint64(0)
		for line := range bytes.Lines(out.Bytes()) {
			var n uint64
			if bytes.HasSuffix(line, []byte("\n")) {
				fmt.Sscan(string(line), &n)
			}
			acked = max(acked, n)
		}
		wantWhole(t, db.Path())
		if last := wantOneCommit(t, db.Path()); last < acked {
			t.Errorf("the file ends at line %d, %d was acknowledged", last, acked)
		}
	}
}

// TestCopyOnAFullDisk: nothing of it is left, and the store goes on.
func TestCopyOnAFullDisk(t *testing.T) { run(t, command(t, "copylimit", t.TempDir())) }

func copyLimitChild(dir string) error {
	db, err := store.Open(store.Config{Path: filepath.Join(dir, "vault.db")})
	if err != nil {
		return err
	}
	defer db.Close()
	for i := range 40 {
		if err := db.Update(ctx, put(fmt.Sprintf("k%d", i), string(make([]byte, 50<<10)))); err != nil {
			return err
		}
	}
	for i, limit := range []uint64{0, 4 << 10, 100 << 10, 1 << 20} {
		if err := limitFiles(limit); err != nil {
			return err
		}
		err := db.CopyTo(ctx, filepath.Join(dir, "copy.db"))
		err2 := db.Compact(ctx)
		if !errors.Is(err, store.ErrFull) || !errors.Is(err2, store.ErrFull) {
			return fmt.Errorf("with space for %d bytes: %v, %v", limit, err, err2)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			return fmt.Errorf("with space for %d bytes it left %v, %w", limit, entries, err)
		}
		if err := errors.Join(limitFiles(noLimit), db.Update(ctx, put("goes on", fmt.Sprint(i)))); err != nil {
			return err
		}
	}
	return errors.Join(db.Compact(ctx), db.Update(ctx, put("goes on", "again")), db.CopyTo(ctx, filepath.Join(dir, "copy.db")))
}

// TestSizeUnderLoad: what is measured while commits go on is of one of them.
func TestSizeUnderLoad(t *testing.T) {
	db := filled(t)
	l := startLoad(t, db, 4)
	defer l.end()
	for l.acked.Load() < 60 {
		size, err := db.Size()
		if err != nil || size.Free <= 0 || size.Free >= size.File {
			t.Fatalf("%+v, %v", size, err)
		}
	}
}
