package vault

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/away"
)

// MaxCheckpoints is how many places checkpoints may be sent to.
const MaxCheckpoints = 10

// Checkpoint is a place that checkpoints of the trail are sent to, and how often at
// most.
type Checkpoint struct {
	To    away.Place
	Every time.Duration
}

// checkpoints are the carriers. Nothing about them is in the file: what they are for
// is to be elsewhere.
type checkpoints struct {
	mu       sync.Mutex // one change at a time
	ctx      context.Context
	carriers atomic.Pointer[[]*carrier]
}

// SetCheckpoints makes list the places that checkpoints are sent to. One that stays is
// sent nothing twice; one that fails is tried at once.
func (v *Vault) SetCheckpoints(list []Checkpoint) {
	p := &v.points
	p.mu.Lock()
	defer p.mu.Unlock()
	if v.Err() != nil || p.ctx.Err() != nil {
		return
	}
	old, next := v.carriers(), []*carrier(nil)
	for _, to := range list {
		next = append(next, v.carrierTo(to, old))
	}
	for _, c := range old {
		if !slices.Contains(next, c) {
			c.end()
			c.to.To.Close()
		}
	}
	p.carriers.Store(&next)
}

// carrierTo is the carrier that goes there already, or a new one.
func (v *Vault) carrierTo(to Checkpoint, old []*carrier) *carrier {
	i := slices.IndexFunc(old, func(c *carrier) bool { return c.to.To.String() == to.To.String() })
	if i < 0 {
		return v.carry(v.points.ctx, to, carried{})
	}
	c := old[i]
	if c.to.Every == to.Every && c.to.To.Same(to.To) {
		c.anew()
		return c
	}
	c.end()
	return v.carry(v.points.ctx, to, c.look())
}

func (v *Vault) carriers() []*carrier {
	if all := v.points.carriers.Load(); all != nil {
		return *all
	}
	return nil
}

// lastCheckpoints sends what is newest at a clean stop, everywhere at once, and waits
// no longer than a little for it. No carrier runs any more.
func (v *Vault) lastCheckpoints() {
	ctx, cancel := context.WithTimeout(context.Background(), carriedWithin)
	defer cancel()
	var all sync.WaitGroup
	for _, c := range v.carriers() {
		all.Go(func() {
			if err := c.send(ctx); err != nil {
				v.cfg.Log.Warn("the last checkpoint could not leave", "to", c.to.To.String(), "error", err)
			}
			c.to.To.Close()
		})
	}
	all.Wait()
}

// noteSent writes what came of something that the daemon sends to a place by itself.
func (v *Vault) noteSent(ctx context.Context, what audit.Action, place string, outcome audit.Outcome, says string) error {
	return v.db.Update(ctx, func(tx *store.Tx) error {
		_, err := v.log.Append(tx, audit.Event{
			Actor: daemonActor, Action: what, Outcome: outcome, Reason: says,
			Subject: &audit.Subject{ID: place, Name: place},
		})
		return err
	})
}

// tellCheckpoints says how the places stand.
func (v *Vault) tellCheckpoints(p *api.Protection) {
	p.Checkpoints = []api.CheckpointPlace{}
	for _, c := range v.carriers() {
		p.Checkpoints = append(p.Checkpoints, c.describe())
	}
}
