package audit

import (
	"maps"
	"time"
)

// TokenLife is the longest that a record which expires may be written to after
// the event that wrote it last: no token, request or grant lives longer.
const TokenLife = 168 * time.Hour

// history knows, while the trail is walked, which event wrote each object last.
// Of what expires it forgets what has: it keeps two generations of TokenLife
// each, so it stays small however many tokens a trail has seen.
type history struct {
	last     map[ledgerKey]uint64
	expiring [2]map[ledgerKey]uint64 // now, and the generation before
	since    time.Time               // when the present one began
}

func newHistory() history {
	return history{last: map[ledgerKey]uint64{}, expiring: [2]map[ledgerKey]uint64{{}, {}}}
}

// removal marks the sequence number of an event that removed its object.
const removal = 1 << 63

// stateAfter is which event's state an object is in after the last event about
// it, which may be marked as a removal.
func stateAfter(last uint64) uint64 {
	if last&removal != 0 {
		return removed
	}
	return last
}

// note says which event wrote o last (0: none, or it was removed), and that seq
// does now.
func (h *history) note(o Object, seq uint64, removes bool, at time.Time) (last uint64) {
	k, into := keyOf(o), h.last
	if expires(o.Bucket) {
		h.turn(at)
		into = h.expiring[0]
		last = h.expiring[1][k]
	}
	if n, ok := into[k]; ok {
		last = n
	}
	switch into[k] = seq; {
	case removes && comesOnce(o.Bucket):
		delete(into, k)
	case removes:
		into[k] = seq | removal
	}
	return stateAfter(last)
}

// all is the last event about everything that is remembered.
func (h *history) all() map[ledgerKey]uint64 {
	for _, m := range []map[ledgerKey]uint64{h.expiring[1], h.expiring[0]} { // the newer one wins
		maps.Copy(h.last, m)
	}
	return h.last
}

// turn begins a new generation when the present one is old.
func (h *history) turn(at time.Time) {
	if at.Sub(h.since) <= TokenLife {
		return
	}
	h.expiring[1], h.expiring[0] = h.expiring[0], map[ledgerKey]uint64{}
	if at.Sub(h.since) > 2*TokenLife {
		h.expiring[1] = map[ledgerKey]uint64{}
	}
	h.since = at
}
