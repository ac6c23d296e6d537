package vault

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// Bounds of tries of a passphrase. There is never a lockout: whoever has the right
// one waits at most as long as the longest delay, for each of those before it in
// the line.
const (
	triesWaiting = 4 // in one line, besides the one that is next
	manyLines    = 1024
	firstDelay   = 250 * time.Millisecond
	longestDelay = 4 * time.Second
)

// tries lets one passphrase be computed at a time, since each takes much memory,
// and makes the next try in a line wait the longer the more have failed in a row.
// Each owner has a line for each source (a uid, an address), so that who has the key
// of one holds up no other, and from elsewhere not even that one.
type tries struct {
	mu    sync.Mutex
	turn  chan struct{}    // holds who computes
	lines map[string]*line // by owner and source
}

// line is the tries of one owner from one source.
type line struct {
	turn   chan struct{} // holds the one that is next
	n      int           // how many are in it, that one among them
	failed int           // in a row
	until  time.Time     // when the next one may begin
}

// enter waits for the turn of a try for that owner. leave is told how it ended.
func (t *tries) enter(ctx context.Context, owner string) (leave func(error), err error) {
	l, release, err := t.first(ctx, owner)
	if err != nil {
		return nil, err
	}
	if err := t.pause(ctx, l); err != nil {
		release()
		return nil, err
	}
	done, err := t.alone(ctx)
	if err != nil {
		release()
		return nil, err
	}
	return func(err error) { t.note(l, err); done(); release() }, nil
}

// first waits until nobody is before it in the line of that owner.
func (t *tries) first(ctx context.Context, owner string) (l *line, leave func(), err error) {
	if l, err = t.join(owner); err != nil {
		return nil, nil, err
	}
	if err := wait(ctx, l.turn); err != nil {
		t.part(l)
		return nil, nil, err
	}
	return l, func() { <-l.turn; t.part(l) }, nil
}

// alone waits until nobody else computes a passphrase.
func (t *tries) alone(ctx context.Context) (leave func(), err error) {
	t.mu.Lock()
	if t.turn == nil {
		t.turn = make(chan struct{}, 1)
	}
	turn := t.turn
	t.mu.Unlock()
	return func() { <-turn }, wait(ctx, turn)
}

func wait(ctx context.Context, turn chan<- struct{}) error {
	select {
	case turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join adds a try to the line of its owner.
func (t *tries) join(owner string) (*line, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lines[owner]
	if l == nil {
		if t.lines == nil {
			t.lines = map[string]*line{}
		}
		t.forget(time.Now())
		l = &line{turn: make(chan struct{}, 1)}
		t.lines[owner] = l
	}
	if l.n > triesWaiting {
		return nil, &api.Error{
			Code: api.CodeRateLimited, Message: "too many tries of a passphrase wait already", RetryAfter: int(longestDelay / time.Second),
		}
	}
	l.n++
	return l, nil
}

// forget drops lines that nobody stands in and that hold up nobody, once they are
// many. The caller holds mu.
func (t *tries) forget(now time.Time) {
	if len(t.lines) < manyLines {
		return
	}
	for who, l := range t.lines {
		if l.n == 0 && now.After(l.until) {
			delete(t.lines, who)
		}
	}
}

func (t *tries) part(l *line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.n--
}

// pause waits until the next try in the line may begin.
func (t *tries) pause(ctx context.Context, l *line) error {
	t.mu.Lock()
	wait := time.Until(l.until)
	t.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// note counts a wrong try; a right one makes up for all of them.
func (t *tries) note(l *line, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == nil:
		l.failed, l.until = 0, time.Time{}
	case errors.Is(err, seal.ErrWrongPassphrase):
		l.failed++
		l.until = time.Now().Add(min(longestDelay, firstDelay<<min(l.failed-1, 16)))
	}
}
