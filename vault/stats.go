package vault

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// Bounds of what is counted.
const (
	statsSpan    = 7 * 24 * time.Hour // where no beginning is given
	statsTime    = 30 * time.Second   // to count
	statsRows    = 20                 // of a table in the answer
	statsTracked = 10_000             // rows of a table while counting
	statsBuckets = 60
)

// Stats counts the events that f means, by default of the last week and never beyond
// now; for owners.
//
// While it counts, each table has room for so many rows: what comes first when it is
// full is counted with the others, however often it comes. Where there is no time for all
// events, the answer is about those up to its Until.
func (v *Vault) Stats(ctx context.Context, req Request, f audit.Filter) (api.AuditStats, error) {
	if now := v.log.At(); f.Until.IsZero() || f.Until.After(now) {
		f.Until = now
	}
	if f.Since.IsZero() {
		f.Since = f.Until.Add(-statsSpan)
	}
	t, err := v.Trail(ctx, req, f)
	if err != nil {
		return api.AuditStats{}, err
	}
	c, end := newCounting(f), v.cfg.Now().Add(statsTime)
	for !t.Done() && v.cfg.Now().Before(end) {
		links, err := t.Next(ctx)
		if err != nil {
			return api.AuditStats{}, err
		}
		for _, l := range links {
			e, err := l.Event()
			if err != nil {
				return api.AuditStats{}, v.asTrail(err)
			}
			c.add(e.Event)
		}
	}
	if !t.Done() {
		if err := v.cutShort(c, t); err != nil {
			return api.AuditStats{}, err
		}
	}
	return c.result(), nil
}

// cutShort has the counts be about the time up to the last event that was walked, meant
// or not; where there is none, about no time.
func (v *Vault) cutShort(c *counting, t *Trail) error {
	at := c.out.Since
	err := v.db.View(func(s *store.Snapshot) error {
		if !t.Walked() {
			return nil
		}
		e, err := audit.Read(s, t.Last())
		at = e.Time.Time
		return err
	})
	c.cut(at)
	return v.asTrail(err)
}

// tally is one row while it is counted.
type tally struct {
	id, name, kind, action, path string
	events, reads, denied        uint64
	last                         time.Time
}

func (t *tally) add(n, reads, denied uint64, at time.Time) {
	t.events, t.reads, t.denied, t.last = t.events+n, t.reads+reads, t.denied+denied, at
}

// tallies are a table while it is counted; others is what found no room.
type tallies struct {
	rows   map[tallyKey]*tally
	others uint64
}

// tallyKey is what a row is about.
type tallyKey struct{ id, action, path string }

// row is the row of k, or nil where there is no room for it.
func (ts *tallies) row(k tallyKey, n uint64) *tally {
	r := ts.rows[k]
	if r == nil && len(ts.rows) < statsTracked {
		r = &tally{id: k.id, action: k.action, path: k.path}
		ts.rows[k] = r
	}
	if r == nil {
		ts.others += n
	}
	return r
}

// top is the rows with the most, and how much the others have.
func (ts *tallies) top(of func(*tally) uint64) (top []*tally, others uint64) {
	for _, r := range ts.rows {
		top = append(top, r)
	}
	slices.SortFunc(top, func(a, b *tally) int {
		return cmp.Or(cmp.Compare(of(b), of(a)), cmp.Compare(a.path, b.path), cmp.Compare(a.id, b.id), cmp.Compare(a.action, b.action))
	})
	others = ts.others
	for len(top) > statsRows {
		others += of(top[len(top)-1])
		top = top[:len(top)-1]
	}
	return top, others
}

// counting is what has been counted so far.
type counting struct {
	out                           api.AuditStats
	width                         time.Duration
	actors, paths, reads, denials tallies
}

func newCounting(f audit.Filter) *counting {
	c := &counting{out: api.AuditStats{Since: f.Since, Until: f.Until, Complete: true, Buckets: []api.AuditBucket{}}}
	for _, ts := range []*tallies{&c.actors, &c.paths, &c.reads, &c.denials} {
		ts.rows = map[tallyKey]*tally{}
	}
	return c
}

