package store

import (
	"bytes"

	bolt "go.etcd.io/bbolt"
)

// A cursor is bbolt's, with its panics marked, and with two faults of bbolt
// 1.5.0 mended that show in a transaction that has deleted all keys of a page:
// Last does not return when it has deleted all keys there were, and Prev says
// that it is at the beginning when it comes upon the empty page.
type cursor struct{ c *bolt.Cursor }

func (c cursor) next() (k, v []byte) {
	defer markDamage()
	return c.c.Next()
}

// prev goes to the last key < at, where the cursor stands.
func (c cursor) prev(at []byte) (k, v []byte) {
	defer markDamage()
	k, v = c.c.Prev()
	if k != nil {
		return k, v
	}
	first, _ := c.c.Bucket().Cursor().First()
	if bytes.Equal(first, at) {
		return nil, nil
	}
	for k == nil { // there is a key before, behind empty pages
		k, v = c.c.Prev()
	}
	return k, v
}

func (c cursor) last() (k, v []byte) {
	defer markDamage()
	if first, _ := c.c.First(); first == nil {
		return nil, nil
	}
	return c.c.Last()
}

// seek goes to the first key >= from.
func (c cursor) seek(from []byte) (k, v []byte) {
	defer markDamage()
	if from == nil {
		return c.c.First()
	}
	return c.c.Seek(from)
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
