package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/agent-secret-store/assd/store"
)

// stretchLen is how many events an index covers: the events 1 to 1024 are stretch 0.
const stretchLen = 1024

// progressKey is where it stands how many stretches are indexed. No other key is as
// short.
var progressKey = []byte("i")

// Stretches is how many stretches a trail of so many events has that are complete.
func Stretches(events uint64) uint64 { return events / stretchLen }

func stretchOf(seq uint64) uint64   { return (seq - 1) / stretchLen }
func firstOf(stretch uint64) uint64 { return stretch*stretchLen + 1 }
func lastOf(stretch uint64) uint64  { return (stretch + 1) * stretchLen }

// indexKey is where the events of a stretch stand that have the term.
func indexKey(t term, stretch uint64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, len(t)+8), t[:]...), stretch)
}

// parseIndexKey takes an index key apart.
func parseIndexKey(k []byte) (t term, stretch uint64, ok bool) {
	if len(k) != len(t)+8 {
		return t, 0, false
	}
	copy(t[:], k)
	return t, binary.BigEndian.Uint64(k[len(t):]), true
}

// indexed is how many stretches of a trail of so many events are indexed.
func indexed(r store.Reader, events uint64) (uint64, error) {
	v := r.Get(store.Trail, progressKey)
	switch {
	case v == nil:
		return 0, nil
	case len(v) != 8:
		return 0, badIndexes("how far they go is malformed")
	case binary.BigEndian.Uint64(v) > Stretches(events):
		return 0, badIndexes("they claim to go further than the trail")
	}
	return binary.BigEndian.Uint64(v), nil
}

func badIndexes(problem string) error {
	return &TamperError{What: "the indexes of the audit trail", Problem: problem}
}

// Index makes the index of the oldest complete stretch that has none, and reports
// whether there was one. It reads outside of the writer, and what it writes is one
// operation: after a crash the stretch is indexed or is not. Only one goroutine may
// call it. What was changed under the daemon is a *TamperError.
func (l *Log) Index(ctx context.Context, db *store.DB) (bool, error) {
	x, err := l.nextStretch(ctx, db)
	if err != nil || x == nil {
		return false, err
	}
	if err := db.Update(ctx, x.write); err != nil {
		return false, fmt.Errorf("indexing events %d to %d: %w", firstOf(x.stretch), lastOf(x.stretch), err)
	}
	return true, nil
}

// nextStretch is the index to be written next; nil: there is none.
func (l *Log) nextStretch(ctx context.Context, db *store.DB) (x *stretchIndex, err error) {
	events := l.Head().Seq
	err = db.View(func(s *store.Snapshot) error {
		n, err := indexed(s, events)
		if err != nil || n == Stretches(events) {
			return err
		}
		x = newStretchIndex(n)
		return x.read(ctx, s)
	})
	if err != nil {
		return nil, err
	}
	return x, ctx.Err()
}

var errIndexMoved = errors.New("another one has indexed it meanwhile")

// write puts the index into the file, and says so there.
func (x *stretchIndex) write(tx *store.Tx) error {
	if n, err := indexed(tx, lastOf(x.stretch)); err != nil || n != x.stretch {
		return errors.Join(err, errIndexMoved)
	}
	for _, p := range x.sorted() {
		if err := tx.Put(store.Trail, indexKey(p.term, x.stretch), p.offsets); err != nil {
			return err
		}
	}
	return tx.Put(store.Trail, progressKey, binary.BigEndian.AppendUint64(nil, x.stretch+1))
}
