package vault

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/internal/crashpoint"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/envelope"
)

// How much one transaction wraps anew, and how much one snapshot looks at: the writer
// keeps everyone waiting, and a snapshot keeps pages from being used again.
const (
	rewrapAtOnce  = 128
	rewrapBytes   = 1 << 20 // and one value more
	rewrapLook    = 4096
	rewrapPause   = 2 * time.Millisecond // at least, between two transactions
	rewrapLongest = time.Second          // at most
	turnAgain     = time.Minute          // after a fault
)

// turnKeys does what is left of turning over the keys, whenever there is something,
// until ctx ends.
func (v *Vault) turnKeys(ctx context.Context) {
	for ctx.Err() == nil {
		err := v.turnOver(ctx)
		if err != nil && ctx.Err() == nil && v.turning.fail(err) {
			v.cfg.Log.Warn("the keys are not turned over yet; it is tried again every minute, and ass vault status shows how far it is", "error", err)
		}
		v.turning.wait(ctx, err != nil)
	}
}

// turnOver does what is left. What it needs to know it reads from the file.
func (v *Vault) turnOver(ctx context.Context) error {
	st, err := v.stateNow()
	if err != nil || st.Turn.Stage == "" {
		return err
	}
	if st.Turn.Stage == stageRecords {
		if err := v.remacAll(ctx, st.Turn.RootSince); err != nil {
			return err
		}
		if err := v.endRecords(ctx); err != nil {
			return err
		}
	}
	if st.Turn.Stage != stageCompact {
		if err := v.rewrapAll(ctx, st.Turn.Old); err != nil {
			return err
		}
		if err := v.endRewrapping(ctx); err != nil {
			return err
		}
	}
	crashpoint.At("kek.rewrapped")
	return v.endTurn(ctx)
}

// rewrapAll wraps anew until a walk finds nothing that the old keyring has wrapped. New
// values are sealed to the new one, so there is less with each walk.
func (v *Vault) rewrapAll(ctx context.Context, oldID string) error {
	old := v.rings.Load().old
	if old == nil || old.ID() != oldID { // without it nothing may be found to be done
		return fmt.Errorf("the keyring %q is to be replaced, and is not open", oldID)
	}
	if err := v.countWraps(ctx, oldID); err != nil {
		return err
	}
	paths, err := v.pathsByID(ctx)
	if err != nil {
		return err
	}
	for {
		moved, left, err := v.rewrapWalk(ctx, old, paths)
		if err != nil {
			return err
		}
		if moved == 0 {
			return left
		}
	}
}

