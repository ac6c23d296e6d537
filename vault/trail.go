package vault

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// lookAtReader is how often a reader of the trail is looked up where the ledger is;
// in between, in each snapshot that it is shown.
const lookAtReader = 15 * time.Second

// Trail is an owner's walk along the trail, oldest first. One goroutine uses it.
type Trail struct {
	v      *Vault
	req    Request
	f      audit.Filter
	walk   *audit.Forward
	first  uint64 // where the walk begins
	looked time.Time
}

// Trail begins a walk over the events that f means, up to the newest one now; for
// owners.
func (v *Vault) Trail(ctx context.Context, req Request, f audit.Filter) (*Trail, error) {
	if err := v.lookAtTrail(ctx, req); err != nil {
		return nil, err
	}
	first, last, err := v.log.Span(v.db, f.Since, f.Until)
	if err != nil {
		return nil, v.asTrail(err)
	}
	return &Trail{v: v, req: req, f: f, walk: v.log.Forward(first, last), first: max(first, 1), looked: v.cfg.Now()}, nil
}

// Follow is a walk without an end: over the events after the one with that number, or
// from now on where after is nil. A number that the trail has not come to yet is
// CONFLICT: whoever saw that one saw another trail.
func (v *Vault) Follow(ctx context.Context, req Request, f audit.Filter, after *uint64) (*Trail, error) {
	if err := v.lookAtTrail(ctx, req); err != nil {
		return nil, err
	}
	from := v.log.Head().Seq
	if after != nil && *after > from {
		return nil, api.New(api.CodeConflict, "the trail ends before the event to go on from").
			WithHint("it was put back to an older state, or is another vault's; compare it with: ass audit verify")
	}
	if after != nil {
		from = *after
	}
	return &Trail{v: v, req: req, f: f, walk: v.log.Forward(from+1, math.MaxUint64), first: from + 1, looked: v.cfg.Now()}, nil
}

// AdmitToTrail refuses, with an event, who may not read the trail.
func (v *Vault) AdmitToTrail(ctx context.Context, req Request) error { return v.lookAtTrail(ctx, req) }

func (v *Vault) lookAtTrail(ctx context.Context, req Request) error {
	return v.look(ctx, req, audit.AuditRead, true, func(store.Reader, *caller) error { return nil })
}

// asTrail is an error of the trail for the caller. One that was tampered with stops
// the vault.
func (v *Vault) asTrail(err error) error {
	if _, tampered := errors.AsType[*audit.TamperError](err); tampered {
		v.die(err)
	}
	return asAPI(err)
}

// Done reports whether there is nothing more to come.
func (t *Trail) Done() bool { return t.walk.Done() }

// Next is the next events that are meant: of one batch, so it may be
// none. Whether the caller may still see them is decided in the snapshot that they
// are read from.
func (t *Trail) Next(ctx context.Context) (links []audit.Link, err error) {
	if err := errors.Join(ctx.Err(), t.v.Alive()); err != nil {
		return nil, err
	}
	if err := t.lookNowAndThen(ctx); err != nil {
		return nil, err
	}
	var gone bool
	err = t.v.db.View(func(s *store.Snapshot) (err error) {
		if gone, err = t.gone(s); err == nil && !gone {
			links, err = t.walk.Next(s)
		}
		return err
	})
	if err == nil && gone {
		err = t.look(ctx)
		if err == nil {
			err = errRetry
		}
	}
	if err != nil {
		return nil, t.v.asTrail(err)
	}
	return t.meant(links)
}

// Walked reports whether any event was, meant or not.
func (t *Trail) Walked() bool { return t.walk.Last() >= t.first }

// Last is the number of the last event that was walked, meant or not; without one, of the
// event before.
func (t *Trail) Last() uint64 { return t.walk.Last() }

// Arrives waits for events to be committed beyond those that were walked, and reports
// whether there are. When the time is over there are none, and the caller is looked up
// again.
func (t *Trail) Arrives(ctx context.Context, atMost time.Duration) (bool, error) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	for {
		news := t.v.events.next()
		if t.walk.Refresh(); !t.walk.Done() {
			return true, nil
		}
		select {
		case <-news:
		case <-timer.C:
			return false, t.look(ctx)
		case <-ctx.Done():
			return false, ctx.Err()
		case <-t.v.dead:
			return false, asAPI(t.v.Err())
		}
	}
}

// gone reports whether the caller may not read the trail any more.
func (t *Trail) gone(r store.Reader) (bool, error) {
	c, err := t.v.known(r, t.req)
	return err == nil && (c == nil || !c.owner() || c.token != nil), err
}

func (t *Trail) lookNowAndThen(ctx context.Context) error {
	if t.v.cfg.Now().Sub(t.looked) < lookAtReader {
		return nil
	}
	return t.look(ctx)
}

// look decides about the caller anew; a refusal is in the trail.
func (t *Trail) look(ctx context.Context) error {
	t.looked = t.v.cfg.Now()
	return t.v.lookAtTrail(ctx, t.req)
}

// meant are those of links that the filter means.
func (t *Trail) meant(links []audit.Link) ([]audit.Link, error) {
	if t.f.Namespace == "" && t.f.Actor == "" && t.f.Action == "" {
		return links, nil
	}
	var out []audit.Link
	for _, l := range links {
		e, err := l.Event()
		if err != nil {
			return nil, t.v.asTrail(err)
		}
		if t.f.Matches(e.Event) {
			out = append(out, l)
		}
	}
	return out, nil
}
