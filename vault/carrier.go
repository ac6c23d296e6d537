package vault

import (
	"context"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/away"
)

const (
	carriedWithin  = 2 * time.Second // at a stop
	failureToldFor = 24 * time.Hour  // one event about a place
)

// carrier takes checkpoints to one place: the newest, when the head has moved since the
// last one that arrived there. What arrived is known to it alone, so a start sends anew.
//
// That a place fails is an event, and moves the head; but no more often than once a day,
// and what follows is sent no sooner than otherwise.
type carrier struct {
	runner
	v    *Vault
	to   Checkpoint
	wake bell // the place may be back
	shown[carried]
}

// carried is what came of it.
type carried struct {
	head     audit.SignedHead // the last one that arrived; Seq 0: none
	at       time.Time        // when
	failures int              // in a row
	failure  string           // the last one
	since    time.Time        // the first of them
	next     time.Time        // try
	told     time.Time        // when an event said so last
}

// carry sets a carrier off, which goes on from what an earlier one has done.
func (v *Vault) carry(ctx context.Context, to Checkpoint, from carried) *carrier {
	c := &carrier{v: v, to: to, wake: newBell(), shown: shown[carried]{is: from}}
	c.runner = v.begin(ctx, c.run)
	return c
}

// anew has a carrier whose place fails try at once.
func (c *carrier) anew() {
	if c.look().failures > 0 {
		c.wake.ring()
	}
}

func (c *carrier) run(ctx context.Context) {
	for ctx.Err() == nil {
		c.wake.wait(ctx, c.round(ctx))
	}
}

// round sends what there is to send, and returns when there may be more.
func (c *carrier) round(ctx context.Context) time.Duration {
	err := c.send(ctx)
	if ctx.Err() != nil || err == nil {
		return c.to.Every
	}
	pause := c.setBack(err)
	c.tell(ctx, err)
	return pause
}

// send sends the newest checkpoint, unless the place has it.
func (c *carrier) send(ctx context.Context) error {
	note, head := c.v.checkpointNote()
	if head.Seq == c.look().head.Seq || c.v.Err() != nil {
		return nil
	}
	err := c.to.To.Send(ctx, away.Checkpoint{
		Tenant: c.v.tenant, Size: head.Seq, Hash: head.Hash.String(), Epoch: head.Epoch, Signature: head.Signature, Note: note,
	})
	if err != nil {
		return err
	}
	was := c.look()
	c.show(func(s *carried) { *s = carried{head: head, at: c.v.log.At(), told: s.told} })
	if was.failures > 0 {
		c.v.cfg.Log.Info("checkpoints leave again", "to", c.to.To.String(), "events", head.Seq)
	}
	return nil
}

// setBack takes a failure into account, and returns the wait for the next try.
func (c *carrier) setBack(err error) time.Duration {
	now := c.v.log.At()
	pause := min(pauseAfter(c.look().failures+1), longestPause)
	c.show(func(s *carried) {
		if s.failures++; s.failures == 1 {
			s.since = now
		}
		s.failure, s.next = err.Error(), now.Add(pause)
	})
	if c.look().failures == 1 {
		c.v.cfg.Log.Warn("a checkpoint could not leave; it is tried again", "to", c.to.To.String(), "error", err)
	}
	return pause
}

// tell writes that the place fails, once a day.
func (c *carrier) tell(ctx context.Context, why error) {
	now := c.v.log.At()
	if told := c.look().told; !told.IsZero() && now.Sub(told) < failureToldFor {
		return
	}
	if err := c.v.noteSent(ctx, audit.CheckpointFailed, c.to.To.String(), audit.Failed, why.Error()); err != nil { // the next failure tries again
		c.v.cfg.Log.Debug("that a checkpoint could not leave could not be noted", "to", c.to.To.String(), "error", err)
		return
	}
	c.show(func(s *carried) { s.told = now })
}

// describe is how the place stands, for owners.
func (c *carrier) describe() api.CheckpointPlace {
	s := c.look()
	p := api.CheckpointPlace{To: c.to.To.String(), Every: api.TTL(c.to.Every), SentAt: orNull(s.at), Size: s.head.Seq}
	if s.failures > 0 {
		p.FailingSince, p.Failure, p.NextTry = orNull(s.since), s.failure, orNull(s.next)
	}
	return p
}
