package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/agent-secret-store/assd/store"
)

func TestNoChangeUnderAScan(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	mustPut(t, db, "a", "1")
	err := db.Update(ctx, func(tx *store.Tx) error {
		scan := tx.Scan(store.Secrets, nil, func(k, _ []byte) (bool, error) {
			if err := tx.Put(store.Values, k, nil); err != nil {
				t.Errorf("changing another bucket: %v", err)
			}
			return true, tx.Delete(store.Secrets, k)
		})
		if scan == nil {
			t.Error("deleting from a bucket that was being scanned was let through")
		}
		back := tx.ScanBack(store.Secrets, nil, func(k, _ []byte) (bool, error) {
			return true, tx.Put(store.Secrets, k, nil)
		})
		if back == nil {
			t.Error("writing to a bucket that was being scanned was let through")
		}
		return tx.Put(store.Secrets, []byte("a"), []byte("2"))
	})
	wantErr(t, err, nil)
	wantValue(t, db, "a", "2")
}

func TestNoChangeAfterTheOperation(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	l := hold(t, db)
	var kept *store.Tx
	l.update(func(tx *store.Tx) error { kept = tx; return nil })
	l.update(func(tx *store.Tx) error {
		if put("late", "1")(kept) == nil || kept.Delete(store.Secrets, []byte("x")) == nil {
			t.Error("a transaction can be changed after its operation has ended")
		}
		return nil
	})
	wantErr(t, errors.Join(l.commit()...), nil)
}

// TestScanOverEmptiedPages: bbolt leaves pages empty until the commit.
func TestScanOverEmptiedPages(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	const n = 1000 // many pages
	fill(t, db, n)
	for _, keep := range []map[int]bool{{}, {0: true}, {500: true}, {n - 1: true}, {0: true, n - 1: true}} {
		err := db.Update(ctx, func(tx *store.Tx) error {
			deleteBut(t, tx, n, keep)
			wantKeys(t, tx, keep)
			return errNo
		})
		wantErr(t, err, errNo)
	}
}

func deleteBut(t *testing.T, tx *store.Tx, n int, keep map[int]bool) {
	for i := range n {
		if keep[i] {
			continue
		}
		if err := tx.Delete(store.Secrets, fmt.Appendf(nil, "k%06d", i)); err != nil {
			t.Error(err)
		}
	}
}

func wantKeys(t *testing.T, r store.Reader, keep map[int]bool) {
	var want []string
	for i := range keep {
		want = append(want, fmt.Sprintf("k%06d", i))
	}
	slices.Sort(want)
	var got []string
	collect := func(k, _ []byte) (bool, error) { got = append(got, string(k)); return true, nil }
	if err := r.Scan(store.Secrets, nil, collect); err != nil || !slices.Equal(got, want) {
		t.Errorf("Scan finds %q, %v; want %q", got, err, want)
	}
	got = nil
	slices.Reverse(want)
	if err := r.ScanBack(store.Secrets, nil, collect); err != nil || !slices.Equal(got, want) {
		t.Errorf("ScanBack finds %q, %v; want %q", got, err, want)
	}
	last, _ := r.Last(store.Secrets)
	if len(want) == 0 && last != nil || len(want) > 0 && string(last) != want[0] {
		t.Errorf("Last finds %q of %q", last, want)
	}
}

func TestBadKeys(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	for _, key := range []string{"", string(make([]byte, 32<<10+1))} {
		if err := db.Update(ctx, put(key, "1")); err == nil {
			t.Errorf("a key of %d bytes was taken", len(key))
		}
	}
	mustPut(t, db, string(make([]byte, 32<<10)), "longest")
}

func TestUnknownBucketFailsAlone(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	if err := db.Update(ctx, func(tx *store.Tx) error { return tx.Put("nosuch", []byte("a"), nil) }); err == nil {
		t.Error("a bucket that does not exist was written to")
	}
	wantErr(t, db.Failed(), nil)
}

