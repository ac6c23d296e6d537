package store

import (
	"bytes"

	bolt "go.etcd.io/bbolt"
)

// A cursor is bbolt's, with its panics marked, and with two faults of bbolt
// 1.5.0 mended that show in a transaction that has deleted all keys of a page:
// Last does not return when it has deleted all keys there were, and Prev says
// that it is at the beginning when it comes upon the empty page.
//
// BUG(store): a branch page that was changed under the running daemon so that it leads
// to itself sends bbolt in circles until memory is full, and the daemon dies. Only
// Config.CheckPages tells before, and it needs a file that nobody writes to.
type cursor struct{ c *bolt.Cursor }

// next goes to the first key > at, where the cursor stands.
func (c cursor) next(at []byte) (k, v []byte) {
	defer markDamage()
	k, v = c.c.Next()
	if k != nil && bytes.Compare(k, at) <= 0 {
		panic(errOrder)
	}
	return bounded(k, v)
}

// prev goes to the last key < at, where the cursor stands.
func (c cursor) prev(at []byte) (k, v []byte) {
	defer markDamage()
	k, v = c.c.Prev()
	if k != nil && bytes.Compare(k, at) >= 0 {
		panic(errOrder)
	}
	if k != nil {
		return bounded(k, v)
	}
	first, _ := c.c.Bucket().Cursor().First()
	if bytes.Equal(first, at) {
		return nil, nil
	}
	for k == nil { // there is a key before, behind empty pages
		k, v = c.c.Prev()
	}
	return bounded(k, v)
}

func (c cursor) last() (k, v []byte) {
	defer markDamage()
	if first, _ := c.c.First(); first == nil {
		return nil, nil
	}
	return bounded(c.c.Last())
}

// seek goes to the first key >= from.
func (c cursor) seek(from []byte) (k, v []byte) {
	defer markDamage()
	if from == nil {
		return bounded(c.c.First())
	}
	k, v = c.c.Seek(from)
	if k != nil && bytes.Compare(k, from) < 0 {
		panic(errOrder)
	}
	return bounded(k, v)
}

const (
	errOrder = "the keys of a page are out of order"
	errSize  = "a page has a key or a value that is too large"
)

// bounded is what bbolt found, once it is sure that it is there: a size that was
// changed in the file makes it hand out what lies behind the page, or behind the file,
// where reading faults.
func bounded(k, v []byte) (key, value []byte) {
	if len(k) > maxKeySize || len(v) > maxValueSize {
		panic(errSize)
	}
	touch(k)
	touch(v)
	return k, v
}

// touch reads the last byte. It is not inlined, so that it is done.
//
//go:noinline
func touch(b []byte) (last byte) {
	if len(b) > 0 {
		last = b[len(b)-1]
	}
	return last
}

// seekBack goes to the last key <= from.
func (c cursor) seekBack(from []byte) (k, v []byte) {
	if from == nil {
		return c.last()
	}
	k, v = c.seek(from)
	switch {
	case k == nil:
		return c.last()
	case bytes.Equal(k, from):
		return k, v
	default:
		return c.prev(k)
	}
}
