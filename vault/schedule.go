package vault

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

const (
	maxDue    = 2           // scheduled rotations at a time
	lookAgain = time.Minute // what is due is looked at so often at least
	maxRetry  = time.Hour   // between two tries
)

// retryAfter is when the next try after so many that failed comes: a minute, doubling
// to an hour, give or take a fifth, so that many do not come together.
func retryAfter(tries int) time.Duration {
	d := maxRetry
	if tries < 7 {
		d = min(time.Minute<<(tries-1), maxRetry)
	}
	return d*4/5 + rand.N(d*2/5)
}

// rotateOnSchedule rotates what is due until ctx ends. When that is, follows from the
// age of the current version, so that nothing is remembered across a restart.
func (v *Vault) rotateOnSchedule(ctx context.Context) {
	for ctx.Err() == nil {
		v.rotations.wake.wait(ctx, v.rotateDue())
	}
}

// rotateDue begins what is due, as far as there is room, and says when to look again.
func (v *Vault) rotateDue() time.Duration {
	wait := lookAgain
	for _, r := range v.rotations.scheduled() {
		if v.Err() != nil {
			return wait
		}
		due, err := v.dueIn(r)
		switch {
		case err != nil:
			v.cfg.Log.Error("a schedule could not be looked at", "path", r.Path.String(), "error", err)
		case due > 0:
			wait = min(wait, due)
		default:
			v.beginDue(r)
		}
	}
	return wait
}

// scheduled are the rotators with a schedule.
func (r *rotations) scheduled() (all []*Rotator) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.all {
		if one.Every > 0 {
			all = append(all, one)
		}
	}
	return all
}

// dueIn is how long it is until r is due; 0: it is. A secret that is not there is due
// whenever it is looked for next.
func (v *Vault) dueIn(r *Rotator) (in time.Duration, err error) {
	in = lookAgain
	err = v.db.View(func(s *store.Snapshot) error {
		h, err := v.header(s, r.Path)
		if err != nil {
			return err
		}
		h = h.forAgents(v.now(s)) // what has expired, no schedule brings back
		if !v.rotations.found(r.Path, h.exists()) {
			v.cfg.Log.Warn("there is no such secret to rotate on schedule", "path", r.Path.String())
		}
		ver := (*version)(nil)
		if h.exists() {
			ver = h.version(0)
		}
		if ver != nil {
			in = v.rotations.wait(r, ver.At, v.now(s), v.cfg.Now())
		}
		return nil
	})
	return in, err
}

// found notes whether there is a secret at p, and reports whether that need not be
// said: there is, or it was said.
func (r *rotations) found(p policy.Path, there bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	said := there || r.missing[p]
	if there {
		delete(r.missing, p)
	} else {
		r.missing[p] = true
	}
	return said
}

// wait is how long it is until a secret whose version was made at made is due.
func (r *rotations) wait(one *Rotator, made, now, clock time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running[one.Path] {
		return lookAgain
	}
	in := made.Add(one.Every).Sub(now)
	if f := r.failed[one.Path]; f.tries > 0 {
		in = max(in, f.next.Sub(clock))
	}
	if in <= 0 && r.due >= maxDue {
		return lookAgain // the one that ends wakes the schedule
	}
	return max(in, 0)
}

// beginDue begins a rotation that is due.
func (v *Vault) beginDue(r *Rotator) {
	if !v.rotations.claim(r.Path) {
		return
	}
	v.rotations.count(1)
	run := &rotation{Rotator: r, origin: Origin{RequestID: NewRequestID()}, reason: "on schedule", done: make(chan struct{})}
	if !v.launch(func() {
		begun := v.runDue(run)
		v.rotations.count(-1)
		if begun { // else it would be due again at once
			v.rotations.look()
		}
	}) {
		v.rotations.release(r.Path)
	}
}

func (r *rotations) count(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.due += n
}

// errLocked: nothing rotates in a lockdown, or once the vault is sealed, which is no failure.
var errLocked = errors.New("the vault is locked down, or sealed")

// runDue is a scheduled rotation, from its beginning to its end. It reports whether it
// could begin.
func (v *Vault) runDue(run *rotation) bool {
	err := v.db.Update(context.Background(), func(tx *store.Tx) error { return v.startDue(tx, run) })
	if err == nil {
		v.finishRotation(run)
		return true
	}
	defer v.rotations.release(run.Path)
	switch e := (*api.Error)(nil); {
	case errors.Is(err, errLocked):
	case errors.As(err, &e):
		v.failRotation(run, e.Message)
	default:
		v.cfg.Log.Error("a scheduled rotation could not begin", "path", run.Path.String(), "error", err)
		v.rotations.settle(run.Path, "it could not begin; the daemon's log says more", v.cfg.Now())
	}
	return false
}

// startDue is what [Vault.beginRotation] is for a caller, by the daemon. A value that is generated
// is stored at once, so nothing is recorded before that.
func (v *Vault) startDue(tx *store.Tx, run *rotation) error {
	if v.sealing.Load() {
		return errLocked
	}
	a := &act{v: v, tx: tx, caller: daemonCaller}
	var err error
	if a.moment, err = v.momentOf(tx); err != nil {
		return err
	}
	if a.lockdown.locked() {
		return errLocked
	}
	h, err := v.header(tx, run.Path)
	if err != nil {
		return err
	}
	if err := a.ready(run, h.forAgents(a.now)); err != nil || run.Generate != nil {
		return err
	}
	ev := run.event(audit.SecretRotationStart)
	ev.Version, ev.Reason = run.version, run.reason
	if err := a.record(ev); err != nil {
		return err
	}
	return a.handsOver(run)
}
