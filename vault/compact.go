package vault

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// When the file is compacted by itself.
const (
	compactEvery = 7 * 24 * time.Hour
	compactIdle  = 5 * time.Minute // without a request; a day later it is done without that
	compactRetry = time.Hour       // after a failure
)

// compacting is what the schedule of compactions remembers.
type compacting struct {
	asked atomic.Int64 // when there was a request last, Unix seconds
	done  atomic.Int64 // when the file was compacted last, or made, the same; 0: not looked up yet
	tried time.Time    // the schedule's: when it has tried last
}

// Compact writes the data file anew without what is gone from the vault, for owners,
// while all goes on. The event comes after it and says how large the file was and is.
func (v *Vault) Compact(ctx context.Context, req Request) (out api.Compaction, err error) {
	var ev audit.Event
	err = v.doReserved(ctx, on("vault.compact"), req, func(a *act) error {
		ev = a.event(audit.VaultCompact)
		return a.ownerOnly(audit.VaultCompact)
	})
	if err != nil {
		return out, err
	}
	out, err = v.compact(ctx, ev)
	if err != nil {
		ev.Outcome, ev.Reason = audit.Failed, whyNotCompacted(err)
		err = errors.Join(err, v.noteReserved(ctx, ev))
	}
	if errors.Is(err, store.ErrFull) {
		err = api.New(api.CodeStorageFull, "compacting needs space for a second data file; nothing was changed").
			WithHint("free some space on the daemon's disk and try again")
	}
	return out, asAPI(err)
}

// compact compacts the file and writes ev.
func (v *Vault) compact(ctx context.Context, ev audit.Event) (out api.Compaction, err error) {
	if out, err = v.compactFile(ctx); err != nil {
		return out, err
	}
	return out, v.noteReserved(ctx, compacted(ev, out))
}

// compactFile compacts the file, which is still to be told by an event.
func (v *Vault) compactFile(ctx context.Context) (out api.Compaction, err error) {
	defer releaseMemory(v.db)
	before, err := v.db.Size()
	if err != nil {
		return out, err
	}
	if err := v.db.Compact(ctx); err != nil {
		return out, err
	}
	after, err := v.db.Size()
	if err != nil {
		return out, err
	}
	v.compacting.done.Store(v.cfg.Now().Unix()) // so the next one of the week is not due
	return api.Compaction{Before: uint64(before.File), After: uint64(after.File)}, nil
}

// compacted is the event of a compaction: ev says who wanted it.
func compacted(ev audit.Event, done api.Compaction) audit.Event {
	ev.Action, ev.Outcome = audit.VaultCompact, audit.OK
	ev.Reason = fmt.Sprintf("%d bytes before, %d after", done.Before, done.After)
	return ev
}

// noteReserved writes ev, though ctx has ended and the disk is full.
func (v *Vault) noteReserved(ctx context.Context, ev audit.Event) error {
	return v.db.UpdateReserved(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		_, err := v.log.Append(tx, ev)
		return err
	})
}

// whyNotCompacted says for the trail what went wrong.
func whyNotCompacted(err error) string {
	switch {
	case errors.Is(err, store.ErrFull):
		return "there is no space for a second file"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "it was given up before it was done"
	}
	return "the copy could not be made"
}

// compactOnSchedule compacts the file once a week, when nobody asks for anything.
// A deletion is promised to be gone from the file then.
func (v *Vault) compactOnSchedule(ctx context.Context) error {
	c := &v.compacting
	now := v.cfg.Now()
	if c.done.Load() == 0 {
		done, err := v.lastCompacted(ctx)
		if err != nil {
			return err
		}
		c.done.Store(done.Unix())
	}
	since := now.Sub(time.Unix(c.done.Load(), 0))
	if since < 0 { // by a clock that was wrong; it counts from now
		c.done.Store(now.Unix())
	}
	busy := now.Sub(time.Unix(c.asked.Load(), 0)).Abs() < compactIdle
	if since < compactEvery || busy && since < compactEvery+24*time.Hour || now.Sub(c.tried).Abs() < compactRetry {
		return nil
	}
	c.tried = now
	_, err := v.compact(ctx, audit.Event{Actor: daemonActor, Action: audit.VaultCompact})
	return err
}

// lastCompacted is when the file was compacted last, or else when the vault was made.
func (v *Vault) lastCompacted(ctx context.Context) (at time.Time, err error) {
	if at, err = v.newest(ctx, audit.VaultCompact); err != nil || !at.IsZero() {
		return at, err
	}
	err = v.db.View(func(s *store.Snapshot) error {
		st, err := v.state(s)
		if err == nil {
			at = st.Created
		}
		return err
	})
	return at, err
}

// newest is when that was done last, by the trail; zero: never.
func (v *Vault) newest(ctx context.Context, done audit.Action) (at time.Time, err error) {
	f := audit.Filter{Action: string(done)}
	for {
		page, err := v.log.Query(ctx, v.db, f, 10)
		if err != nil {
			return at, err
		}
		for _, e := range page.Events {
			if e.Action == done && e.Outcome == audit.OK {
				return e.Time.Time, nil
			}
		}
		if f.Before = page.Next; page.Next == 0 {
			return at, nil
		}
	}
}

// tellSize tells how large the data file is.
func (v *Vault) tellSize(p *api.Protection) error {
	size, err := v.db.Size()
	p.FileBytes, p.FreeBytes = uint64(size.File), uint64(size.Free)
	return err
}
