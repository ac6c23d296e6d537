package store

import (
	"context"
	"sync/atomic"
)

// A request is an operation on its way to the writer and its answer on the way
// back.
type request struct {
	ctx      context.Context
	op       func(*Tx) error
	alone    func() error // in place of op: see writer.alone
	reserved bool

	claimed atomic.Bool // by the writer that runs it or the caller that gives up
	opErr   error       // the writer's: what op returned
	answer  chan error  // takes one

	lead     atomic.Uint32 // waits, leads or left
	promoted chan struct{} // closed when it is to lead
}

func newRequest(ctx context.Context, op func(*Tx) error, reserved bool) *request {
	return &request{ctx: ctx, op: op, reserved: reserved, answer: make(chan error, 1), promoted: make(chan struct{})}
}

// wait returns the answer, or ctx.Err() when ctx ended before the operation was
// begun. Once begun, it may become durable, so its answer is waited for. Whoever
// is promoted while it waits leads.
func (r *request) wait(w *writer) error {
	select {
	case err := <-r.answer:
		return err
	case <-r.promoted:
		w.lead()
		return <-r.answer
	case <-r.ctx.Done():
	}
	if !r.leave() { // promoted just now
		w.lead()
		return <-r.answer
	}
	if r.claim() {
		return r.ctx.Err()
	}
	return <-r.answer
}

// promote makes r's caller the leader. It reports whether the caller is still
// there to lead.
func (r *request) promote() bool {
	if !r.lead.CompareAndSwap(waits, leads) {
		return false
	}
	close(r.promoted)
	return true
}

// leave gives up waiting. It reports false when the caller was promoted, and has
// to lead before it may go.
func (r *request) leave() bool { return r.lead.CompareAndSwap(waits, left) }

// What becomes of a request that waits for a commit it is not part of.
const (
	waits uint32 = iota
	leads
	left
)

// claim reports whether the one who calls is the first.
func (r *request) claim() bool { return r.claimed.CompareAndSwap(false, true) }

// begin reports whether the writer is to run the operation.
func (r *request) begin() bool {
	if !r.claim() {
		return false
	}
	if err := r.ctx.Err(); err != nil {
		r.answer <- err
		return false
	}
	return true
}

// answerAll answers each request with err, or if that is nil with what its own
// operation returned.
func answerAll(requests []*request, err error) {
	for _, r := range requests {
		if err != nil {
			r.answer <- err
		} else {
			r.answer <- r.opErr
		}
	}
}
