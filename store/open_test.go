package store_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/agent-secret-store/assd/store"
)

func TestClose(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	l := hold(t, db)
	l.update(put("queued", "1"))
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	eventually(t, "new operations are refused", func() bool {
		ended, cancel := context.WithCancel(ctx)
		defer cancel()
		go cancel()
		return errors.Is(db.Update(ended, put("late", "1")), store.ErrStopped)
	})
	wantErr(t, errors.Join(l.commit()...), nil)
	wantErr(t, <-closed, nil)
	wantErr(t, db.Close(), nil)
	wantErr(t, db.View(func(*store.Snapshot) error { return nil }), store.ErrStopped)
	wantErr(t, db.Failed(), nil)

	db = open(t, store.Config{Path: db.Path()})
	wantValue(t, db, "queued", "1")
}

func TestLocked(t *testing.T) {
	path := newPath(t)
	db := open(t, store.Config{Path: path})
	for _, readOnly := range []bool{false, true} {
		_, err := store.Open(store.Config{Path: path, ReadOnly: readOnly})
		wantErr(t, err, store.ErrLocked)
	}
	close(t, db)
	open(t, store.Config{Path: path})
}

func TestReadOnly(t *testing.T) {
	path := newPath(t)
	db := open(t, store.Config{Path: path})
	mustPut(t, db, "a", "1")
	close(t, db)
	before := printOf(t, path)

	reserve := filepath.Join(t.TempDir(), "reserve")
	db = open(t, store.Config{Path: path, ReadOnly: true, ReservePath: reserve})
	open(t, store.Config{Path: path, ReadOnly: true}) // the lock is shared
	wantErr(t, db.Update(ctx, put("a", "2")), store.ErrReadOnly)
	wantValue(t, db, "a", "1")
	wantErr(t, db.Failed(), nil)
	if after := printOf(t, path); string(after.data) != string(before.data) || !after.mtime.Equal(before.mtime) {
		t.Error("reading changed the file")
	}
	if _, err := os.Lstat(reserve); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading made a reserve: %v", err)
	}
}

func TestMissing(t *testing.T) {
	for _, cfg := range []store.Config{{MustExist: true}, {ReadOnly: true}} {
		cfg.Path = newPath(t)
		_, err := store.Open(cfg)
		wantErr(t, err, store.ErrMissing)
		if !strings.Contains(err.Error(), cfg.Path) {
			t.Errorf("the error does not name the file: %v", err)
		}
		wantFiles(t, filepath.Dir(cfg.Path))
	}
}

func TestCreatedOnce(t *testing.T) {
	path := newPath(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var opened []*store.DB
	for range 8 {
		wg.Go(func() {
			db, err := store.Open(store.Config{Path: path})
			if err != nil {
				wantErr(t, err, store.ErrLocked)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			opened = append(opened, db)
		})
	}
	wg.Wait()
	if len(opened) > 1 {
		t.Errorf("%d stores are open on one file", len(opened))
	}
	for _, db := range opened {
		close(t, db)
	}
	wantFiles(t, filepath.Dir(path), "vault.db")
}
