package vault

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/webhook"
)

const (
	deliverFor    = 24 * time.Hour // after its event a message is given up
	longestPause  = 10 * time.Minute
	lettersAtOnce = 32          // looked up in one go
	noteWithin    = time.Second // after a delivery an event says so
	notNoted      = time.Minute // until that is tried again
)

// pauses are the waits after one failure and the next ones; the last is kept.
var pauses = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour}

// pauseAfter is the wait after so many failures, with jitter: four to six fifths.
func pauseAfter(failures int) time.Duration {
	if failures <= 0 {
		return 0
	}
	d := pauses[min(failures, len(pauses))-1]
	return d*4/5 + rand.N(d*2/5)
}

// courier takes what waits for one receiver to it, one message after the other.
//
// How often a message was tried is known to the courier alone, so a start begins anew,
// at once. One that the receiver refuses is tried again later, and those behind it go
// on. A receiver that takes none gets a try now and then, at most [longestPause] apart,
// each of another message; without an answer of any kind it is the oldest once more.
type courier struct {
	runner
	v      *Vault
	hook   Webhook
	sender *webhook.Sender
	wake   bell // there may be more to do
	shown[courierState]

	// Of the loop alone.
	done     []uint64           // delivered, and no event says so yet
	since    time.Time          // the first of them
	failed   map[uint64]setback // messages, by the event
	failures int                // in a row, of whatever message
	hold     time.Time          // nothing is tried before
}

// setback is what came of a message so far.
type setback struct {
	tries int
	due   time.Time
}

// courierState is what owners are told of a courier.
type courierState struct {
	delivered time.Time // last
	failing   bool
	failure   string // last
	failedAt  time.Time
	next      time.Time // try
	anew      bool      // the receiver is known to be there
}

// send sets a courier off.
func (v *Vault) send(ctx context.Context, w Webhook) *courier {
	if w.To.Dial == nil {
		w.To.Dial = v.cfg.Dial
	}
	c := &courier{v: v, hook: w, sender: webhook.New(w.To), wake: newBell(), failed: map[uint64]setback{}}
	c.runner = v.begin(ctx, c.run)
	return c
}

// news wakes the courier.
func (c *courier) news() { c.wake.ring() }

// anew has the courier try all at once: the receiver has just answered.
func (c *courier) anew() {
	c.show(func(s *courierState) { s.anew = true })
	c.news()
}

func (c *courier) run(ctx context.Context) {
	defer c.sender.Close()
	for ctx.Err() == nil {
		c.wake.wait(ctx, c.round(ctx))
	}
	if err := c.note(context.Background()); err != nil {
		c.v.cfg.Log.Warn("what a webhook has delivered could not be noted; it will be delivered again", "webhook", c.hook.Name, "error", err)
	}
}

// round does what there is to do now, and returns when there is more.
func (c *courier) round(ctx context.Context) time.Duration {
	c.takeAnew()
	if err := c.note(ctx); err != nil {
		return c.later("what a webhook has delivered could not be noted yet", err)
	}
	if wait := time.Until(c.hold); wait > 0 {
		return wait
	}
	p, err := c.plan(time.Now())
	if err != nil {
		return c.later("what waits for a webhook could not be read", err)
	}
	if err := c.giveUp(ctx, p.over); err != nil {
		return c.later("what a webhook gives up could not be noted yet", err)
	}
	for _, l := range p.letters {
		if !c.deliver(ctx, l) {
			break
		}
	}
	if err := c.note(ctx); err != nil {
		return c.later("what a webhook has delivered could not be noted yet", err)
	}
	switch {
	case len(p.letters) > 0 || len(p.over) > 0:
		return max(0, time.Until(c.hold))
	case p.next.IsZero():
		return deliverFor // something wakes it before
	}
	wait := time.Until(p.next)
	c.show(func(s *courierState) { s.next = c.v.log.At().Add(wait) })
	return wait
}

// later is the wait after something went wrong on our side.
func (c *courier) later(what string, err error) time.Duration {
	if !errors.Is(err, context.Canceled) && !errors.Is(err, store.ErrStopped) {
		c.v.cfg.Log.Warn(what, "webhook", c.hook.Name, "error", err)
	}
	if _, tampered := errors.AsType[*audit.TamperError](err); tampered {
		c.v.die(err)
	}
	return notNoted
}

// takeAnew forgets what failed, if the receiver is known to be there again.
func (c *courier) takeAnew() {
	anew := false
	c.show(func(s *courierState) { anew, s.anew = s.anew, false })
	if anew {
		c.failures, c.hold = 0, time.Time{}
		c.allDue()
	}
}

func (c *courier) allDue() {
	for seq, s := range c.failed {
		s.due = time.Time{}
		c.failed[seq] = s
	}
}

// deliver sends one message, and reports whether the next may follow at once.
func (c *courier) deliver(ctx context.Context, l letter) bool {
	now := time.Now()
	err := c.sender.Send(ctx, webhook.Message{ID: l.id, At: c.v.cfg.Now(), Body: l.body})
	if ctx.Err() != nil && err != nil {
		return false
	}
	if err != nil {
		c.setBack(l, now, err)
		return false
	}
	if c.done = append(c.done, l.seq); len(c.done) == 1 {
		c.since = time.Now()
	}
	delete(c.failed, l.seq)
	if c.failures > 1 { // it was the receiver, not the messages
		c.allDue()
	}
	c.failures = 0
	c.show(func(s *courierState) { s.delivered, s.failing, s.next = c.v.log.At(), false, time.Time{} })
	return time.Since(c.since) < noteWithin
}

// setBack takes a failure into account: of the message when there was an answer, and of
// the receiver.
func (c *courier) setBack(l letter, now time.Time, err error) {
	c.failures++
	s := setback{tries: c.failed[l.seq].tries + 1}
	pause := pauseAfter(c.failures)
	if _, refused := errors.AsType[webhook.Refusal](err); refused {
		s.due = now.Add(pauseAfter(s.tries))
		pause = pauseAfter(c.failures - 1)
	}
	c.failed[l.seq] = s
	pause = min(pause, longestPause)
	if left := l.end.Sub(c.v.log.At()); left > 0 { // it is given up then, not some time after
		pause = min(pause, left)
	}
	c.hold = time.Now().Add(pause)
	if c.failures == 1 {
		c.v.cfg.Log.Warn("a webhook was not delivered; it is tried again", "webhook", c.hook.Name, "to", c.hook.To.URL.String(), "error", err)
	}
	c.show(func(st *courierState) {
		st.failing, st.failure, st.failedAt = true, err.Error(), c.v.log.At()
		st.next = st.failedAt.Add(time.Until(c.hold))
	})
}

// note writes what was delivered into the trail.
func (c *courier) note(ctx context.Context) error {
	if len(c.done) == 0 {
		return nil
	}
	if err := c.v.delivered(ctx, c.hook.Name, c.done); err != nil {
		return err
	}
	c.done = nil
	return nil
}

// giveUp gives up what is too old.
func (c *courier) giveUp(ctx context.Context, seqs []uint64) error {
	if len(seqs) == 0 {
		return nil
	}
	why := c.look().failure
	if err := c.v.lost(ctx, c.hook.Name, seqs, why); err != nil {
		return err
	}
	for _, seq := range seqs {
		delete(c.failed, seq)
	}
	c.v.cfg.Log.Error("events were not delivered within a day and are given up", "webhook", c.hook.Name, "events", len(seqs), "error", why)
	return nil
}
