package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/agent-secret-store/assd/store"
)

const (
	stretchLen = 1024 // events that an index covers: 1 to 1024 are stretch 0
	blockLen   = 64   // stretches that have a summary in common: which of them have a term
)

// The levels of an index, as they stand in a key.
const (
	ofStretch = 0
	ofBlock   = 1 // it lies under the last stretch of the block
)

// progressKey is where it stands how many stretches are indexed. It lies behind all
// other keys, which are written in ascending order.
var progressKey = []byte("i")

// Stretches is how many stretches a trail of so many events has that are complete.
func Stretches(events uint64) uint64 { return events / stretchLen }

func stretchOf(seq uint64) uint64   { return (seq - 1) / stretchLen }
func firstOf(stretch uint64) uint64 { return stretch*stretchLen + 1 }
func lastOf(stretch uint64) uint64  { return (stretch + 1) * stretchLen }

// endsBlock reports whether a stretch is the last one of its block.
func endsBlock(stretch uint64) bool { return stretch%blockLen == blockLen-1 }

// blockEnd is the last stretch of the block that a stretch is in.
func blockEnd(stretch uint64) uint64 { return stretch | (blockLen - 1) }

const indexKeyLen = 17

func indexKey(stretch uint64, level byte, t term) []byte {
	return appendIndexKey(make([]byte, 0, indexKeyLen), stretch, level, t)
}

func appendIndexKey(b []byte, stretch uint64, level byte, t term) []byte {
	b = append(binary.BigEndian.AppendUint64(b, stretch), level)
	return binary.BigEndian.AppendUint64(b, uint64(t))
}

// levelKey is what the keys of one level of a stretch begin with.
func levelKey(stretch uint64, level byte) []byte {
	k := binary.BigEndian.AppendUint64(make([]byte, 0, 17), stretch)
	return append(k, level)
}

// indexEntry is one key of an index and its value.
type indexEntry struct{ key, value []byte }

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

// indexHint stands behind what is wrong with indexes alone.
const indexHint = " (assd verify --reindex removes them all, to be made anew from the events)"

func badIndexes(problem string) error {
	return &TamperError{What: "the indexes of the audit trail", Problem: problem + indexHint}
}

// Index makes the index of the oldest complete stretch that has none, and reports
// whether there was one. It reads outside of the writer, and what it writes is one
// operation: after a crash the stretch is indexed or is not. Only one goroutine may
// call it. What was changed under the daemon is a *TamperError.
func (l *Log) Index(ctx context.Context, db *store.DB) (bool, error) {
	stretch, err := l.nextStretch(db)
	if err != nil || stretch == none {
		return false, err
	}
	entries, err := l.makeIndex(ctx, db, stretch)
	if err == nil {
		err = db.Update(ctx, func(tx *store.Tx) error { return writeIndex(tx, stretch, entries) })
	}
	if err != nil {
		return false, fmt.Errorf("indexing events %d to %d: %w", firstOf(stretch), lastOf(stretch), err)
	}
	return true, nil
}

const none = ^uint64(0)

// nextStretch is the one to be indexed next, or none.
func (l *Log) nextStretch(db *store.DB) (n uint64, err error) {
	events := l.Head().Seq
	err = db.View(func(s *store.Snapshot) error {
		n, err = indexed(s, events)
		return err
	})
	if n >= Stretches(events) {
		n = none
	}
	return n, err
}

// makeIndex is all that the index of a stretch consists of, valid until the next one is
// made.
func (l *Log) makeIndex(ctx context.Context, db *store.DB, stretch uint64) ([]indexEntry, error) {
	x := l.index
	x.begin(stretch)
	if err := db.View(func(s *store.Snapshot) error { return x.read(ctx, s) }); err != nil {
		return nil, err
	}
	entries := x.entries()
	if !endsBlock(stretch) {
		return entries, nil
	}
	b := newBlockIndex()
	for n := stretch + 1 - blockLen; n < stretch; n++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := db.View(func(s *store.Snapshot) error { return b.read(s, n) }); err != nil {
			return nil, err
		}
	}
	b.add(x)
	return append(entries, b.entries(stretch)...), nil
}

var errIndexMoved = errors.New("another one has indexed it meanwhile")

// writeIndex puts the index into the file, and says so there.
func writeIndex(tx *store.Tx, stretch uint64, entries []indexEntry) error {
	if n, err := indexed(tx, lastOf(stretch)); err != nil || n != stretch {
		return errors.Join(err, errIndexMoved)
	}
	for _, e := range entries {
		if err := tx.Put(store.Trail, e.key, e.value); err != nil {
			return err
		}
	}
	return tx.Put(store.Trail, progressKey, binary.BigEndian.AppendUint64(nil, stretch+1))
}

// dropAtOnce is how many entries go in one operation.
const dropAtOnce = 10_000

// DropIndexes removes all indexes of the trail in db; they are made anew by Index.
func DropIndexes(ctx context.Context, db *store.DB) error {
	for more := true; more; {
		more = false
		err := db.Update(ctx, func(tx *store.Tx) error {
			var keys [][]byte
			err := tx.ScanBack(store.Trail, nil, func(k, _ []byte) (bool, error) {
				keys = append(keys, bytes.Clone(k))
				return len(keys) < dropAtOnce, nil
			})
			for _, k := range keys { // how far they go comes first, so a crash leaves nothing that counts
				err = errors.Join(err, tx.Delete(store.Trail, k))
			}
			more = len(keys) > 0
			return err
		})
		if err != nil {
			return fmt.Errorf("removing the indexes of the audit trail: %w", err)
		}
	}
	return nil
}
