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
	reserved bool

	claimed atomic.Bool // by the writer that runs it or the caller that gives up
	opErr   error       // the writer's: what op returned
	answer  chan error  // takes one
}

func newRequest(ctx context.Context, op func(*Tx) error, reserved bool) *request {
	return &request{ctx: ctx, op: op, reserved: reserved, answer: make(chan error, 1)}
}

// wait returns the answer, or ctx.Err() when ctx ended before the operation was
// begun. Once begun, it may become durable, so its answer is waited for.
func (r *request) wait() error {
	select {
	case err := <-r.answer:
		return err
	case <-r.ctx.Done():
		if r.claim() {
			return r.ctx.Err()
		}
		return <-r.answer
	}
}

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
