package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/agent-secret-store/assd/store"
)

var errNo = errors.New("no")

func TestDurableAfterReopen(t *testing.T) {
	path := newPath(t)
	db := open(t, store.Config{Path: path})
	mustPut(t, db, "a", "1")
	mustPut(t, db, "b", "")
	close(t, db)

	db = open(t, store.Config{Path: path})
	wantValue(t, db, "a", "1")
	err := db.View(func(s *store.Snapshot) error {
		if v := s.Get(store.Secrets, []byte("b")); v == nil {
			t.Error("an empty value looks as if there were none")
		}
		if v := s.Get(store.Secrets, []byte("c")); v != nil {
			t.Errorf("a key never written holds %q", v)
		}
		return nil
	})
	wantErr(t, err, nil)
	wantFiles(t, filepath.Dir(path), "vault.db")
	if mode := printOf(t, path).mode; mode != 0o600 {
		t.Errorf("the file's mode is %v", mode)
	}
}

func TestGroupCommit(t *testing.T) {
	var commits counter
	db := open(t, store.Config{Path: newPath(t), Committed: commits.count})
	l := hold(t, db)
	for i := range store.MaxBatch + 1 {
		l.update(put(fmt.Sprint(i), "x"))
	}
	if err := errors.Join(l.commit()...); err != nil {
		t.Error(err)
	}
	if got := commits.n.Load(); got != 2 {
		t.Errorf("%d commits of %d queued operations, want 2: a full batch and the rest", got, store.MaxBatch+1)
	}
}

func TestGroupCommitUnderLoad(t *testing.T) {
	const callers, each = 64, 10
	var commits counter
	db := open(t, store.Config{Path: newPath(t), Committed: commits.count})
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				if err := db.Update(ctx, put(fmt.Sprint(c, "/", i), "x")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := commits.n.Load(); got > callers*each/4 {
		t.Errorf("%d commits for %d operations of %d callers", got, callers*each, callers)
	}
	for c := range callers {
		wantValue(t, db, fmt.Sprint(c, "/", each-1), "x")
	}
}

func TestFailingOperationFailsAlone(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	mustPut(t, db, "old", "1")
	mustPut(t, db, "gone", "1")
	l := hold(t, db)
	l.update(put("before", "1"))
	l.update(func(tx *store.Tx) error {
		return errors.Join(put("old", "2")(tx), put("old", "3")(tx), put("new", "1")(tx), put("before", "2")(tx),
			tx.Delete(store.Secrets, []byte("gone")), errNo)
	})
	l.update(put("after", "1"))
	errs := l.commit()
	wantErr(t, errs[0], nil)
	wantErr(t, errs[1], errNo)
	wantErr(t, errs[2], nil)
	for key, want := range map[string]string{"before": "1", "old": "1", "gone": "1", "new": "", "after": "1"} {
		wantValue(t, db, key, want)
	}
}

func TestPanicFailsAlone(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	l := hold(t, db)
	l.update(put("before", "1"))
	l.update(func(tx *store.Tx) error {
		if err := put("before", "2")(tx); err != nil {
			return err
		}
		panic("hunter2")
	})
	l.update(func(tx *store.Tx) error {
		var none []int
		return put(fmt.Sprint(none[len(none)]), "1")(tx)
	})
	l.update(put("after", "1"))
	errs := l.commit()
	if err := errs[1]; err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("after a panic: error %v", err)
	}
	if err := errs[2]; err == nil || !strings.Contains(err.Error(), "index out of range") {
		t.Errorf("after a panic of the runtime: error %v", err)
	}
	wantErr(t, errors.Join(errs[0], errs[3]), nil)
	wantValue(t, db, "before", "1")
	wantValue(t, db, "after", "1")
}

func TestNothingChangedCommitsNothing(t *testing.T) {
	var commits counter
	prepared := 0
	db := open(t, store.Config{
		Path:      newPath(t),
		Committed: commits.count,
		Prepare:   func(*store.Tx) error { prepared++; return nil },
	})
	l := hold(t, db)
	l.update(func(tx *store.Tx) error { return errors.Join(put("a", "1")(tx), errNo) })
	l.update(func(tx *store.Tx) error { return tx.Delete(store.Secrets, []byte("absent")) })
	errs := l.commit()
	wantErr(t, errs[0], errNo)
	wantErr(t, errs[1], nil)
	if n := commits.n.Load(); n != 0 || prepared != 0 {
		t.Errorf("%d commits, prepared %d times, although nothing changed", n, prepared)
	}
}

