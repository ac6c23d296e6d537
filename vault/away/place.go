package away

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Timeout is the longest that one attempt may take.
const Timeout = 15 * time.Second

// Checkpoint is what is sent: a signed head of the trail. It holds no secret.
type Checkpoint struct {
	Tenant    string
	Size      uint64 // events
	Hash      string // of the head, in hex
	Epoch     uint64
	Signature []byte
	Note      []byte // the signed note, which ends in a line break
}

// line is the checkpoint as one line of a log.
func (c Checkpoint) line() string {
	return fmt.Sprintf("checkpoint tenant=%s size=%d hash=%s epoch=%d signature=%s",
		c.Tenant, c.Size, c.Hash, c.Epoch, base64.StdEncoding.EncodeToString(c.Signature))
}

// Place is where checkpoints go. It is safe for concurrent use.
type Place interface {
	// String names it for owners and for the log: no path or query of a URL.
	String() string
	// Send sends c once. The error is one line, and that of ctx when ctx has ended.
	Send(ctx context.Context, c Checkpoint) error
	// Same reports whether what is sent to other goes the same way.
	Same(other Place) bool
	// Close lets go of what is kept for the next one.
	Close()
}

var (
	errSlow = errors.New("it did not answer within 15 seconds")
	errBusy = errors.New("an earlier attempt hangs in the system still")
)

// attempts runs what cannot be interrupted, one at a time.
type attempts struct{ busy atomic.Bool }

// run waits for fn, but no longer than for ctx and [Timeout].
func (a *attempts) run(ctx context.Context, fn func() error) error {
	slow := time.NewTimer(Timeout)
	defer slow.Stop()
	return a.wait(ctx, slow.C, fn)
}

// runLong is run for what may take as long as it takes.
func (a *attempts) runLong(ctx context.Context, fn func() error) error { return a.wait(ctx, nil, fn) }

func (a *attempts) wait(ctx context.Context, slow <-chan time.Time, fn func() error) error {
	if !a.busy.CompareAndSwap(false, true) {
		return errBusy
	}
	done := make(chan error, 1)
	go func() {
		err := fn()
		a.busy.Store(false)
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-slow:
		return errSlow
	case <-ctx.Done():
		return ctx.Err()
	}
}
