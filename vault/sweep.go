package vault

import (
	"context"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

const (
	sweepAtOnce = 256 // records of a kind in one operation: the writer keeps everyone waiting
	sweepRounds = 64  // operations in one sweep
)

// Sweep closes requests whose time is over, with an event each, and removes
// grants that have ended and requests that ended long ago.
func (v *Vault) Sweep(ctx context.Context) error {
	for range sweepRounds {
		var stale staleKeys
		if err := v.db.View(func(s *store.Snapshot) (err error) {
			stale, err = v.findStale(s)
			return err
		}); err != nil || stale.empty() {
			return err
		}
		if err := v.db.Update(ctx, func(tx *store.Tx) error { return v.removeStale(tx, stale) }); err != nil {
			return err
		}
	}
	return nil // the next one goes on
}

// staleKeys are what a sweep is to look at again, where it writes.
type staleKeys struct{ wishes, approvals, grants []string }

func (s staleKeys) empty() bool { return len(s.wishes)+len(s.approvals)+len(s.grants) == 0 }

func (v *Vault) findStale(r store.Reader) (out staleKeys, err error) {
	now := v.now(r)
	if out.wishes, err = pick(v, r, store.Wishes, func(w *wish) (bool, error) {
		one, err := load[approval](v, r, store.Approvals, w.Approval)
		return one == nil || one.status(now) != api.ApprovalPending, err
	}); err != nil {
		return out, err
	}
	if out.approvals, err = pick(v, r, store.Approvals, func(a *approval) (bool, error) { return a.forgotten(now), nil }); err != nil {
		return out, err
	}
	out.grants, err = pick(v, r, store.Grants, func(g *grant) (bool, error) { return g.over(now), nil })
	return out, err
}

// forgotten reports whether r ended so long ago that it is not listed any more.
func (r *approval) forgotten(now time.Time) bool {
	return r.status(now) != api.ApprovalPending && now.Sub(r.ended()) > keptEnded
}

// over reports whether g opens nothing any more.
func (g *grant) over(now time.Time) bool { return !now.Before(g.Until) }

// pick is the keys of the records in b that stale says yes to, at most
// sweepAtOnce.
func pick[T any](v *Vault, r store.Reader, b store.Bucket, stale func(*T) (bool, error)) (keys []string, err error) {
	err = r.Scan(b, nil, func(k, _ []byte) (bool, error) {
		key := string(k)
		x, err := loadOnce[T](v, r, b, key)
		if err != nil || x == nil {
			return err == nil, err
		}
		gone, err := stale(x)
		if gone {
			keys = append(keys, key)
		}
		return err == nil && len(keys) < sweepAtOnce, err
	})
	return keys, err
}

// removeStale looks at each key once more and removes what is still stale.
func (v *Vault) removeStale(tx *store.Tx, stale staleKeys) error {
	for _, key := range stale.wishes {
		if err := v.closeWish(tx, key); err != nil {
			return err
		}
	}
	now := v.log.Now()
	for _, key := range stale.approvals {
		if err := dropIf(v, tx, store.Approvals, key, func(r *approval) bool { return r.forgotten(now) }); err != nil {
			return err
		}
	}
	for _, key := range stale.grants {
		if err := dropIf(v, tx, store.Grants, key, func(g *grant) bool { return g.over(now) }); err != nil {
			return err
		}
	}
	return nil
}

// dropIf removes the record at key if it is stale.
func dropIf[T any](v *Vault, tx *store.Tx, b store.Bucket, key string, stale func(*T) bool) error {
	x, err := load[T](v, tx, b, key)
	if err != nil || x == nil || !stale(x) {
		return err
	}
	return v.log.Drop(tx, audit.Object{Bucket: b, Key: key})
}

// closeWish closes the request behind a wish, if its time is over.
func (v *Vault) closeWish(tx *store.Tx, key string) error {
	w, err := load[wish](v, tx, store.Wishes, key)
	if err != nil || w == nil {
		return err
	}
	r, err := load[approval](v, tx, store.Approvals, w.Approval)
	if err != nil {
		return err
	}
	if r == nil { // it lost its record: something other than assd removed that
		r = &approval{ID: w.Approval}
	}
	if r.status(v.log.Now()) == api.ApprovalPending {
		return nil
	}
	return v.expire(tx, key, r)
}

// expire closes a request that nobody answered in time. One that is too old for
// the verifier to follow a change of it goes without a trace of its own: its
// approval.request stays.
func (v *Vault) expire(tx *store.Tx, wishKey string, r *approval) error {
	changes := []audit.Change{remove(store.Wishes, wishKey)}
	if v.log.Now().Sub(r.Created) < lastChange {
		next := *r
		next.Expired = true
		changes = append(changes, put(store.Approvals, r.ID, next))
	} else if err := v.log.Drop(tx, audit.Object{Bucket: store.Approvals, Key: r.ID}); err != nil {
		return err
	}
	ev := audit.Event{Actor: daemonActor, Action: audit.ApprovalExpire, Outcome: audit.OK}
	return v.recordRequest(tx, ev, r, "", changes...)
}

// lastChange is how long after it was made a request may still be changed.
const lastChange = audit.TokenLife - time.Hour
