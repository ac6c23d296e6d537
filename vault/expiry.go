package vault

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
)

// An expiry belongs to a version: a value that is stored brings its own, or none; one that
// a rotation makes has that of the one before, also if it has come. When that of
// the newest has come, the secret is not there for agents, with all its versions;
// owners see it marked.

// warnedBefore is how long before an expiry the trail tells of it, or for half of
// the version's life where that is shorter.
const warnedBefore = 7 * 24 * time.Hour

func (ver version) expired(now time.Time) bool {
	return !ver.Expires.IsZero() && !now.Before(ver.Expires)
}

// expires is when the secret expires; zero: never.
func (h *header) expires() time.Time {
	if ver := h.newest(); ver != nil {
		return ver.Expires
	}
	return time.Time{}
}

// newest is the current version, nil where there is no secret.
func (h *header) newest() *version {
	if !h.there() {
		return nil
	}
	return h.version(0)
}

func (h *header) expired(now time.Time) bool {
	ver := h.newest()
	return ver != nil && ver.expired(now)
}

// seenBy is h as c is to see it: an agent finds an expired secret gone, as one that
// was deleted. What is stored there still counts, tier and version counter too.
func (h *header) seenBy(c *caller, now time.Time) *header {
	if c.owner() {
		return h
	}
	return h.forAgents(now)
}

// forAgents is h as agents are to see it.
func (h *header) forAgents(now time.Time) *header {
	if !h.expired(now) {
		return h
	}
	gone := *h // the record is shared
	gone.hidden = true
	return &gone
}

// versionFor is version, of those that c may know of.
func (h *header) versionFor(c *caller, n uint64, now time.Time) *version {
	ver := h.version(n)
	if ver != nil && !c.owner() && ver.expired(now) {
		return nil
	}
	return ver
}

// due is when the trail is to tell of the expiry next, to the second; zero: not any
// more.
func (h *header) due() time.Time {
	ver := h.newest()
	switch {
	case ver == nil || ver.Expires.IsZero() || !h.Ended.IsZero():
		return time.Time{}
	case !h.Warned.IsZero():
		return ver.Expires
	}
	return ver.Expires.Add(-min(warnedBefore, ver.Expires.Sub(ver.At)/2)).Truncate(time.Second)
}

// dueKey is where a sweep finds what is due at that time.
func dueKey(at time.Time, path string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(at.Unix())), path...)
}

// schedule has the sweep look at p when that is due next, and not when it was to
// before. It is a hint: the header says what is due.
func (v *Vault) schedule(tx *store.Tx, p policy.Path, was, next time.Time) error {
	if !was.IsZero() {
		if err := tx.Delete(store.Due, dueKey(was, p.String())); err != nil {
			return err
		}
	}
	if next.IsZero() {
		return nil
	}
	return tx.Put(store.Due, dueKey(next, p.String()), nil)
}

// tellExpiries writes the events of what expires soon, or has, each once.
func (v *Vault) tellExpiries(ctx context.Context) error {
	for range sweepRounds {
		var due [][]byte
		if err := v.db.View(func(s *store.Snapshot) (err error) {
			due, err = v.findDue(s)
			return err
		}); err != nil || len(due) == 0 {
			return err
		}
		err := v.db.Update(ctx, func(tx *store.Tx) error {
			for _, key := range due {
				if err := v.tellExpiry(tx, key); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil // the next one goes on
}

// findDue is the keys of what is due, at most sweepAtOnce.
func (v *Vault) findDue(r store.Reader) (keys [][]byte, err error) {
	now := uint64(v.now(r).Unix())
	err = r.Scan(store.Due, nil, func(k, _ []byte) (bool, error) {
		if len(k) > 8 && binary.BigEndian.Uint64(k) > now {
			return false, nil
		}
		keys = append(keys, append([]byte(nil), k...))
		return len(keys) < sweepAtOnce, nil
	})
	return keys, err
}

// tellExpiry tells of the secret that a key of what is due names, if its header says
// that it is, and forgets the key.
func (v *Vault) tellExpiry(tx *store.Tx, key []byte) error {
	if err := tx.Delete(store.Due, key); err != nil {
		return err
	}
	p, err := policy.ParsePath(string(key[min(8, len(key)):]))
	if err != nil { // no key of ours
		return nil
	}
	h, err := v.header(tx, p)
	if err != nil {
		return err
	}
	now, at := v.log.Now(), h.due()
	if at.IsZero() || now.Before(at) {
		return v.schedule(tx, p, time.Time{}, at)
	}
	next := *h
	ev := audit.Event{Actor: daemonActor, Action: audit.SecretExpiring, Outcome: audit.OK, Version: h.Current}
	ev.Namespace, ev.Key = p.Namespace().String(), p.Key()
	if h.expired(now) {
		next.Ended, ev.Action, ev.Reason = now, audit.SecretExpire, "since "+h.expires().Format(time.RFC3339)
	} else {
		next.Warned, ev.Reason = now, "at "+h.expires().Format(time.RFC3339)
	}
	if _, err := v.log.Append(tx, ev, put(store.Secrets, p.String(), next)); err != nil {
		return err
	}
	return v.schedule(tx, p, at, next.due())
}
