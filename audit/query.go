package audit

import (
	"context"
	"math/bits"
	"slices"
	"sort"
	"strings"
	"time"

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

// Page is what was asked for, newest first.
type Page struct {
	Events []Stored
	Next   uint64 // what Before has to be for the next page; 0: there is none
	InTime uint64 // how many events there are from Since until Until, whatever else is asked for
	looked int    // events and index entries that it took
}

// Query is the newest limit events that match. What is indexed it finds by the index,
// so a page costs as much as it shows; the events behind, less than a stretch unless
// the indexes lag, it walks. It looks at a bounded number in each read transaction.
// Each event is held against its link, and the committed head against the file: what
// was changed under the daemon is a *TamperError.
func (l *Log) Query(ctx context.Context, db *store.DB, f Filter, limit int) (Page, error) {
	w := queryWalk{f: f, limit: limit}
	err := db.View(func(s *store.Snapshot) error { return w.begin(s, l.Head().Head) })
	for err == nil && w.more() {
		if err = ctx.Err(); err == nil {
			err = db.View(w.step)
		}
	}
	return w.Page, err
}

// queryWalk goes back from event to event.
type queryWalk struct {
	Page
	f       Filter
	limit   int
	at      uint64 // the newest event that has not been looked at
	least   uint64 // the oldest that may match
	indexed uint64 // up to this one term finds what matches
	term    term
	coarse  term // that stands for it in a coarse stretch
	full    bool
}

// begin finds the times by bisection, since times never fall.
func (w *queryWalk) begin(s *store.Snapshot, head Head) error {
	if e, err := readEntry(s, head.Seq); err != nil || e.Hash != head.Hash {
		return brokenAt(head.Seq, "it is not the one that was committed")
	}
	last, err := lastEntry(s)
	if err != nil {
		return err
	}
	w.at, w.least = last.Seq, 1
	if !w.f.Until.IsZero() {
		if w.at, err = countUntil(s, w.at, func(t time.Time) bool { return t.After(w.f.Until) }); err != nil {
			return err
		}
	}
	if !w.f.Since.IsZero() {
		older, err := countUntil(s, w.at, func(t time.Time) bool { return !t.Before(w.f.Since) })
		if err != nil {
			return err
		}
		w.least = older + 1
	}
	w.InTime = w.at + 1 - w.least
	if w.f.Before > 0 {
		w.at = min(w.at, w.f.Before-1)
	}
	return w.beginIndex(s, last.Seq)
}

func (w *queryWalk) beginIndex(s *store.Snapshot, events uint64) error {
	t, ok := w.f.term()
	if !ok {
		return nil
	}
	n, err := indexed(s, events)
	w.term, w.coarse, w.indexed = t, w.f.coarse(), n*stretchLen
	return err
}

// countUntil is how many of the first n events come before the first one that is late:
// times never fall, so they are bisected.
func countUntil(s *store.Snapshot, n uint64, late func(time.Time) bool) (uint64, error) {
	var failed error
	before := sort.Search(int(n), func(i int) bool {
		st, err := Read(s, uint64(i)+1)
		if err != nil {
			failed = err
		}
		return late(st.Time.Time)
	})
	return uint64(before), failed
}

func (w *queryWalk) more() bool { return !w.full && w.at >= w.least }

// step looks at as many events as one read transaction may.
func (w *queryWalk) step(s *store.Snapshot) error {
	for end := w.looked + chunk; w.looked < end && w.more(); {
		look := w.look
		if w.at <= w.indexed {
			look = w.byIndex
		}
		if err := look(s); err != nil {
			return err
		}
	}
	return nil
}

// byIndex looks at the events that the index names in the newest stretch that has any.
func (w *queryWalk) byIndex(s *store.Snapshot) error {
	stretch := stretchOf(w.at)
	if end := blockEnd(stretch); lastOf(end) <= w.indexed {
		var some bool
		var err error
		if stretch, some, err = w.inBlock(s, stretch, end); err != nil || !some {
			return err
		}
	}
	w.looked++
	t := w.term
	if w.coarse != t && isCoarse(s, stretch) {
		t = w.coarse
	}
	return w.posting(s, stretch, s.Get(store.Trail, indexKey(stretch, ofStretch, t)))
}

// inBlock is the newest stretch of a block that has the term, from one of them back; if
// there is none, the walk goes on before the block.
func (w *queryWalk) inBlock(s *store.Snapshot, from, end uint64) (stretch uint64, some bool, err error) {
	w.looked++
	set, err := blockBits(s, end, w.term, w.coarse)
	if err != nil {
		return 0, false, err
	}
	begin := end + 1 - blockLen
	set = set << (end - from) >> (end - from)
	if set == 0 {
		w.at = firstOf(begin) - 1
		return 0, false, nil
	}
	stretch = begin + uint64(bits.Len64(set)) - 1
	w.at = min(w.at, lastOf(stretch))
	return stretch, true, nil
}

// posting looks at the events of one stretch that have the term, or the one in its place.
func (w *queryWalk) posting(s *store.Snapshot, stretch uint64, posting []byte) error {
	first := firstOf(stretch)
	for _, offset := range slices.Backward(parseOffsets(posting)) {
		seq := first + offset
		if seq < w.least || w.full {
			break
		}
		if seq > w.at { // before the page, or the index is not in order
			continue
		}
		w.at = seq
		if err := w.look(s); err != nil {
			return err
		}
	}
	w.at = first - 1
	return nil
}

// look takes the event it is at if it matches, and goes on to the one before.
func (w *queryWalk) look(s *store.Snapshot) error {
	st, err := Read(s, w.at)
	if err != nil {
		return err
	}
	w.at, w.looked = w.at-1, w.looked+1
	switch {
	case !w.f.Matches(st.Event):
	case len(w.Events) == w.limit:
		w.Next, w.full = w.Events[w.limit-1].Seq, true
	default:
		w.Events = append(w.Events, st)
	}
	return nil
}

// TimeOnly reports whether nothing but times is asked for.
func (f Filter) TimeOnly() bool { return f.Namespace == "" && f.Actor == "" && f.Action == "" }

// Matches reports whether f means e, whatever its time.
func (f Filter) Matches(e Event) bool {
	return below(e.Namespace, f.Namespace, "/") &&
		below(string(e.Action), f.Action, ".") &&
		(f.Actor == "" || f.Actor == e.Actor.ID || strings.EqualFold(f.Actor, e.Actor.Name))
}

// below reports whether s is root or continues it after sep; an empty root is
// above everything.
func below(s, root, sep string) bool {
	return root == "" || s == root || strings.HasPrefix(s, root+sep)
}
