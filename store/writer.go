package store

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
)

// A writer is who commits: at any time one of the goroutines that called Update,
// the leader. It commits what has queued, its own request among it, answers
// everyone, and hands the lead to the first of those that queued meanwhile. So a
// lone caller commits without waking anyone.
//
// Source of the algorithm: LevelDB's writer queue (DBImpl::Write).
type writer struct {
	path      string
	bolt      *bolt.DB // the leader's: Compact exchanges it
	reserve   *reserve
	prepare   func(*Tx) error
	committed func()
	commit    func(*bolt.Tx) error // the commit step; tests make it fail
	most      int                  // requests that may wait

	company bool // the last batch was of several; the leader's

	mu     sync.Mutex
	queue  []*request // those that wait
	led    bool       // somebody leads
	closed bool
	idle   sync.Cond // nobody leads any more

	watcher atomic.Pointer[changes] // who is told what commits change; nil is nobody

	cause   atomic.Pointer[error] // why it stopped for good
	stopped chan struct{}         // closed then
}

func newWriter(cfg Config, b *bolt.DB, r *reserve) *writer {
	w := &writer{
		path:      cfg.Path,
		bolt:      b,
		reserve:   r,
		prepare:   cfg.Prepare,
		committed: cfg.Committed,
		commit:    (*bolt.Tx).Commit,
		most:      cfg.Queue,
		stopped:   make(chan struct{}),
	}
	w.idle.L = &w.mu
	return w
}

// submit queues r and returns its answer. It leads if nobody does.
func (w *writer) submit(r *request) error {
	lead, err := w.enqueue(r)
	if err != nil {
		return err
	}
	if lead {
		w.lead()
	}
	return r.wait(w)
}

// enqueue reports whether the caller has to lead.
func (w *writer) enqueue(r *request) (lead bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch err := w.failed(); {
	case w.closed:
		return false, fmt.Errorf("writing %q: %w", w.path, ErrStopped)
	case err != nil:
		return false, err
	case len(w.queue) >= w.most && r.alone == nil: // there is one of these at most
		return false, fmt.Errorf("writing %q: %w", w.path, ErrBusy)
	}
	w.queue = append(w.queue, r)
	lead = !w.led
	w.led = true
	return lead, nil
}

// lead serves one batch and hands the lead on.
func (w *writer) lead() {
	// A page behind the end of the file panics: see damage.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	// Those who were answered just now have their next operation almost ready.
	// Letting them run once keeps the first of them from getting a commit of
	// its own; a lone caller would only be moved to another thread.
	if w.company {
		runtime.Gosched()
	}
	batch := w.take()
	w.company = len(batch) > 1
	w.serve(batch)
	w.handOn()
}

// take takes the next batch out of the queue.
func (w *writer) take() []*request {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.queue), maxBatch)
	if i := slices.IndexFunc(w.queue[:n], (*request).isAlone); i >= 0 {
		n = max(i, 1)
	}
	batch := slices.Clone(w.queue[:n])
	w.queue = slices.Delete(w.queue, 0, n)
	return batch
}

// handOn hands the lead to the first that waits, if anyone does.
func (w *writer) handOn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) > 0 {
		if next := w.queue[0]; next.promote() {
			return
		}
		w.queue = slices.Delete(w.queue, 0, 1) // it has left
	}
	w.led = false
	w.idle.Broadcast()
}

// close refuses further requests and waits for those that are queued.
func (w *writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for w.led {
		w.idle.Wait()
	}
}

// waiting is how many requests wait.
func (w *writer) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue)
}

// serve runs a batch and answers everyone in it.
func (w *writer) serve(batch []*request) {
	if len(batch) == 1 && batch[0].isAlone() {
		w.serveAlone(batch[0])
		return
	}
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
	if c := w.watcher.Load(); c != nil {
		c.note(a.txs)
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
