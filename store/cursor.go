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
// Where it goes, a way goes first, a leaf ahead of it.
//
// BUG(store): a branch page that is changed so that it leads to itself in the moment
// between the way and bbolt, which goes the same one, sends that in circles until memory
// is full, and the daemon dies.
type cursor struct {
	c     *bolt.Cursor
	ahead way
	turn  []byte // the key at which bbolt's cursor passes to the leaf ahead; nil: there is none
}

func newCursor(btx *bolt.Tx, b *bolt.Bucket) *cursor {
	return &cursor{c: b.Cursor(), ahead: wayIn(treeAt(btx, uint64(b.Root())))}
}

// forth begins a walk towards higher keys.
func (c *cursor) forth(turn turning) {
	c.ahead.walk(turn)
	c.passOn()
}

// passOn goes to the leaf after the one where bbolt's cursor is, or was moved to.
func (c *cursor) passOn() {
	c.turn = nil
	if c.ahead.next() {
		c.turn = c.ahead.low()
	}
}

// passed follows bbolt's cursor to k.
func (c *cursor) passed(k []byte) {
	for k != nil && c.turn != nil && bytes.Compare(k, c.turn) >= 0 {
		c.passOn()
	}
}

// back begins a walk towards lower keys.
func (c *cursor) back(turn turning) {
	c.ahead.walk(turn)
	c.passBack()
}

// passBack is passOn towards lower keys.
func (c *cursor) passBack() {
	c.turn = c.ahead.low()
	if !c.ahead.prev() {
		c.turn = nil
	}
}

// passedBack is passed towards lower keys.
func (c *cursor) passedBack(k []byte) {
	for k != nil && c.turn != nil && bytes.Compare(k, c.turn) < 0 {
		c.passBack()
	}
}

// next goes to the first key > at, where the cursor stands.
func (c *cursor) next(at []byte) (k, v []byte) {
	defer markDamage()
	k, v = c.c.Next()
	if k != nil && bytes.Compare(k, at) <= 0 {
		panic(errOrder)
	}
	c.passed(k)
	return bounded(k, v)
}

// prev goes to the last key < at, where the cursor stands.
func (c *cursor) prev(at []byte) (k, v []byte) {
	defer markDamage()
	k, v = c.c.Prev()
	if k != nil && bytes.Compare(k, at) >= 0 {
		panic(errOrder)
	}
	if k != nil {
		c.passedBack(k)
		return bounded(k, v)
	}
	if bytes.Equal(c.first(), at) {
		return nil, nil
	}
	for k == nil { // there is a key before, behind empty pages
		k, v = c.c.Prev()
	}
	c.passedBack(k)
	return bounded(k, v)
}

// first is the first key there is. The cursor stays where it is.
func (c *cursor) first() []byte {
	w := wayIn(c.ahead.tree)
	w.walk(firstOf)
	k, _ := c.c.Bucket().Cursor().First()
	return k
}

func (c *cursor) last() (k, v []byte) {
	defer markDamage()
	if c.first() == nil {
		return nil, nil
	}
	c.back(lastOf)
	k, v = c.c.Last()
	c.passedBack(k)
	return bounded(k, v)
}

// seek goes to the first key >= from.
func (c *cursor) seek(from []byte) (k, v []byte) {
	defer markDamage()
	if from == nil {
		c.forth(firstOf)
		k, v = c.c.First()
	} else {
		c.forth(to(from))
		k, v = c.c.Seek(from)
	}
	if k != nil && bytes.Compare(k, from) < 0 {
		panic(errOrder)
	}
	c.passed(k)
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
func (c *cursor) seekBack(from []byte) (k, v []byte) {
	if from == nil {
		return c.last()
	}
	k, v = c.seek(from)
	if k == nil {
		return c.last()
	}
	c.turnBack(from)
	if bytes.Equal(k, from) {
		return k, v
	}
	return c.prev(k)
}

// turnBack begins the walk towards lower keys where seek has been.
func (c *cursor) turnBack(from []byte) {
	defer markDamage()
	c.back(to(from))
}
