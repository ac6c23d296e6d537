package store

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
)

// A writer is the one goroutine that commits.
type writer struct {
	path      string
	bolt      *bolt.DB
	reserve   *reserve
	prepare   func(*Tx) error
	committed func()
	commit    func(*bolt.Tx) error // the commit step; tests make it fail

	queue  chan *request // closed to end the writer
	exited chan struct{} // closed when it has ended

	cause   atomic.Pointer[error] // why it stopped for good
	stopped chan struct{}         // closed then
}

func newWriter(cfg Config, b *bolt.DB, r *reserve) *writer {
	return &writer{
		path:      cfg.Path,
		bolt:      b,
		reserve:   r,
		prepare:   cfg.Prepare,
		committed: cfg.Committed,
		commit:    (*bolt.Tx).Commit,
		queue:     make(chan *request, cfg.Queue),
		exited:    make(chan struct{}),
		stopped:   make(chan struct{}),
	}
}

// run serves the queue until it is closed and empty.
func (w *writer) run() {
	defer close(w.exited)
	debug.SetPanicOnFault(true) // a page behind the end of the file: see damage
	for first := range w.queue {
		w.serve(w.drain(first))
	}
}

// drain returns first and what else waits, at most maxBatch in all.
func (w *writer) drain(first *request) []*request {
	batch := []*request{first}
	// Those who were answered just now have their next operation almost ready.
	// Letting them run once keeps the first of them from getting a commit of
	// its own.
	runtime.Gosched()
	for len(batch) < maxBatch {
		select {
		case r, open := <-w.queue:
			if !open {
				return batch
			}
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// serve runs a batch and answers everyone in it.
func (w *writer) serve(batch []*request) {
	batch = w.admit(batch)
	err := w.try(batch)
	if errors.Is(err, ErrFull) {
		normal, reserved := split(batch)
		if len(reserved) > 0 && w.reserve.giveUp() {
			answerAll(normal, err)
			batch, err = reserved, w.try(reserved)
		}
	}
	answerAll(batch, err)
}

// admit claims the requests of a batch and answers those that are not to run:
// their callers gave up, the store has stopped, or the reserve is spent and
// they may not use it.
func (w *writer) admit(batch []*request) (admitted []*request) {
	for _, r := range batch {
		if !r.begin() {
			continue
		}
		if err := w.refuse(r); err != nil {
			r.answer <- err
			continue
		}
		admitted = append(admitted, r)
	}
	return admitted
}

func (w *writer) refuse(r *request) error {
	if err := w.failed(); err != nil {
		return err
	}
	if !r.reserved && !w.reserve.ready() {
		return fmt.Errorf("writing %q: %w", w.path, ErrFull)
	}
	return nil
}

// split parts those who may use the reserve from those who may not.
func split(batch []*request) (normal, reserved []*request) {
	for _, r := range batch {
		if r.reserved {
			reserved = append(reserved, r)
		} else {
			normal = append(normal, r)
		}
	}
	return normal, reserved
}

// try runs a batch in one transaction and makes it durable. After an error
// nothing of it stands. It sets the opErr of each request.
func (w *writer) try(batch []*request) error {
	if len(batch) == 0 {
		return nil
	}
	a, err := beginAttempt(w.bolt)
	if err != nil {
		return w.fail(err)
	}
	if err := w.fill(a, batch); err != nil {
		return w.rollback(a, err)
	}
	if !a.changed() {
		if err := a.discard(); err != nil {
			return w.fail(err)
		}
		return nil
	}
	if err := w.makeDurable(a); err != nil {
		return w.rollback(a, err)
	}
	if err := safely(func() error { w.committed(); return nil }); err != nil {
		w.fail(fmt.Errorf("after a commit: %w", err)) //nolint:errcheck // what was committed stands
	}
	return nil
}

// fill runs the operations and, when they changed something, prepare.
func (w *writer) fill(a *attempt, batch []*request) (err error) {
	for _, r := range batch {
		if r.opErr, err = a.run(r.op); err != nil {
			return err
		}
	}
	if !a.changed() {
		return nil
	}
	opErr, err := a.run(w.prepare)
	if err != nil {
		return err
	}
	return opErr
}

// makeDurable commits. Its error is ErrFull when the disk is known to be as it
// was, and ErrStopped when nothing is known.
func (w *writer) makeDurable(a *attempt) error {
	id := a.btx.ID()
	err := safely(func() error { return w.commit(a.btx) })
	if err == nil {
		return nil
	}
	if isFullCommit(err) && !w.happened(a, id) {
		return fmt.Errorf("writing %q: %w: %w", w.path, ErrFull, err)
	}
	return w.fail(fmt.Errorf("committing to %q: %w", w.path, err))
}

// happened reports whether a commit that failed can be seen all the same: a
// write of the meta page that failed may have got far enough.
func (w *writer) happened(a *attempt, id int) bool {
	if a.discard() != nil {
		return true
	}
	newest, err := txid(w.bolt)
	return err != nil || newest >= id
}

// rollback takes an attempt back because of err, which it returns.
func (w *writer) rollback(a *attempt, err error) error {
	if rerr := a.rollback(); rerr != nil {
		return w.fail(errors.Join(err, fmt.Errorf("rolling back: %w", rerr)))
	}
	return err
}

// fail stops the store for good and returns the error that everyone gets. The
// first cause is kept.
func (w *writer) fail(cause error) error {
	err := fmt.Errorf("%w: %w", ErrStopped, cause)
	if w.cause.CompareAndSwap(nil, &err) {
		close(w.stopped)
	}
	return w.failed()
}

func (w *writer) failed() error {
	if err := w.cause.Load(); err != nil {
		return *err
	}
	return nil
}
