package vault

import (
	"context"
	"fmt"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

// remacAtOnce is how many records one event names.
const remacAtOnce = 200

// remacAll authenticates with the new root key what an event before since wrote, until a
// walk finds nothing. What is written meanwhile is authenticated with it already.
func (v *Vault) remacAll(ctx context.Context, since uint64) error {
	if err := v.countRecords(ctx, since); err != nil {
		return err
	}
	for {
		moved := 0
		var left error
		for _, b := range audit.RecordBuckets {
			n, bad, err := v.remacBucket(ctx, b, since)
			if err != nil {
				return err
			}
			if moved += n; left == nil {
				left = bad
			}
		}
		if moved == 0 {
			return left
		}
	}
}

// countRecords counts what is done and what is not.
func (v *Vault) countRecords(ctx context.Context, since uint64) error {
	left, all := 0, 0
	for _, b := range audit.RecordBuckets {
		err := v.inPieces(ctx, b, func(_ *store.Snapshot, _, raw []byte) error {
			all++
			if rec, ok := audit.ParseRecord(raw); ok && rec.Seq < since {
				left++
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	v.turning.set(all-left, all)
	return nil
}

// remacBucket walks once over a bucket. left is why some stay as they are: those that no
// root key has authenticated.
func (v *Vault) remacBucket(ctx context.Context, b store.Bucket, since uint64) (moved int, left, err error) {
	var found []string
	flush := func() error {
		began := time.Now()
		n, bad, err := v.remacSome(ctx, b, found, since)
		if moved += n; left == nil {
			left = bad
		}
		v.turning.add(n)
		found = found[:0]
		if n > 0 {
			pause(ctx, min(max(rewrapPause, time.Since(began)), rewrapLongest))
		}
		if err == nil {
			err = ctx.Err()
		}
		return err
	}
	err = v.db.Chunks(b, nil, remacAtOnce, func(k, raw []byte) (bool, error) {
		if rec, ok := audit.ParseRecord(raw); !ok || rec.Seq < since {
			found = append(found, string(k))
		}
		if len(found) < remacAtOnce {
			return true, nil
		}
		err := flush()
		return err == nil, err
	})
	if err == nil && len(found) > 0 {
		err = flush()
	}
	return moved, left, err
}

// remacSome writes records once more as they are, with one event that names them all.
// The content is that which the trail vouches for: what something else has changed is
// left, and told.
func (v *Vault) remacSome(ctx context.Context, b store.Bucket, keys []string, since uint64) (moved int, left, err error) {
	err = v.db.Update(ctx, func(tx *store.Tx) error {
		moved, left = 0, nil
		var changes []audit.Change
		for _, k := range keys {
			change, gone, err := v.sameAgain(tx, audit.Object{Bucket: b, Key: k}, since)
			switch {
			case err != nil && left == nil:
				left = err
			case gone:
				moved++
			case change != nil:
				changes = append(changes, *change)
			}
		}
		if len(changes) == 0 {
			return nil
		}
		moved += len(changes)
		ev := audit.Event{Actor: daemonActor, Action: audit.RootRotate, Outcome: audit.OK}
		ev.Reason = fmt.Sprintf("records of %s, authenticated anew: %d", b, len(changes))
		_, err := v.log.Append(tx, ev, changes...)
		return err
	})
	return moved, left, err
}

// sameAgain is the change that writes a record as it is; nil where that is not needed
// any more. One that expires and was written so long ago that it has, of which the check
// of the trail may know nothing any more, is removed instead: gone.
func (v *Vault) sameAgain(tx *store.Tx, o audit.Object, since uint64) (change *audit.Change, gone bool, err error) {
	raw := append([]byte(nil), tx.Get(o.Bucket, []byte(o.Key))...)
	if len(raw) == 0 {
		return nil, false, nil
	}
	content, err := v.log.Check(tx, o, raw)
	if err != nil {
		return nil, false, err
	}
	rec, _ := audit.ParseRecord(raw)
	if rec.Seq >= since {
		return nil, false, nil
	}
	if audit.Expires(o.Bucket) {
		wrote, err := audit.Read(tx, rec.Seq)
		if err != nil {
			return nil, false, err
		}
		if v.log.Now().Sub(wrote.Time.Time) > audit.TokenLife {
			return nil, true, v.log.Drop(tx, o)
		}
	}
	return &audit.Change{Object: o, Content: content}, false, nil
}

// endRecords removes the old root key. It stays in memory, since who reads on an older
// snapshot may still have a record to check.
func (v *Vault) endRecords(ctx context.Context) error {
	err := v.nextStage(ctx, stageRecords, func(next *state) (reason string, changes []audit.Change) {
		next.Turn.Stage = stageRewrap
		return "records are all authenticated by the new root key; the one before it is removed and still in free pages",
			[]audit.Change{remove(store.Keys, rootRecord(next.Turn.Root))}
	})
	if err == nil {
		v.turning.set(0, 0)
	}
	return err
}
