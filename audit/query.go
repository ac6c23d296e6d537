package audit

import (
	"context"
	"sort"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
)

// Filter says which events are wanted. A zero field matches everything.
type Filter struct {
	Namespace string    // this namespace and all below it
	Actor     string    // id or name
	Action    string    // this action, or all that begin with it and a dot
	Since     time.Time // not before
	Until     time.Time // not after
	Before    uint64    // only events with a smaller sequence number: the cursor
}

// Stored is an event with its place in the trail.
type Stored struct {
	Seq uint64
	Event
}

// Query is the newest limit events that match, newest first, and the cursor for
// the ones before them (0: there are none). It looks at a bounded stretch in
// each read transaction. Each event is held against its link, and the committed
// head against the file: what was changed under the daemon is a *TamperError.
//
// BUG(audit): a filter that matches little walks the trail back to Since; there
// are no indexes yet.
func (l *Log) Query(ctx context.Context, db *store.DB, f Filter, limit int) (events []Stored, next uint64, err error) {
	w := queryWalk{f: f, limit: limit}
	w.at, err = start(db, f, l.Head().Head)
	for err == nil && w.at > 0 && !w.done {
		if err = ctx.Err(); err == nil {
			err = db.View(w.stretch)
		}
	}
	return w.events, w.next, err
}

// queryWalk goes back from event to event.
type queryWalk struct {
	f      Filter
	limit  int
	at     uint64 // the next event to look at
	done   bool
	events []Stored
	next   uint64
}

// stretch looks at as many events as one read transaction may.
func (w *queryWalk) stretch(s *store.Snapshot) error {
	for left := chunk; left > 0 && w.at > 0 && !w.done; left-- {
		st, err := readStored(s, w.at)
		if err != nil {
			return err
		}
		w.look(st)
		w.at--
	}
	return nil
}

func (w *queryWalk) look(st Stored) {
	switch {
	case st.Time.Before(w.f.Since): // times never fall: all before it are older
		w.done = true
	case !w.f.matches(st.Event):
	case len(w.events) == w.limit:
		w.next, w.done = w.events[w.limit-1].Seq, true
	default:
		w.events = append(w.events, st)
	}
}

// Read is the event of that sequence number, held against its link; what was changed
// under the daemon is a *TamperError.
func Read(r store.Reader, seq uint64) (Stored, error) { return readStored(r, seq) }

// HashAt is the hash of that event, held against its bytes.
func HashAt(r store.Reader, seq uint64) (Hash, error) {
	if _, err := readStored(r, seq); err != nil {
		return Hash{}, err
	}
	e, err := readEntry(r, seq)
	return e.Hash, err
}

// readStored reads one event by its sequence number and checks its link.
func readStored(r store.Reader, seq uint64) (Stored, error) {
	e, err := readEntry(r, seq)
	if err != nil {
		return Stored{}, brokenAt(seq, "it is missing or malformed")
	}
	var before Entry
	if seq > 1 {
		if before, err = readEntry(r, seq-1); err != nil {
			return Stored{}, brokenAt(seq-1, "it is missing or malformed")
		}
	}
	ev, err := DecodeEvent(e.Bytes)
	if err != nil || chain.Link(seq, before.Hash, e.Bytes) != e.Hash {
		return Stored{}, brokenAt(seq, "it was changed: its hash does not match")
	}
	return Stored{seq, ev}, nil
}

func decodeStored(k, v []byte) (Stored, error) {
	e, err := parseEntry(k, v)
	if err != nil {
		return Stored{}, err
	}
	ev, err := DecodeEvent(e.Bytes)
	return Stored{e.Seq, ev}, err
}

// start is the newest sequence number that can match: the cursor, or the last
// event not after Until, found by bisection since times never fall.
func start(db *store.DB, f Filter, head Head) (at uint64, err error) {
	err = db.View(func(s *store.Snapshot) error {
		if e, err := readEntry(s, head.Seq); err != nil || e.Hash != head.Hash {
			return brokenAt(head.Seq, "it is not the one that was committed")
		}
		last, err := lastEntry(s)
		if err != nil {
			return err
		}
		at = last.Seq
		if f.Before > 0 && f.Before-1 < at {
			at = f.Before - 1
		}
		if f.Until.IsZero() {
			return nil
		}
		n := sort.Search(int(at), func(i int) bool {
			st, e := readStored(s, uint64(i)+1)
			if e != nil {
				err = e
			}
			return st.Time.After(f.Until)
		})
		at = uint64(n)
		return err
	})
	return at, err
}

func (f Filter) matches(e Event) bool {
	return below(e.Namespace, f.Namespace, "/") &&
		below(string(e.Action), f.Action, ".") &&
		(f.Actor == "" || f.Actor == e.Actor.ID || strings.EqualFold(f.Actor, e.Actor.Name))
}

// below reports whether s is root or continues it after sep; an empty root is
// above everything.
func below(s, root, sep string) bool {
	return root == "" || s == root || strings.HasPrefix(s, root+sep)
}

// Count is how many events the trail has.
func Count(r store.Reader) (uint64, error) {
	last, err := lastEntry(r)
	return last.Seq, err
}

// Walk calls fn with each event, oldest first, until it returns false. It holds
// r for as long as that takes: it is for short walks.
func Walk(r store.Reader, fn func(Stored) bool) error {
	return r.Scan(store.Audit, seqKey(1), func(k, v []byte) (bool, error) {
		if _, head, _ := parseKey(k); head {
			return true, nil
		}
		st, err := decodeStored(k, v)
		if err != nil {
			return false, err
		}
		return fn(st), nil
	})
}

// Heads is how many signed heads the trail has, counted up to most.
func Heads(r store.Reader, most int) (n int, err error) {
	err = r.Scan(store.Audit, nil, func(k, _ []byte) (bool, error) {
		if _, head, _ := parseKey(k); head {
			n++
		}
		return n < most, nil
	})
	return n, err
}
