package vault

import (
	"context"
	"math"
	"sync"
	"time"
)

// A runner is a goroutine of the vault that can be ended alone.
type runner struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// begin runs fn, until ctx ends or the runner is ended.
func (v *Vault) begin(ctx context.Context, fn func(context.Context)) runner {
	r := runner{ended: make(chan struct{})}
	ctx, r.cancel = context.WithCancel(ctx)
	v.done.Go(func() {
		defer close(r.ended)
		fn(ctx)
	})
	return r
}

// end ends it and waits for it.
func (r runner) end() {
	r.cancel()
	<-r.ended
}

// A bell wakes the one goroutine that waits for it. What rings while nobody waits is heard
// by the next wait, once.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default: // it has rung, and nobody has heard it yet
	}
}

// forever is for waits that only the bell ends.
const forever time.Duration = math.MaxInt64

// wait waits until it rings, for so long at most, or until ctx ends.
func (b bell) wait(ctx context.Context, atMost time.Duration) {
	t := time.NewTimer(atMost)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-b:
	case <-t.C:
	}
}

// shown is what one goroutine shows to others of how it stands.
type shown[T any] struct {
	mu sync.Mutex
	is T
}

// show changes it.
func (s *shown[T]) show(change func(*T)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.is)
}

func (s *shown[T]) look() T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.is
}
