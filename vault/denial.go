package vault

import (
	"context"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

// Bounds of what refusals may write. Equal refusals of one actor are one event
// at once and then one counted event a minute; so are all of an actor beyond
// denialKinds different ones, and all of everybody beyond denialTable.
const (
	denialWindow = time.Minute
	denialKinds  = 32
	denialTable  = 4096
)

// denialKey is what makes two refusals equal.
type denialKey struct {
	actor, action, namespace, key, reason, approval string
}

// denials counts equal refusals. It is owned by whoever the store lets write.
type denials struct {
	entries map[denialKey]*denial
	kinds   map[string]int // different refusals of an actor
}

type denial struct {
	ev    audit.Event // what a counted event repeats
	count int         // refusals since the last event
	since time.Time   // of the last event
}

const (
	manyReasons = "many different refusals"
	manySources = "many" // the name of those who are too many to be told apart
)

// record writes ev, or only counts it.
func (d *denials) record(tx *store.Tx, log *audit.Log, ev audit.Event) error {
	return d.recordMany(tx, log, ev, 1)
}

// recordMany is record for n refusals that are all as ev says.
func (d *denials) recordMany(tx *store.Tx, log *audit.Log, ev audit.Event, n int) error {
	k := keyOfDenial(ev)
	e := d.entries[k]
	if e == nil {
		if k, ev = d.fold(k, ev); d.entries[k] != nil {
			e = d.entries[k]
		}
	}
	if e != nil {
		e.count += n
		tx.OnUndo(func() { e.count -= n })
		return nil
	}
	if n > 1 {
		ev.Count = n
	}
	if _, err := log.Append(tx, ev); err != nil {
		return err
	}
	d.add(tx, k, &denial{ev: ev, since: log.Now()})
	return nil
}

func keyOfDenial(ev audit.Event) denialKey {
	actor := ev.Actor.ID
	if ev.Action == audit.AuthFailed { // one event a minute per source, whatever was tried
		return denialKey{actor: ev.Actor.Name, action: string(ev.Action)}
	}
	return denialKey{actor, string(ev.Action), ev.Namespace, ev.Key, ev.Reason, ev.Approval}
}

// fold makes one of refusals that are too many and all different.
func (d *denials) fold(k denialKey, ev audit.Event) (denialKey, audit.Event) {
	if d.kinds[k.actor] < denialKinds && len(d.entries) < denialTable {
		return k, ev
	}
	ev.Namespace, ev.Key, ev.Subject, ev.Reason, ev.Approval = "", "", nil, manyReasons, ""
	k = denialKey{actor: k.actor, action: k.action, reason: manyReasons}
	if d.entries[k] == nil && len(d.entries) >= denialTable {
		k.actor, ev.Actor = "", audit.Actor{Kind: unknownKind, Name: manySources}
	}
	return k, ev
}

func (d *denials) add(tx *store.Tx, k denialKey, e *denial) {
	d.insert(k, e)
	tx.OnUndo(func() { d.drop(k) })
}

func (d *denials) insert(k denialKey, e *denial) {
	if d.entries == nil {
		d.entries, d.kinds = map[denialKey]*denial{}, map[string]int{}
	}
	d.entries[k] = e
	d.kinds[k.actor]++
}

func (d *denials) drop(k denialKey) {
	delete(d.entries, k)
	if d.kinds[k.actor]--; d.kinds[k.actor] <= 0 {
		delete(d.kinds, k.actor)
	}
}

// flush writes the counted events of all that is older than the window, or of
// all with everything, and forgets what was quiet.
func (d *denials) flush(tx *store.Tx, log *audit.Log, everything bool) error {
	now := log.Now()
	for k, e := range d.entries {
		if !everything && now.Sub(e.since) < denialWindow {
			continue
		}
		if e.count == 0 {
			d.drop(k)
			tx.OnUndo(func() { d.insert(k, e) })
			continue
		}
		ev := e.ev
		ev.Count, ev.RequestID, ev.ClientRef = e.count, "", ""
		if _, err := log.Append(tx, ev); err != nil {
			return err
		}
		count, since := e.count, e.since
		e.count, e.since = 0, now
		tx.OnUndo(func() { e.count, e.since = count, since })
	}
	return nil
}

// flushDenials writes all that was only counted.
func (v *Vault) flushDenials(ctx context.Context) error { return v.flush(ctx, true) }

// flush writes what was counted for long enough, or everything.
func (v *Vault) flush(ctx context.Context, everything bool) error {
	shed := v.shed.take()
	err := v.db.Update(ctx, func(tx *store.Tx) error {
		for class, s := range shed {
			if err := v.denials.recordMany(tx, v.log, s.event(class), s.n); err != nil {
				return err
			}
		}
		if err := v.tellDropped(tx); err != nil {
			return err
		}
		return v.denials.flush(tx, v.log, everything)
	})
	if err != nil {
		v.shed.giveBack(shed)
	}
	return err
}
