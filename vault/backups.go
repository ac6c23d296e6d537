package vault

import (
	"context"
	"sync"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/away"
)

// BackupPlan says where the daemon puts backups by itself, how often, and how many of
// them are kept.
type BackupPlan struct {
	To    *away.Folder
	Every time.Duration
	Keep  int
}

// backups is what the daemon does of the kind. What it has done is in the trail and in the
// folder; the rest is in memory.
type backups struct {
	mu    sync.Mutex // one change at a time
	ctx   context.Context
	clerk *clerk // nil: there is no plan
	shown[backupState]
}

// backupState is what came of it.
type backupState struct {
	plan    *BackupPlan
	at      time.Time // the newest one
	failure string    // of the last try; "": it went well
	since   time.Time // the first of the failures in a row
	told    time.Time // when an event said so last
}

// backupRetry is when a backup that failed is tried again, where that is sooner than the
// next one.
const backupRetry = 10 * time.Minute

// clerk takes backups until it is ended.
type clerk struct {
	runner
	v    *Vault
	plan BackupPlan
}

// SetBackups has the daemon take backups by that plan; nil: none. One that is as it was
// goes on.
func (v *Vault) SetBackups(plan *BackupPlan) {
	b := &v.backups
	b.mu.Lock()
	defer b.mu.Unlock()
	if v.Err() != nil || b.ctx.Err() != nil {
		return
	}
	old := b.clerk
	if old != nil && plan != nil && old.plan.To.String() == plan.To.String() && old.plan.Every == plan.Every && old.plan.Keep == plan.Keep {
		return
	}
	if old != nil {
		old.end()
	}
	b.clerk = nil
	b.show(func(s *backupState) { *s = backupState{plan: plan, told: s.told} })
	if plan == nil {
		return
	}
	c := &clerk{v: v, plan: *plan}
	c.runner = v.begin(b.ctx, c.run)
	b.clerk = c
}

// run takes a backup whenever the newest one that is there is old enough: a start takes
// none before its time.
func (c *clerk) run(ctx context.Context) {
	b := &c.v.backups
	if at := c.plan.To.Newest(ctx, c.v.tenant, c.v.cfg.Now()); !at.IsZero() {
		b.show(func(s *backupState) { s.at = at })
	}
	for ctx.Err() == nil {
		wait := time.Duration(0)
		if at := b.look().at; !at.IsZero() {
			wait = at.Add(c.plan.Every).Sub(c.v.cfg.Now())
		}
		if wait > 0 && wait <= c.plan.Every { // else the clock was put back, and it would wait for as long
			pause(ctx, wait)
			continue
		}
		if err := c.take(ctx); err != nil && ctx.Err() == nil {
			c.failed(ctx, err)
			pause(ctx, min(c.plan.Every, backupRetry))
		}
	}
}

// take takes one backup. Its event is durable before anything of it is in the folder.
func (c *clerk) take(ctx context.Context) error {
	if err := c.plan.To.Check(); err != nil {
		return err
	}
	b, err := c.v.makeBackup(ctx)
	if err != nil {
		return err
	}
	at := c.v.cfg.Now().UTC().Truncate(time.Second)
	err = c.v.noteSent(ctx, audit.VaultBackup, c.plan.To.String(), audit.OK, b.describe())
	closed := func() { _ = b.Close() } // of a file that was only read
	if err != nil {
		closed()
		return err
	}
	if err := c.plan.To.Put(ctx, b.Tenant, at, b, b.SHA256, c.plan.Keep, closed); err != nil {
		return err
	}
	c.v.backups.show(func(s *backupState) { s.at, s.failure, s.since = at, "", time.Time{} })
	c.v.cfg.Log.Info("a backup was taken", "to", c.plan.To.String(), "events", b.Events, "bytes", b.Size)
	return nil
}

// failed takes a failure into account: a line in the log, and an event once a day.
func (c *clerk) failed(ctx context.Context, why error) {
	now, b := c.v.log.At(), &c.v.backups
	b.show(func(s *backupState) {
		if s.failure = plainly(why); s.since.IsZero() {
			s.since = now
		}
	})
	c.v.cfg.Log.Warn("a backup could not be taken; it is tried again", "to", c.plan.To.String(), "error", why)
	if told := b.look().told; !told.IsZero() && now.Sub(told) < failureToldFor {
		return
	}
	err := c.v.noteSent(ctx, audit.BackupFailed, c.plan.To.String(), audit.Failed, plainly(why))
	if err == nil { // else the next failure tries again
		b.show(func(s *backupState) { s.told = now })
	}
}

// tellBackups says how they stand, for owners.
func (v *Vault) tellBackups(p *api.Protection) {
	s := v.backups.look()
	if s.plan == nil {
		return
	}
	p.Backups = &api.Backups{To: s.plan.To.String(), Every: api.TTL(s.plan.Every), Keep: s.plan.Keep, TakenAt: orNull(s.at), Failure: s.failure, FailingSince: orNull(s.since)}
}
