package vault

import (
	"context"
	"sync"

	"github.com/agent-secret-store/assd/vault/api"
)

// turning is how far the walk is that wraps values anew, for those who ask, and what
// wakes it. What is to be done stands in the file.
type turning struct {
	wake bell

	mu        sync.Mutex
	done, all int
	problem   string
}

func newTurning() turning { return turning{wake: newBell()} }

// begin wakes whoever turns over the keys.
func (t *turning) begin() {
	t.set(0, 0)
	t.wake.ring()
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
	atMost := forever
	if again {
		atMost = turnAgain
	}
	t.wake.wait(ctx, atMost)
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
