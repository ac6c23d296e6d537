package store_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/store"
)

// childEnv names what a copy of the test binary is to do in place of the tests.
const childEnv = "STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		child, ok := children[name]
		if !ok {
			fmt.Fprintf(os.Stderr, "no child %q\n", name)
			os.Exit(2)
		}
		if err := child(os.Getenv(childEnv + "_DIR")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Set("rapid.steps", "10") // by default; each commit waits for the disk
	os.Exit(m.Run())
}

// children are the bodies of child processes; each gets a directory.
var children = map[string]func(dir string) error{}

var ctx = context.Background()

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "vault.db") }

// open opens cfg and closes it when the test ends.
func open(t testing.TB, cfg store.Config) *store.DB {
	t.Helper()
	db, err := store.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(t, db) })
	return db
}

func close(t testing.TB, db *store.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

// put returns an operation that sets a secret.
func put(key, value string) func(*store.Tx) error {
	return func(tx *store.Tx) error { return tx.Put(store.Secrets, []byte(key), []byte(value)) }
}

func mustPut(t testing.TB, db *store.DB, key, value string) {
	t.Helper()
	if err := db.Update(ctx, put(key, value)); err != nil {
		t.Fatalf("putting %q: %v", key, err)
	}
}

// get returns the value of a secret, "" when there is none.
func get(t testing.TB, db *store.DB, key string) (value string) {
	t.Helper()
	err := db.View(func(s *store.Snapshot) error {
		value = string(s.Get(store.Secrets, []byte(key)))
		return nil
	})
	if err != nil {
		t.Fatalf("getting %q: %v", key, err)
	}
	return value
}

func wantValue(t testing.TB, db *store.DB, key, want string) {
	t.Helper()
	if got := get(t, db, key); got != want {
		t.Errorf("%q holds %q, want %q", key, got, want)
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

// A line is operations that were queued behind one that holds the writer, so
// that they share the next commit.
type line struct {
	t       testing.TB
	db      *store.DB
	release chan struct{}
	first   chan error
	calls   []func() error // each waits for one operation
}

// hold occupies the writer of db until commit is called.
func hold(t testing.TB, db *store.DB) *line {
	l := &line{t: t, db: db, release: make(chan struct{}), first: make(chan error, 1)}
	begun := make(chan struct{})
	go func() {
		l.first <- db.Update(ctx, func(*store.Tx) error {
			begun <- struct{}{}
			<-l.release
			return nil
		})
	}()
	<-begun
	return l
}

// add queues op behind those added before.
func (l *line) add(call func() error) {
	before := l.db.Queued()
	answer := make(chan error, 1)
	go func() { answer <- call() }()
	eventually(l.t, "an operation is queued", func() bool { return l.db.Queued() > before })
	l.calls = append(l.calls, func() error { return <-answer })
}

func (l *line) update(op func(*store.Tx) error) {
	l.add(func() error { return l.db.Update(ctx, op) })
}

// commit lets the writer go and returns what each operation was answered.
func (l *line) commit() []error {
	l.release <- struct{}{}
	if err := <-l.first; err != nil {
		l.t.Errorf("the operation that held the writer: %v", err)
	}
	var errs []error
	for _, wait := range l.calls {
		errs = append(errs, wait())
	}
	return errs
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(50 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// A clock stands still until it is told to go on.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1_700_000_000, 0)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// counter counts commits: use count as Config.Committed.
type counter struct{ n atomic.Int64 }

func (c *counter) count() { c.n.Add(1) }

// A print is all that may not change about a file that is refused.
type print struct {
	data  []byte
	mode  fs.FileMode
	mtime time.Time
}

func printOf(t testing.TB, path string) print {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return print{data, info.Mode(), info.ModTime()}
}

// wantRefused checks that the file is refused with want, twice over, and left
// just as it was.
func wantRefused(t *testing.T, path string, want error) {
	t.Helper()
	before := printOf(t, path)
	for _, readOnly := range []bool{false, true} {
		db, err := store.Open(store.Config{Path: path, ReadOnly: readOnly})
		if err == nil {
			close(t, db)
		}
		wantErr(t, err, want)
	}
	after := printOf(t, path)
	if !bytes.Equal(after.data, before.data) || after.mode != before.mode || !after.mtime.Equal(before.mtime) {
		t.Error("the file that was refused has changed")
	}
	wantFiles(t, filepath.Dir(path), filepath.Base(path))
}

// wantFiles checks what lies in a directory.
func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the directory holds %q, want %q", got, want)
	}
}
