package audit

import (
	"crypto/sha256"
	"fmt"

	"github.com/agent-secret-store/assd/store"
)

// ledger remembers which event wrote each record last, so that a record put
// back to an older genuine state under the running daemon is found when it is
// used. It knows what was written since the start, and everything once the
// background check of the chain has filled it in. Owned by whoever the store lets write.
type ledger struct {
	last      map[ledgerKey]uint64
	complete  bool              // adopt has been called: an object that is not here does not exist
	unchecked map[ledgerKey]use // what was used before that
	opened    uint64            // the last event when the trail was opened
}

// use is a record as it was used: 0 for none.
type use struct {
	Object
	seq uint64
}

// removed stands for the sequence number of a record that an event removed.
const removed = 0

// ledgerKey is an object's name cut to 16 bytes of SHA-256: a million objects
// fit in some tens of megabytes, and nobody can make two names meet.
type ledgerKey [16]byte

func newLedger() ledger {
	return ledger{last: map[ledgerKey]uint64{}, unchecked: map[ledgerKey]use{}}
}

func keyOf(o Object) ledgerKey {
	h := sha256.Sum256([]byte(o.String()))
	return ledgerKey(h[:16])
}

func (l *ledger) set(tx *store.Tx, o Object, seq uint64) {
	k := keyOf(o)
	old, had := l.last[k]
	l.last[k] = seq
	tx.OnUndo(func() { l.restore(k, old, had) })
}

func (l *ledger) forget(tx *store.Tx, o Object) {
	k := keyOf(o)
	old, had := l.last[k]
	delete(l.last, k)
	tx.OnUndo(func() { l.restore(k, old, had) })
}

func (l *ledger) restore(k ledgerKey, seq uint64, had bool) {
	if had {
		l.last[k] = seq
	} else {
		delete(l.last, k)
	}
}

// adopt fills in what the check of the whole chain found, where nothing newer
// is known, and looks back at what was used before it was done.
func (l *ledger) adopt(base map[ledgerKey]uint64) error {
	for k, use := range l.unchecked {
		if last, told := base[k]; !l.bearsOut(last, told, use) {
			return &TamperError{What: "record " + use.String(), Problem: fmt.Sprintf(
				"it was used in the state of event %d, and event %d had written it last", use.seq, last&^removal)}
		}
	}
	for k, last := range base {
		if _, known := l.last[k]; !known {
			l.last[k] = stateAfter(last)
		}
	}
	l.complete, l.unchecked = true, nil
	return nil
}

// bearsOut reports whether the trail, which tells of last as the last event about
// an object or tells nothing, allows of its use.
func (l *ledger) bearsOut(last uint64, told bool, u use) bool {
	switch {
	case u.seq == stateAfter(last):
		return true
	case last&^removal > l.opened: // the marks in this process's own events tell
		return true
	}
	// What has gone opens nothing; nor does what expired so long ago that the
	// check, which did not find it any more, has forgotten it.
	return expires(u.Bucket) && (u.seq == removed || !told)
}

// expires reports whether records of b may go without an event once they have
// expired; absent, they open nothing.
func expires(b store.Bucket) bool {
	return b == store.Tokens || b == store.Approvals || b == store.Grants // whose keys never come again
}

// Expires reports whether records of b may go without an event once they have expired,
// which is [TokenLife] after the event that wrote them at the latest.
func Expires(b store.Bucket) bool { return expires(b) }

// comesOnce reports whether a key of b is written by one event and removed by
// another, and never comes again. Such a record is forgotten with its removal, so
// that what is remembered does not grow with all that ever was; one that is put
// back then has no event that bears it out.
func comesOnce(b store.Bucket) bool { return b == store.Outbox }

// remove notes that an event removed o.
func (l *ledger) remove(tx *store.Tx, o Object) {
	if !comesOnce(o.Bucket) {
		l.set(tx, o, removed)
		return
	}
	l.forget(tx, o)
	// The mark in the event that removes it tells in which state it was.
	if u, ok := l.unchecked[keyOf(o)]; ok {
		delete(l.unchecked, keyOf(o))
		tx.OnUndo(func() {
			if l.unchecked != nil { // the check has not come in between
				l.unchecked[keyOf(o)] = u
			}
		})
	}
}

// check compares the sequence number in a record (0: no record) with the last
// event known to be about it.
func (l *ledger) check(o Object, seq uint64) error {
	last, known := l.last[keyOf(o)]
	switch {
	case !known && !l.complete:
		l.unchecked[keyOf(o)] = use{o, seq}
		return nil
	case !known && seq == 0:
		return nil
	case known && last == seq:
		return nil
	case seq == 0 && (expires(o.Bucket) || comesOnce(o.Bucket)): // Verify finds one that was taken away
		return nil
	case seq == 0:
		return &TamperError{What: "record " + o.String(), Problem: "it is missing: something other than assd removed it"}
	default:
		return &TamperError{What: "record " + o.String(), Problem: "it is not the one that the last event about it wrote: it was put back to an older state"}
	}
}