func TestPutCopies(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	key, value := []byte("key"), []byte("value")
	l := hold(t, db)
	l.update(func(tx *store.Tx) error { return tx.Put(store.Secrets, key, value) })
	l.update(func(*store.Tx) error { copy(key, "xxx"); copy(value, "xxxxx"); return nil })
	wantErr(t, errors.Join(l.commit()...), nil)
	wantValue(t, db, "key", "value")

	key = []byte("new")
	l = hold(t, db)
	l.update(func(tx *store.Tx) error {
		err := tx.Put(store.Secrets, key, nil)
		copy(key, "xxx")
		return errors.Join(err, errNo)
	})
	l.update(put("other", "1"))
	wantErr(t, l.commit()[0], errNo)
	err := db.View(func(s *store.Snapshot) error {
		if s.Get(store.Secrets, []byte("new")) != nil {
			t.Error("a change was not undone whose key was overwritten later")
		}
		return nil
	})
	wantErr(t, err, nil)
}

// fill writes n secrets named k000000, k000001, … in one commit.
func fill(t testing.TB, db *store.DB, n int) {
	t.Helper()
	err := db.Update(ctx, func(tx *store.Tx) error {
		for i := range n {
			if err := put(fmt.Sprintf("k%06d", i), fmt.Sprint("value ", i))(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestChunks(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	fill(t, db, 100)
	for _, n := range []int{1, 7, 100, 1000} {
		var got []string
		err := db.Chunks(store.Secrets, []byte("k000010"), n, func(k, _ []byte) (bool, error) {
			got = append(got, string(k))
			return string(k) != "k000050", nil
		})
		wantErr(t, err, nil)
		if len(got) != 41 || got[0] != "k000010" || got[40] != "k000050" {
			t.Errorf("in chunks of %d: %q", n, got)
		}
	}
	calls := 0
	err := db.Chunks(store.Secrets, nil, 10, func(k, v []byte) (bool, error) {
		calls++
		k[0], v[0] = 'x', 'x' // they are the caller's own
		return true, nil
	})
	if err != nil || calls != 100 {
		t.Errorf("%d calls for 100 entries, %v", calls, err)
	}
	err = db.Chunks(store.Secrets, nil, 3, func(_, _ []byte) (bool, error) { return true, errNo })
	wantErr(t, err, errNo)
	if db.Chunks(store.Secrets, nil, 0, nil) == nil {
		t.Error("chunks of nothing were accepted")
	}
}

// A walk over everything may write, and holds up neither the writer nor the use
// of freed pages.
func TestChunksHoldNoSnapshot(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	fill(t, db, 50)
	size := func() int { return len(printOf(t, db.Path()).data) }
	before := size()
	big := string(make([]byte, 100<<10))
	err := db.Chunks(store.Secrets, nil, 10, func(k, _ []byte) (bool, error) {
		return true, db.Update(ctx, put("a", big)) // before all others: replaces itself
	})
	wantErr(t, err, nil)
	if grown := size() - before; grown > 3<<20 {
		t.Errorf("the file grew by %d bytes while 5 MB were replaced by each other", grown)
	}
}

func TestSnapshotStandsStill(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	mustPut(t, db, "a", "1")
	err := db.View(func(s *store.Snapshot) error {
		mustPut(t, db, "a", "2")
		if got := string(s.Get(store.Secrets, []byte("a"))); got != "1" {
			t.Errorf("the snapshot moved on to %q", got)
		}
		return nil
	})
	wantErr(t, err, nil)
	wantValue(t, db, "a", "2")
}

func TestViewReturnsItsError(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	wantErr(t, db.View(func(*store.Snapshot) error { return errNo }), errNo)
	defer func() {
		if recover() != "mine" {
			t.Error("View swallowed a panic that was not the file's")
		}
	}()
	db.View(func(*store.Snapshot) error { panic("mine") }) //nolint:errcheck
}
