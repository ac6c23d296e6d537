package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
)

// indexCheck makes every index anew while the chain is walked, and compares it with
// the one that is stored. It may run beside a writer: it judges the stretches that were
// indexed when it began, and of the others only that the trail has them. It remembers
// one stretch, and the terms of one block. The work is done beside the walk.
type indexCheck struct {
	ctx       context.Context
	db        *store.DB
	stretches uint64 // that were indexed when the check began; 0: nothing is to be judged

	walked chan *piece
	stop   func() // says that nothing follows, and waits
	done   chan struct{}

	// Of the goroutine beside the walk, until it is done.
	now   *stretchIndex
	block *blockIndex

	seq     uint64 // first event of the stretch that is wrong
	problem string
	err     error
}

// beginIndexCheck is a check of the indexes of a trail that ends with the event end
// in s.
func beginIndexCheck(ctx context.Context, db *store.DB, s *store.Snapshot, end uint64) *indexCheck {
	c := &indexCheck{
		ctx: ctx, db: db, walked: make(chan *piece, pieces), done: make(chan struct{}),
		now: newStretchIndex(), block: newBlockIndex(),
	}
	c.stretches, c.err = indexed(s, end)
	if tampered, ok := errors.AsType[*TamperError](c.err); ok {
		c.err = nil
		c.bad(end, tampered.Error())
	}
	if c.over() {
		c.stretches = 0
	}
	c.stop = sync.OnceFunc(func() {
		close(c.walked)
		<-c.done
	})
	go c.work()
	return c
}

// take takes over a piece of the trail that was walked to its end.
func (c *indexCheck) take(p *piece) { c.walked <- p }

func (c *indexCheck) work() {
	defer close(c.done)
	for p := range c.walked {
		for i := range p.entries {
			if e := &p.entries[i]; !e.head && !c.over() {
				c.event(e.Seq, &e.look.Glance)
			}
		}
		p.release()
	}
}

func (c *indexCheck) bad(seq uint64, problem string) {
	if c.problem == "" {
		c.seq, c.problem = seq, strings.TrimSuffix(problem, indexHint)+indexHint
	}
}

func (c *indexCheck) badStretch(stretch uint64, problem string) {
	c.bad(firstOf(stretch), fmt.Sprintf("the index of events %d to %d: %s", firstOf(stretch), lastOf(stretch), problem))
}

func (c *indexCheck) over() bool { return c.problem != "" || c.err != nil }

// event takes in the next event, and compares the stretch that ends with it.
func (c *indexCheck) event(seq uint64, e *chain.Glance) {
	if stretchOf(seq) >= c.stretches {
		return
	}
	c.now.add(seq, facets{e.Namespace, e.Actor, e.Name, e.Action})
	if seq == lastOf(c.now.stretch) {
		c.err = c.compare()
		c.now.begin(c.now.stretch + 1)
	}
}

// compare holds the stretch just walked against what is stored.
func (c *indexCheck) compare() error {
	n := c.now.stretch
	want := c.now.entries()
	c.block.add(c.now)
	if endsBlock(n) {
		want = append(want, c.block.entries(n)...)
		c.block = newBlockIndex()
	}
	// What begins with the number of the stretch is of its index, but for the one key
	// that lies behind all of them.
	end := binary.BigEndian.AppendUint64(nil, n+1)
	return c.db.View(func(s *store.Snapshot) error {
		err := s.Scan(store.Trail, fromStretch(n), func(k, v []byte) (bool, error) {
			if bytes.Compare(k, end) >= 0 {
				return false, nil
			}
			want = c.meet(k, v, want)
			return c.problem == "", nil
		})
		if len(want) > 0 {
			c.badStretch(n, "an entry is missing")
		}
		return err
	})
}

// fromStretch is where the keys of a stretch begin: of the first, at all that there is.
func fromStretch(n uint64) []byte {
	if n == 0 {
		return nil
	}
	return binary.BigEndian.AppendUint64(nil, n)
}

// meet takes the entry that was met off those that are wanted next.
func (c *indexCheck) meet(k, v []byte, want []indexEntry) []indexEntry {
	switch {
	case len(want) == 0 || bytes.Compare(k, want[0].key) < 0:
		c.badStretch(c.now.stretch, "inserted, an entry that does not belong there")
	case !bytes.Equal(k, want[0].key):
		c.badStretch(c.now.stretch, "an entry is missing")
	case !bytes.Equal(v, want[0].value):
		c.badStretch(c.now.stretch, "changed, it does not name the events it should")
	default:
		return want[1:]
	}
	return want
}

// end looks for entries of stretches that are not indexed, and says what is wrong, and
// from which event on; "" for nothing.
func (c *indexCheck) end() (seq uint64, problem string, err error) {
	c.stop()
	if !c.over() {
		c.err = c.db.View(c.beyond)
	}
	return c.seq, c.problem, c.err
}

// beyond tells what the daemon has indexed meanwhile from what somebody put there.
func (c *indexCheck) beyond(s *store.Snapshot) error {
	last, err := lastEntry(s)
	if err != nil {
		return err
	}
	n, err := indexed(s, last.Seq)
	if tampered, ok := errors.AsType[*TamperError](err); ok {
		c.bad(last.Seq, tampered.Error())
		return nil
	}
	if err != nil {
		return err
	}
	return s.Scan(store.Trail, fromStretch(n), func(k, _ []byte) (bool, error) {
		if !bytes.Equal(k, progressKey) {
			c.bad(firstOf(n), "the indexes of the audit trail: inserted, an entry for events that are not indexed")
		}
		return c.problem == "", nil
	})
}