func TestPrepareIsPartOfTheCommit(t *testing.T) {
	var refuse error
	db := open(t, store.Config{Path: newPath(t), Prepare: func(tx *store.Tx) error {
		if tx.Get(store.Secrets, []byte("a")) == nil {
			t.Error("Prepare does not see the operation's change")
		}
		return errors.Join(put("prepared", "1")(tx), refuse)
	}})
	mustPut(t, db, "a", "1")
	wantValue(t, db, "prepared", "1")

	refuse = errNo
	undone := ""
	l := hold(t, db)
	l.update(func(tx *store.Tx) error {
		tx.OnUndo(func() { undone += "1" })
		tx.OnUndo(func() { undone += "2" })
		return put("b", "1")(tx)
	})
	l.update(func(tx *store.Tx) error {
		tx.OnUndo(func() { undone += "3" })
		return nil
	})
	for _, err := range l.commit() {
		wantErr(t, err, errNo)
	}
	wantValue(t, db, "b", "")
	if undone != "321" {
		t.Errorf("hooks ran in the order %q, want 321", undone)
	}
}

func TestOnUndo(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	ran := ""
	l := hold(t, db)
	l.update(func(tx *store.Tx) error {
		tx.OnUndo(func() { ran += "succeeded" })
		return put("a", "1")(tx)
	})
	l.update(func(tx *store.Tx) error {
		tx.OnUndo(func() { ran += "1" })
		tx.OnUndo(func() { ran += "2" })
		return errNo
	})
	l.commit()
	if ran != "21" {
		t.Errorf("hooks ran: %q, want 21", ran)
	}
}

func TestPanickingHookStopsTheStore(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	l := hold(t, db)
	l.update(put("a", "1"))
	l.update(func(tx *store.Tx) error {
		tx.OnUndo(func() { panic("hook") })
		return errNo
	})
	for _, err := range l.commit() {
		wantErr(t, err, store.ErrStopped)
	}
	wantErr(t, db.Failed(), store.ErrStopped)
}

func TestCommittedRunsBeforeTheAnswer(t *testing.T) {
	committed := false
	db := open(t, store.Config{Path: newPath(t), Committed: func() { committed = true }})
	mustPut(t, db, "a", "1")
	if !committed {
		t.Error("answered before Committed ran")
	}
}

func TestPanickingCommittedStopsTheStore(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t), Committed: func() { panic("head") }})
	if err := db.Update(ctx, put("a", "1")); err != nil {
		t.Errorf("the commit stands, but its caller got %v", err)
	}
	wantErr(t, db.Update(ctx, put("a", "2")), store.ErrStopped)
	<-db.Done()
}

func TestCancelledBeforeItBegan(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	cancelled, cancel := context.WithCancel(ctx)
	l := hold(t, db)
	ran := false
	l.add(func() error {
		return db.Update(cancelled, func(tx *store.Tx) error { ran = true; return put("a", "1")(tx) })
	})
	cancel()
	wantErr(t, l.calls[0](), context.Canceled) // while the writer is still held
	l.calls = nil
	l.commit()
	mustPut(t, db, "b", "1")
	if ran {
		t.Error("an operation ran whose caller had been told that it would not")
	}
	wantErr(t, db.Update(cancelled, put("c", "1")), context.Canceled)
}

func TestCancelledOnceBegun(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	cancelled, cancel := context.WithCancel(ctx)
	err := db.Update(cancelled, func(tx *store.Tx) error { cancel(); return put("a", "1")(tx) })
	wantErr(t, err, nil)
	wantValue(t, db, "a", "1")
}

func TestBusy(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t), Queue: 1})
	l := hold(t, db)
	l.update(put("a", "1"))
	wantErr(t, db.Update(ctx, put("b", "1")), store.ErrBusy)
	wantErr(t, errors.Join(l.commit()...), nil)
	wantValue(t, db, "a", "1")
}
