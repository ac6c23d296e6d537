package vault

import (
	"context"
	"sync"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

// turning is how far the walk is that wraps values anew, for those who ask, and what
// wakes it. What is to be done stands in the file.
type turning struct {
	wake chan struct{}

	mu        sync.Mutex
	done, all int
	problem   string
}

func newTurning() turning { return turning{wake: make(chan struct{}, 1)} }

// begin wakes whoever turns over the keys.
func (t *turning) begin() {
	t.set(0, 0)
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *turning) set(done, all int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done, t.all = done, all
}

func (t *turning) add(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done += n; n > 0 {
		t.problem = ""
	}
}

// fail keeps why it does not go on, and reports whether that is new.
func (t *turning) fail(err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	told := t.problem
	t.problem = cut(err.Error())
	return told != t.problem
}

func (t *turning) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done, t.all, t.problem = 0, 0, ""
}

// wait waits until there is something to do, or again.
func (t *turning) wait(ctx context.Context, again bool) {
	var pause <-chan time.Time
	if again {
		pause = time.After(turnAgain)
	}
	select {
	case <-ctx.Done():
	case <-t.wake:
	case <-pause:
	}
}

// describe says how far it is; nil: nothing is left to do.
func (t *turning) describe(is turn) *api.KeyTurn {
	if is.Stage == "" {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return &api.KeyTurn{
		Stage: is.Stage, Replaced: is.Old, Since: is.Begun,
		Done: min(t.done, t.all), Total: t.all, Problem: t.problem,
	}
}
