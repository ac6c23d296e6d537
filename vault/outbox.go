package vault

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

// maxOutbox is how many events may wait for receivers, in all; each has its share.
const maxOutbox = 10_000

// settleAtOnce is how many records one event removes from the outbox.
const settleAtOnce = 256

// queued is the record of an event that waits for a receiver. What is sent is made
// from the event itself.
type queued struct {
	At time.Time `json:"at"` // of the event
}

// outboxKey puts the events of a receiver together, oldest first.
func outboxKey(receiver string, seq uint64) string { return fmt.Sprintf("%s/%016x", receiver, seq) }

// parseOutboxKey is the other way round.
func parseOutboxKey(key string) (receiver string, seq uint64, err error) {
	receiver, text, _ := strings.Cut(key, "/")
	if seq, err = strconv.ParseUint(text, 16, 64); err != nil || outboxKey(receiver, seq) != key {
		return "", 0, &audit.TamperError{What: "record " + string(store.Outbox) + "/" + key, Problem: "its key is malformed"}
	}
	return receiver, seq, nil
}

// outbox is what is known of the records that wait. It is owned by whoever the store
// lets write.
type outbox struct {
	told    map[audit.Action][]string // receivers, by what they are told of
	most    int                       // records, in all
	share   int                       // of each
	waiting map[string]int            // records, by receiver
	dropped map[string]int            // events that found no room, since the last one that says so
	fresh   bool                      // the next commit is news for the couriers
}

// room is how many records of a receiver may wait before e finds no place. What an agent
// does leaves a part of it free: else it could do much, and then what matters unseen.
func (o *outbox) room(e *audit.Event) int {
	if e.Actor.Kind == string(kindAgent) && e.Action != audit.ApprovalRequest {
		return o.share * 4 / 5
	}
	return o.share
}

func newOutbox() outbox {
	return outbox{most: maxOutbox, waiting: map[string]int{}, dropped: map[string]int{}}
}

// openOutbox counts what waits. It is called when nobody writes yet.
func (v *Vault) openOutbox(r store.Reader) error {
	rec, err := v.receivers(r)
	if err != nil {
		return err
	}
	v.outbox.ask(rec)
	return r.Scan(store.Outbox, nil, func(k, _ []byte) (bool, error) {
		name, _, err := parseOutboxKey(string(k))
		if err == nil {
			v.outbox.waiting[name]++
		}
		return err == nil, err
	})
}

// ask takes over who is to be told of what.
func (o *outbox) ask(rec *receivers) {
	o.told, o.share = map[audit.Action][]string{}, o.most/max(1, len(rec.List))
	for _, a := range audit.Actions() {
		for _, one := range []audit.Action{a, a.Denied()} {
			for _, r := range rec.List {
				if r.asksFor(one) {
					o.told[one] = append(o.told[one], r.Name)
				}
			}
		}
	}
}

// attach is the records that an event writes besides: one for each receiver that is
// told of it and has room. It is asked by the trail, in the event's transaction.
func (v *Vault) attach(tx *store.Tx, seq uint64, e *audit.Event) (changes []audit.Change) {
	o := &v.outbox
	room := o.room(e)
	for _, name := range o.told[e.Action] {
		if o.waiting[name] >= room {
			add(tx, o.dropped, name, 1)
			continue
		}
		add(tx, o.waiting, name, 1)
		changes = append(changes, put(store.Outbox, outboxKey(name, seq), queued{e.Time.Time}))
		o.fresh = true
	}
	return changes
}

// add counts, as long as the operation stands.
func add(tx *store.Tx, m map[string]int, name string, n int) {
	m[name] += n
	tx.OnUndo(func() { m[name] -= n })
}

// settle removes records of a receiver, with ev and what it changes besides. It writes
// nothing when all are gone already.
func (v *Vault) settle(tx *store.Tx, ev audit.Event, receiver string, seqs []uint64, besides ...audit.Change) error {
	var changes []audit.Change
	for _, seq := range seqs {
		q, err := load[queued](v, tx, store.Outbox, outboxKey(receiver, seq))
		if err != nil {
			return err
		}
		if q != nil {
			changes = append(changes, remove(store.Outbox, outboxKey(receiver, seq)))
		}
	}
	n := len(changes)
	if n == 0 {
		return nil
	}
	if n > 1 {
		ev.Count = n
	}
	if _, err := v.log.Append(tx, ev, append(changes, besides...)...); err != nil {
		return err
	}
	add(tx, v.outbox.waiting, receiver, -n)
	return nil
}

// delivered writes that a receiver has taken events.
func (v *Vault) delivered(ctx context.Context, name string, seqs []uint64) error {
	// On a full disk it is the alarms that wait behind; and this makes room.
	return v.db.UpdateReserved(ctx, func(tx *store.Tx) error {
		rec, err := v.receivers(tx)
		r := rec.find(name)
		if err != nil || r == nil { // it is not configured any more, and these went with it
			return err
		}
		return v.settle(tx, r.event(audit.WebhookDelivered, "to "+r.Origin), name, seqs)
	})
}

// lost gives events up, and keeps that for the owners.
func (v *Vault) lost(ctx context.Context, name string, seqs []uint64, why string) error {
	return v.db.UpdateReserved(ctx, func(tx *store.Tx) error {
		rec, err := v.receivers(tx)
		r := rec.find(name)
		if err != nil || r == nil {
			return err
		}
		ev := r.event(audit.WebhookFailed, "given up after a day: "+why)
		return v.settle(tx, ev, name, seqs, rec.lost(name, len(seqs), v.log.Now(), ev.Reason))
	})
}

// tellDropped writes what found no room in the outbox: an event for each receiver.
func (v *Vault) tellDropped(tx *store.Tx) error {
	o := &v.outbox
	for name, n := range o.dropped {
		delete(o.dropped, name)
		tx.OnUndo(func() { o.dropped[name] += n })
		rec, err := v.receivers(tx)
		r := rec.find(name)
		if err != nil {
			return err
		}
		if r == nil || n == 0 {
			continue
		}
		ev := r.event(audit.WebhookFailed, "not kept for it: too many events wait already")
		ev.Count = n
		if _, err := v.log.Append(tx, ev, rec.lost(name, n, v.log.Now(), ev.Reason)); err != nil {
			return err
		}
	}
	return nil
}

// waitingFor is the events that wait for a receiver, oldest first.
func (v *Vault) waitingFor(r store.Reader, receiver string) (seqs []uint64, err error) {
	err = eachWaiting(r, receiver, func(seq uint64) (bool, error) {
		seqs = append(seqs, seq)
		return true, nil
	})
	return seqs, err
}

// eachWaiting calls fn with each of them, until it returns false or an error.
func eachWaiting(r store.Reader, receiver string, fn func(seq uint64) (bool, error)) error {
	prefix := receiver + "/"
	return r.Scan(store.Outbox, []byte(prefix), func(k, _ []byte) (bool, error) {
		if !strings.HasPrefix(string(k), prefix) {
			return false, nil
		}
		_, seq, err := parseOutboxKey(string(k))
		if err != nil {
			return false, err
		}
		return fn(seq)
	})
}
