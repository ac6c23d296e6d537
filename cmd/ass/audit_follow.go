package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// Pauses before a daemon that has gone is tried again.
const (
	firstPause = 250 * time.Millisecond
	lastPause  = 5 * time.Second
)

// interrupted is the end of what goes on until somebody ends it: there is nothing to
// say about it.
type interrupted struct{}

func (interrupted) Error() string { return "interrupted" }

// follow prints the newest events, oldest first, and then those that come, until it is
// interrupted. Each is printed once, also when the daemon is started again meanwhile.
func (c *auditListCmd) follow(a *app, cl *client.Client, q client.AuditQuery) error {
	ctx, stop := signal.NotifyContext(a.ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	last, err := c.recent(a, cl, q)
	if err != nil {
		return err
	}
	q.Since, q.Until = time.Time{}, time.Time{}
	f := following{a: a, pause: firstPause}
	for {
		last, err = cl.FollowAudit(ctx, q, last, client.Follower{Open: f.back, Event: func(e api.AuditEvent) error {
			f.pause = firstPause
			return c.line(a, e)
		}})
		if ctx.Err() != nil {
			return interrupted{}
		}
		if err != nil && !passes(err) {
			return err
		}
		f.away(ctx, err)
	}
}

// recent prints what is there already, and returns the number of the newest event.
func (c *auditListCmd) recent(a *app, cl *client.Client, q client.AuditQuery) (uint64, error) {
	newest, err := cl.Audit(a.ctx, client.AuditQuery{Limit: 1})
	if err != nil {
		return 0, err
	}
	last := uint64(0)
	for _, e := range newest.Events {
		last = e.Seq
	}
	events, _, err := a.events(cl, q, c.Limit)
	if err != nil {
		return 0, err
	}
	for _, e := range slices.Backward(events) {
		if e.Seq > last {
			break // it comes again, with those that follow
		}
		if err := c.line(a, e); err != nil {
			return 0, err
		}
	}
	return last, nil
}

// line prints one event: a row of the table without its frame, or a line of JSON.
func (c *auditListCmd) line(a *app, e api.AuditEvent) error {
	if a.JSON {
		doc, err := encode(e, "")
		if err != nil {
			return err
		}
		return a.answer(doc)
	}
	cells := []string{moment(e.Timestamp)}
	for i, width := range []int{16, 22} {
		cell := foreign([]string{e.AgentID, action(e)}[i], maxCell)
		cells = append(cells, text.Pad(cell, width, ' '))
	}
	cells = append(cells, foreign(c.resource(e), maxCell))
	return a.answer(strings.TrimRight(strings.Join(cells, "  "), " ") + "\n")
}

// following is how it goes with a daemon that is followed.
type following struct {
	a     *app
	pause time.Duration
	told  bool // that it is away
}

// away waits a while, longer each time.
func (f *following) away(ctx context.Context, err error) {
	if err != nil && !f.told {
		f.told = true
		f.a.note("The daemon is away; what comes then follows when it is back: " + foreign(err.Error(), maxMessage))
	}
	select {
	case <-ctx.Done():
	case <-time.After(f.pause):
	}
	f.pause = min(2*f.pause, lastPause)
}

// back is that the daemon answers again.
func (f *following) back() {
	if f.told {
		f.told = false
		f.a.note("The daemon is back.")
	}
}
