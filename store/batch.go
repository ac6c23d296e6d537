package store

import "fmt"

// batchBytes is how much Read copies at once, and one entry more: little enough to stay
// in a core's cache, and to hold no snapshot for long.
const batchBytes = 1 << 20

// Batch is entries copied out of the file, in memory that the next Read uses again. Its
// zero value has none.
type Batch struct {
	bytes   []byte
	entries []span
}

// span is where an entry ends, and where its value begins; it begins where the one
// before ends.
type span struct{ value, end int }

// Len is how many entries it has.
func (b *Batch) Len() int { return len(b.entries) }

// At is entry i, counted from 0; it is valid until the next Read.
func (b *Batch) At(i int) (k, v []byte) {
	begin, s := 0, b.entries[i]
	if i > 0 {
		begin = b.entries[i-1].end
	}
	return b.bytes[begin:s.value:s.value], b.bytes[s.value:s.end:s.end]
}

// Read replaces what b has with the next entries of a bucket, from the first that is >=
// from, at most n of them and fewer where they are large, out of a snapshot of their
// own. It reports whether there may be more behind them. On an error, b has none.
func (db *DB) Read(b *Batch, bucket Bucket, from []byte, n int) (more bool, err error) {
	if n <= 0 {
		return false, fmt.Errorf("reading %q: %d entries at a time", string(bucket), n)
	}
	b.clear()
	err = db.View(func(s *Snapshot) error {
		return s.Scan(bucket, from, func(k, v []byte) (bool, error) {
			b.add(k, v)
			more = b.Len() == n || len(b.bytes) >= batchBytes
			return !more, nil
		})
	})
	if err != nil {
		b.clear()
		return false, err
	}
	return more, nil
}

func (b *Batch) add(k, v []byte) {
	b.bytes = append(b.bytes, k...)
	value := len(b.bytes)
	b.bytes = append(b.bytes, v...)
	b.entries = append(b.entries, span{value, len(b.bytes)})
}

// clear leaves the memory, unless a large entry took much of it.
func (b *Batch) clear() {
	if cap(b.bytes) > 2*batchBytes {
		b.bytes = nil
	}
	b.bytes, b.entries = b.bytes[:0], b.entries[:0]
}