// rewrapWalk walks once over all values. left is why some stay as they are: those that
// nobody can open, and so nobody can wrap anew.
func (v *Vault) rewrapWalk(ctx context.Context, old *envelope.Keyring, paths map[string]policy.Path) (moved int, left, err error) {
	for after, more := []byte(nil), true; more; {
		var found []wrapped
		if found, after, more, err = v.findWraps(old, after); err != nil {
			return moved, left, err
		}
		began := time.Now()
		n, bad, err := v.rewrapSome(ctx, old, paths, found)
		if err != nil {
			return moved, left, err
		}
		if moved += n; left == nil {
			left = bad
		}
		v.turning.add(n)
		if n > 0 {
			pause(ctx, min(max(rewrapPause, time.Since(began)), rewrapLongest))
		}
		if err := ctx.Err(); err != nil {
			return moved, left, err
		}
	}
	return moved, left, nil
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// wrapped is a value whose DEK the old keyring has wrapped, and what comes in its place.
type wrapped struct{ key, sealed, next []byte }

// findWraps finds some of them from a key on, and says where to go on.
func (v *Vault) findWraps(old *envelope.Keyring, from []byte) (found []wrapped, next []byte, more bool, err error) {
	looked, size := 0, 0
	err = v.db.View(func(s *store.Snapshot) error {
		return s.Scan(store.Values, from, func(k, sealed []byte) (bool, error) {
			if by, _ := envelope.SealedBy(sealed); by == old.ID() {
				found = append(found, wrapped{key: bytes.Clone(k), sealed: bytes.Clone(sealed)})
				size += len(sealed)
			}
			looked++
			if more = looked == rewrapLook || len(found) == rewrapAtOnce || size >= rewrapBytes; more {
				next = append(bytes.Clone(k), 0)
			}
			return !more, nil
		})
	})
	return found, next, more, err
}

// rewrapSome wraps them anew, in one transaction that does nothing but store them. One
// that has changed meanwhile is left alone: it is gone, or found by the next walk.
func (v *Vault) rewrapSome(ctx context.Context, old *envelope.Keyring, paths map[string]policy.Path, some []wrapped) (moved int, left, err error) {
	ready := some[:0]
	for _, w := range some {
		if w.next, err = v.rewrap(old, paths, w); err != nil {
			if left == nil { // one is told at a time
				left = err
			}
			continue
		}
		ready = append(ready, w)
	}
	if len(ready) == 0 {
		return 0, left, nil
	}
	err = v.db.Update(ctx, func(tx *store.Tx) error {
		moved = 0
		for _, w := range ready {
			if !bytes.Equal(tx.Get(store.Values, w.key), w.sealed) {
				continue
			}
			if err := tx.Put(store.Values, w.key, w.next); err != nil {
				return err
			}
			moved++
		}
		return nil
	})
	return moved, left, err
}

func (v *Vault) rewrap(old *envelope.Keyring, paths map[string]policy.Path, w wrapped) ([]byte, error) {
	id, n, ok := parseValueKey(w.key)
	p, known := paths[id]
	if !ok || !known {
		return nil, fmt.Errorf("a value of no secret, %.60q: run assd verify", w.key)
	}
	next, err := v.keyring().Rewrap(v.place(id, p, n), w.sealed, old)
	if err != nil {
		return nil, fmt.Errorf("version %d of %s does not open, so the old key has to stay: put its value back, or delete the secret", n, p)
	}
	return next, nil
}

// parseValueKey takes apart what valueKey made.
func parseValueKey(k []byte) (secretID string, n uint64, ok bool) {
	at := len(k) - 9
	if at < 0 || k[at] != '/' {
		return "", 0, false
	}
	return string(k[:at]), binary.BigEndian.Uint64(k[at+1:]), true
}

// pathsByID are the paths of all secrets. Those that are made while it looks are sealed
// to the new keyring, and need not be among them.
func (v *Vault) pathsByID(ctx context.Context) (map[string]policy.Path, error) {
	paths := map[string]policy.Path{}
	err := v.inPieces(ctx, store.Secrets, func(s *store.Snapshot, k, _ []byte) error {
		p, err := policy.ParsePath(string(k))
		if err != nil {
			return err
		}
		h, err := loadOnce[header](v, s, store.Secrets, p.String())
		if err == nil && h.there() {
			paths[h.ID] = p
		}
		return err
	})
	return paths, err
}

// countWraps counts what is done and what is not.
func (v *Vault) countWraps(ctx context.Context, oldID string) error {
	done, left, now := 0, 0, v.keyring().ID()
	err := v.inPieces(ctx, store.Values, func(_ *store.Snapshot, _, sealed []byte) error {
		switch by, _ := envelope.SealedBy(sealed); by {
		case oldID:
			left++
		case now:
			done++
		}
		return nil
	})
	v.turning.set(done, done+left)
	return err
}

// inPieces calls fn for each key of a bucket, some of them in a snapshot.
func (v *Vault) inPieces(ctx context.Context, b store.Bucket, fn func(s *store.Snapshot, k, value []byte) error) error {
	var from []byte
	for more := true; more; {
		n := 0
		err := v.db.View(func(s *store.Snapshot) error {
			return s.Scan(b, from, func(k, value []byte) (bool, error) {
				n++
				if more = n == rewrapLook; more {
					from = append(bytes.Clone(k), 0)
				}
				return !more, fn(s, k, value)
			})
		})
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		more = n == rewrapLook
	}
	return nil
}

// endRewrapping removes the old sealed keyset. It stays in memory, since who reads on
// an older snapshot may still have a value to open.
func (v *Vault) endRewrapping(ctx context.Context) error {
	return v.nextStage(ctx, stageRewrap, func(next *state) (reason string, changes []audit.Change) {
		next.Turn.Stage, next.Turn.Gone = stageCompact, v.log.Now()
		return "all is wrapped by " + next.KEK + "; " + next.Turn.Old + " is removed and still in free pages",
			[]audit.Change{remove(store.Keys, kekRecord(next.Turn.Old))}
	})
}

// endTurn writes the file anew without what the old keyring was, and says so: with
// vault.compact, as every compaction, and in the same commit that the keys are destroyed.
func (v *Vault) endTurn(ctx context.Context) error {
	before := v.roots.Load().before
	done, err := v.compactFile(ctx)
	if err != nil {
		return err
	}
	st, err := v.stateNow()
	if err != nil {
		return err
	}
	backups, err := v.backupsBefore(ctx, st.Turn.Gone)
	if err != nil {
		return err
	}
	err = v.nextStage(ctx, stageCompact, func(next *state) (reason string, changes []audit.Change) {
		reason = "done: " + next.Turn.Old + " is destroyed; " + backups
		if next.Turn.Root != "" {
			reason = "done: " + next.Turn.Old + " and the old root key are destroyed; " + backups
		}
		next.Turn = turn{}
		return reason, nil
	}, compacted(audit.Event{Actor: daemonActor}, done))
	if err == nil {
		v.turning.end()
		v.wipeBefore(before)
		v.cfg.Log.Info("the keys are turned over")
	}
	return err
}

// namedBackups is how many backups an event names.
const namedBackups = 5

// backupsBefore says which backups hold a key that was removed at that time: those that
// the trail knows of, and copies that were made without the daemon.
func (v *Vault) backupsBefore(ctx context.Context, at time.Time) (string, error) {
	page, err := v.log.Query(ctx, v.db, audit.Filter{Action: "vault.backup", Until: at}, namedBackups)
	if err != nil {
		return "", err
	}
	text := "backups and copies from before " + at.Format(time.RFC3339) + " still hold it"
	taken := slices.DeleteFunc(page.Events, func(ev audit.Stored) bool { return ev.Outcome != audit.OK }) // not refused
	for i, ev := range taken {
		if i == 0 {
			text += ", as those of event"
		}
		text += fmt.Sprintf(" %d", ev.Seq)
	}
	if page.Next != 0 {
		text += " and older ones"
	}
	return text, nil
}

// nextStage ends a stage, with the event of that, behind those that tell what was done
// for it.
func (v *Vault) nextStage(ctx context.Context, stage string, to func(*state) (reason string, changes []audit.Change), did ...audit.Event) error {
	return v.db.Update(ctx, func(tx *store.Tx) error {
		st, err := v.state(tx)
		if err != nil || st.Turn.Stage != stage {
			return err
		}
		for _, ev := range did {
			if _, err := v.log.Append(tx, ev); err != nil {
				return err
			}
		}
		next := *st
		ev := audit.Event{Actor: daemonActor, Action: audit.KEKRotate, Outcome: audit.OK}
		reason, changes := to(&next)
		ev.Reason = reason
		if next.Turn.Stage == "" {
			v.dropOld(tx)
			v.dropOldRoot(tx)
		}
		_, err = v.log.Append(tx, ev, append(changes, put(store.Vault, stateKey, next))...)
		return err
	})
}

// dropOld lets go of the old keyring, before anyone can begin to replace the one there is.
func (v *Vault) dropOld(tx *store.Tx) {
	rings := v.rings.Load()
	tx.OnUndo(func() { v.rings.Store(rings) })
	v.rings.Store(&keyrings{now: rings.now})
}
