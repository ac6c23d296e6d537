package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/agent-secret-store/assd/store"
)

// indexCheck makes every index anew while the chain is walked, and compares it with
// the one that is stored. It may run beside a writer: it judges the stretches that were
// indexed when it began, and of the others only that the trail has them. It remembers
// one stretch, and how many keys each has.
type indexCheck struct {
	ctx       context.Context
	db        *store.DB
	stretches uint64 // that were indexed when the check began
	now       *stretchIndex
	counts    []uint32 // keys of each stretch

	seq     uint64 // first event of the stretch that is wrong
	problem string
	err     error
}

// beginIndexCheck is a check of the indexes of a trail that ends with the event end
// in s.
func beginIndexCheck(ctx context.Context, db *store.DB, s *store.Snapshot, end uint64) *indexCheck {
	c := &indexCheck{ctx: ctx, db: db, now: newStretchIndex(0)}
	c.stretches, c.err = indexed(s, end)
	if tampered, ok := errors.AsType[*TamperError](c.err); ok {
		c.err = nil
		c.bad(end, tampered.Error())
	}
	return c
}

func (c *indexCheck) bad(seq uint64, problem string) {
	if c.problem == "" {
		c.seq, c.problem = seq, problem
	}
}

func (c *indexCheck) badStretch(stretch uint64, problem string) {
	c.bad(firstOf(stretch), fmt.Sprintf("the index of events %d to %d: %s", firstOf(stretch), lastOf(stretch), problem))
}

func (c *indexCheck) over() bool { return c.problem != "" || c.err != nil }

// event takes in the event that was just walked.
func (c *indexCheck) event(seq uint64, e *Event) {
	if c.over() || stretchOf(seq) >= c.stretches {
		return
	}
	c.now.add(seq, e)
	if seq == lastOf(c.now.stretch) {
		c.err = c.db.View(c.compare)
		c.counts = append(c.counts, uint32(len(c.now.posts)))
		c.now = newStretchIndex(c.now.stretch + 1)
	}
}

// compare looks up what belongs into the index of the stretch just walked.
func (c *indexCheck) compare(s *store.Snapshot) error {
	for t, p := range c.now.posts {
		stored := s.Get(store.Trail, indexKey(t, c.now.stretch))
		switch {
		case stored == nil:
			c.badStretch(c.now.stretch, "an entry is missing")
		case !bytes.Equal(stored, p.offsets):
			c.badStretch(c.now.stretch, "changed, it does not name the events it should")
		}
	}
	return nil
}

// end looks for entries that do not belong there, and says what is wrong, and from
// which event on; "" for nothing.
func (c *indexCheck) end() (seq uint64, problem string, err error) {
	if !c.over() {
		c.err = c.findExtra()
	}
	return c.seq, c.problem, c.err
}

// findExtra counts: what should be there has been found already.
func (c *indexCheck) findExtra() error {
	beyond, some := uint64(0), false // the last stretch with an entry that was not indexed when the check began
	err := c.db.Chunks(store.Trail, nil, chunk, func(k, _ []byte) (bool, error) {
		_, stretch, ok := parseIndexKey(k)
		switch {
		case bytes.Equal(k, progressKey):
		case !ok:
			c.bad(1, "the indexes of the audit trail: inserted, no entry of an index")
		case stretch >= c.stretches:
			beyond, some = max(beyond, stretch), true
		case c.counts[stretch] == 0:
			c.badStretch(stretch, "inserted, an entry that does not belong there")
		default:
			c.counts[stretch]--
		}
		return c.problem == "", c.ctx.Err()
	})
	if err != nil || !some || c.problem != "" {
		return err
	}
	return c.db.View(func(s *store.Snapshot) error { return c.judgeBeyond(s, beyond) })
}

// judgeBeyond tells what the daemon indexed meanwhile from what somebody put there.
func (c *indexCheck) judgeBeyond(s *store.Snapshot, stretch uint64) error {
	last, err := lastEntry(s)
	if err != nil {
		return err
	}
	n, err := indexed(s, last.Seq)
	if tampered, ok := errors.AsType[*TamperError](err); ok {
		c.bad(last.Seq, tampered.Error())
		return nil
	}
	if err == nil && stretch >= n {
		c.bad(firstOf(n), "the indexes of the audit trail: inserted, an entry for events that are not indexed")
	}
	return err
}