// begin lays out the buckets, from the first event on.
func (c *counting) begin(first time.Time) {
	c.width = bucketWidth(first, c.out.Until)
	c.out.BucketSeconds = uint64(c.width / time.Second)
	for at := first.Truncate(c.width); !at.After(c.out.Until); at = at.Add(c.width) {
		c.out.Buckets = append(c.out.Buckets, api.AuditBucket{Start: at})
	}
}

// bucketWidth is the least number of hours or days of which there are few enough.
func bucketWidth(from, until time.Time) time.Duration {
	const day = 24 * time.Hour
	fits := func(w time.Duration) bool { // in seconds: a Duration ends at 292 years
		return until.Unix()-from.Truncate(w).Unix() < statsBuckets*int64(w/time.Second)
	}
	for _, w := range []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour} {
		if fits(w) {
			return w
		}
	}
	w := day
	for !fits(w) {
		w += day
	}
	return w
}

func (c *counting) add(e audit.Event) {
	if c.width == 0 {
		c.begin(e.Time.Time)
	}
	n := uint64(max(e.Count, 1))
	var reads, denied uint64
	if e.Action == audit.SecretRead && e.Outcome == audit.OK {
		reads = n
	}
	if e.Outcome == audit.Denied {
		denied = n
	}
	c.out.Events, c.out.Reads, c.out.Denied = c.out.Events+n, c.out.Reads+reads, c.out.Denied+denied
	if i := int(e.Time.Sub(c.out.Buckets[0].Start) / c.width); i < len(c.out.Buckets) {
		c.out.Buckets[i].Events += n
		c.out.Buckets[i].Denied += denied
	}
	c.tally(e, n, reads, denied)
}

func (c *counting) tally(e audit.Event, n, reads, denied uint64) {
	who, path := cmp.Or(e.Actor.ID, e.Actor.Name), e.Namespace
	if e.Key != "" {
		path += "/" + e.Key
	}
	note := func(ts *tallies, k tallyKey, n uint64) {
		if r := ts.row(k, n); r != nil {
			r.add(n, reads, denied, e.Time.Time)
			if k.id != "" {
				r.id, r.name, r.kind = e.Actor.ID, e.Actor.Name, e.Actor.Kind
			}
		}
	}
	note(&c.actors, tallyKey{id: who}, n)
	if e.Key != "" {
		note(&c.paths, tallyKey{path: path}, n)
	}
	if reads > 0 {
		note(&c.reads, tallyKey{id: who, path: path}, n)
	}
	if denied > 0 {
		note(&c.denials, tallyKey{who, string(e.Action), path}, n)
	}
}

// cut ends the time at until: what comes after was not counted.
func (c *counting) cut(until time.Time) {
	c.out.Until, c.out.Complete = until, false
	beyond := func(b api.AuditBucket) bool { return b.Start.After(until) }
	if i := slices.IndexFunc(c.out.Buckets, beyond); i >= 0 {
		c.out.Buckets = c.out.Buckets[:i]
	}
}

// result is the answer.
func (c *counting) result() api.AuditStats {
	out := c.out
	out.Actors, out.Paths, out.ReadsOf, out.Denials = []api.AuditActor{}, []api.AuditPath{}, []api.AuditReads{}, []api.AuditDenials{}
	events := func(t *tally) uint64 { return t.events }
	var rows []*tally
	rows, out.Others.Actors = c.actors.top(events)
	for _, t := range rows {
		out.Actors = append(out.Actors, api.AuditActor{AgentID: t.name, ActorID: t.id, Type: t.kind, Events: t.events, Reads: t.reads, Denied: t.denied})
	}
	rows, out.Others.Paths = c.paths.top(events)
	for _, t := range rows {
		out.Paths = append(out.Paths, api.AuditPath{Path: t.path, Events: t.events, Reads: t.reads, Denied: t.denied})
	}
	rows, out.Others.ReadsOf = c.reads.top(events)
	for _, t := range rows {
		out.ReadsOf = append(out.ReadsOf, api.AuditReads{AgentID: t.name, ActorID: t.id, Path: t.path, Reads: t.events, Last: t.last})
	}
	rows, out.Others.Denials = c.denials.top(events)
	for _, t := range rows {
		out.Denials = append(out.Denials, api.AuditDenials{AgentID: t.name, ActorID: t.id, Action: t.action, Path: t.path, Denied: t.events, Last: t.last})
	}
	return out
}
