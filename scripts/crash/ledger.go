package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
)

// clients is how many work at once, each on paths of its own.
const clients = 6

// ledger is what the clients were told, over all lives of the daemon.
type ledger struct {
	v        *vault
	admin    *caller
	clients  []*client
	events   uint64
	checking *caller
	reloads  int // of a soak

	mu           sync.Mutex
	acknowledged map[string]string // by request id: the action that its event has to have
}

func newLedger(v *vault, random *rand.Rand) *ledger {
	l := &ledger{v: v, admin: v.caller(), checking: v.caller(), acknowledged: map[string]string{}}
	for n := range clients {
		l.clients = append(l.clients, newClient(l, n, random.Uint64()))
	}
	return l
}

// note keeps that an act was acknowledged.
func (l *ledger) note(id, action string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acknowledged[id] = action
}

// round is one life of the daemon, its end, and the check of what is left.
func (l *ledger) round(ctx context.Context, how killing) error {
	if err := l.live(ctx, how); err != nil {
		return err
	}
	if _, err := l.v.verified(ctx); err != nil {
		return err
	}
	return l.check(ctx)
}

// live has the clients work until the daemon is killed.
func (l *ledger) live(ctx context.Context, how killing) error {
	where := ""
	if how.point != "" {
		where = fmt.Sprintf("%s:%d", how.point, how.times)
	}
	d, err := l.v.start(ctx, where)
	if err != nil {
		return err
	}
	work, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	errs := make(chan error, len(l.clients))
	for _, c := range l.clients {
		all.Go(func() { errs <- c.work(work) })
	}
	d.killAfter(how.after)
	stop()
	all.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	return errors.Join(err, d.killed())
}

// check starts the daemon once more and asks it for all that was acknowledged.
func (l *ledger) check(ctx context.Context) error {
	d, err := l.v.start(ctx, "")
	if err != nil {
		return err
	}
	defer d.kill()
	if err := d.await(ctx, l.checking); err != nil {
		return err
	}
	for _, c := range l.clients {
		if err := c.check(ctx); err != nil {
			return err
		}
	}
	return l.checkTrail(ctx)
}

// checkTrail looks for the event of each act that was acknowledged.
func (l *ledger) checkTrail(ctx context.Context) error {
	seen, err := l.trail(ctx)
	if err != nil {
		return err
	}
	for id, action := range l.acknowledged {
		if !seen[id+" "+action] {
			return fmt.Errorf("request %s was acknowledged, and the trail has no %s of it", id, action)
		}
	}
	return nil
}

// trail is which actions went well, by request.
func (l *ledger) trail(ctx context.Context) (map[string]bool, error) {
	res, err := l.checking.get(ctx, "/v1/audit/export?format=jsonl", l.v.owner)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	seen := map[string]bool{}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 64<<20)
	l.events = 0
	for lines.Scan() {
		var line struct{ Event string }
		var event struct {
			Action, Outcome string
			RequestID       string `json:"request_id"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(line.Event), &event); err != nil {
			return nil, err
		}
		if l.events++; event.Outcome == "ok" {
			seen[event.RequestID+" "+event.Action] = true
		}
	}
	return seen, lines.Err()
}
