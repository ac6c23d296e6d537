package vault

import (
	"context"
	"errors"
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
// grants that have ended and requests that ended long ago. It tells of secrets that
// expire soon, and of those that have.
func (v *Vault) Sweep(ctx context.Context) error {
	return errors.Join(v.sweepRequests(ctx), v.tellExpiries(ctx))
}

func (v *Vault) sweepRequests(ctx context.Context) error {
	swept := false
	defer func() {
		if swept {
			v.news.tell()
		}
	}()
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
		swept = true
	}
	return nil // the next one goes on
}

// staleKeys are what a sweep is to look at again, where it writes.
type staleKeys struct{ wishes, approvals, grants []string }

func (s staleKeys) empty() bool { return len(s.wishes)+len(s.approvals)+len(s.grants) == 0 }

func (v *Vault) findStale(r store.Reader) (out staleKeys, err error) {
	m, err := v.momentOf(r)
	if err != nil {
		return out, err
	}
	if out.wishes, err = pick(v, r, store.Wishes, func(w *wish) (bool, error) {
		one, err := load[approval](v, r, store.Approvals, w.Approval)
		return one.closable(m), err
	}); err != nil || len(out.wishes) == sweepAtOnce { // no request goes before the wish that leads to it
		return out, err
	}
	if out.approvals, err = pick(v, r, store.Approvals, func(a *approval) (bool, error) { return a.forgotten(m), nil }); err != nil {
		return out, err
	}
	out.grants, err = pick(v, r, store.Grants, func(g *grant) (bool, error) { return g.over(m), nil })
	return out, err
}

// closable reports whether there is something to close: r, or the wish that leads
// to it, by which nothing has to be found any more. It is so without r.
func (r *approval) closable(m moment) bool {
	return r == nil || r.unclosed(m) || r.status(m) != api.ApprovalPending && !r.recalled(m)
}

// unclosed reports whether nobody has answered r in time, and no event says so yet.
func (r *approval) unclosed(m moment) bool {
	return r.Decided.IsZero() && !r.Expired && r.status(m) == api.ApprovalExpired
}

// forgotten reports whether r ended so long ago that it is not listed any more.
func (r *approval) forgotten(m moment) bool {
	return r.status(m) != api.ApprovalPending && m.now.Sub(r.ended()) > keptEnded
}

// over reports whether g opens nothing any more.
func (g *grant) over(m moment) bool {
	return !m.now.Before(g.Until) || g.Locked != m.lockdown.count()
}

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
	m, err := v.momentOf(tx)
	if err != nil {
		return err
	}
	for _, key := range stale.wishes {
		if err := v.closeWish(tx, m, key); err != nil {
			return err
		}
	}
	for _, key := range stale.approvals {
		if err := dropIf(v, tx, store.Approvals, key, func(r *approval) bool { return r.forgotten(m) }); err != nil {
			return err
		}
	}
	for _, key := range stale.grants {
		if err := dropIf(v, tx, store.Grants, key, func(g *grant) bool { return g.over(m) }); err != nil {
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

// closeWish closes the request behind a wish, if its time is over, or forgets that
// what it asks for was denied.
func (v *Vault) closeWish(tx *store.Tx, m moment, key string) error {
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
	switch {
	case !r.closable(m):
		return nil
	case r.unclosed(m):
		return v.expire(tx, m, key, r)
	}
	ev := audit.Event{Actor: daemonActor, Action: audit.ApprovalExpire, Outcome: audit.OK, Approval: r.ID}
	ev.Subject, ev.Reason = &audit.Subject{ID: r.ID, Name: r.Name}, "that this was denied is forgotten"
	_, err = v.log.Append(tx, ev, remove(store.Wishes, key))
	return err
}

// expire closes a request that nobody answered in time. One that is too old for
// the verifier to follow a change of it goes without a trace of its own: its
// approval.request stays. The wish stays where denials are known by it.
func (v *Vault) expire(tx *store.Tx, m moment, wishKey string, r *approval) error {
	var changes []audit.Change
	if !r.recalled(m) {
		changes = append(changes, remove(store.Wishes, wishKey))
	}
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
