package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unsafe"

	bolt "go.etcd.io/bbolt"
)

// A tree is one of bbolt's as its pages have it. A transaction that writes changes leaves
// in memory, and branches not before its commit, so bbolt goes the same way through it.
type tree struct {
	pages []byte // those of the file that the transaction knows
	size  uint64 // of a page, in bytes
	root  uint64 // its page; 0: the tree is one leaf that stands in another page
}

// treeAt is the tree of btx whose root is that page. Like bbolt it reads the map of the
// file, so what it is asked may fault where the file was cut short meanwhile.
func treeAt(btx *bolt.Tx, root uint64) tree {
	info := btx.DB().Info()
	first := *(*unsafe.Pointer)(unsafe.Pointer(&info.Data))
	return tree{unsafe.Slice((*byte)(first), btx.Size()), uint64(info.PageSize), root}
}

// topOf is the tree of buckets.
func topOf(btx *bolt.Tx) tree { return treeAt(btx, uint64(btx.Cursor().Bucket().Root())) }

// A node is a branch or a leaf, with the pages behind it.
type node struct {
	id    uint64
	bytes []byte
	leaf  bool
	count int
}

// node is the page with that number. It panics, as bbolt does, where it is none of a tree.
func (t *tree) node(id uint64) (n node) {
	if id >= uint64(len(t.pages))/t.size {
		panic(pageProblem(id, "it lies behind the last one"))
	}
	b := t.pages[id*t.size:]
	flags := binary.NativeEndian.Uint16(b[8:])
	n = node{id: id, bytes: b, leaf: flags == leafFlag, count: int(binary.NativeEndian.Uint16(b[10:]))}
	switch named := binary.NativeEndian.Uint64(b); {
	case named != id:
		panic(pageProblem(id, "it says that it is page %d", named))
	case flags != branchFlag && flags != leafFlag:
		panic(pageProblem(id, "it is neither a branch nor a leaf: flags %#x", flags))
	}
	return n
}

func (n *node) number(i, at int) uint64 {
	return uint64(binary.NativeEndian.Uint32(n.bytes[pageHeaderSize+i*elementSize+at:]))
}

// key is that of element i. What reaches behind the last page panics.
func (n *node) key(i int) []byte {
	at := uint64(pageHeaderSize + i*elementSize)
	if n.leaf {
		at += n.number(i, 4)
		return n.bytes[at : at+n.number(i, 8)]
	}
	at += n.number(i, 0)
	return n.bytes[at : at+n.number(i, 4)]
}

// value is that of element i of a leaf.
func (n *node) value(i int) []byte {
	at := uint64(pageHeaderSize+i*elementSize) + n.number(i, 4) + n.number(i, 8)
	return n.bytes[at : at+n.number(i, 12)]
}

// below is the page that element i of a branch leads to.
func (n *node) below(i int) uint64 {
	return binary.NativeEndian.Uint64(n.bytes[pageHeaderSize+i*elementSize+8:])
}

// A way leads from the root of a tree to a leaf. bbolt goes down a tree until it comes
// to a leaf, and sees no end where a branch leads back to one above it: the stack or the
// memory ends first, and with it the process. So each way is gone here before, which
// panics where it is too long.
type way struct {
	tree
	steps []step // the branches, from the root
	leaf  node
}

func wayIn(t tree) way { return way{tree: t, steps: make([]step, 0, 6)} }

// A step is which element of a branch was taken.
type step struct {
	node
	at int
}

// A turning says which element of a branch to take: the first, the last, or the one that
// bbolt takes on the way to a key.
type turning struct {
	side int8
	key  []byte
}

var firstOf, lastOf = turning{side: -1}, turning{side: 1}

func to(key []byte) turning { return turning{key: key} }

func (t turning) at(n *node) int {
	switch t.side {
	case firstOf.side:
		return 0
	case lastOf.side:
		return n.count - 1
	}
	at, exact := n.search(t.key)
	if !exact && at > 0 {
		at--
	}
	return at
}

// search is bbolt's: the first element whose key is not below key. Where keys are out
// of order, it finds what bbolt finds.
func (n *node) search(key []byte) (at int, exact bool) {
	end := n.count
	for at < end {
		mid := int(uint(at+end) >> 1)
		c := bytes.Compare(n.key(mid), key)
		exact = exact || c == 0
		if c < 0 {
			at = mid + 1
		} else {
			end = mid
		}
	}
	return at, exact
}

// walk goes anew from the root.
func (w *way) walk(turn turning) {
	w.steps = w.steps[:0]
	if w.root != 0 {
		w.down(w.root, turn)
	}
}

// down goes on to a leaf from the page with that number.
func (w *way) down(id uint64, turn turning) {
	for {
		n := w.node(id)
		if n.count == 0 && (!n.leaf || len(w.steps) > 0) {
			panic(pageProblem(id, "it has no elements"))
		}
		w.within(&n)
		if n.leaf {
			w.leaf = n
			return
		}
		if len(w.steps) == maxDepth {
			panic(pageProblem(id, "more than %d pages lie above it", maxDepth-1))
		}
		at := turn.at(&n)
		w.steps = append(w.steps, step{n, at})
		id = n.below(at)
	}
}

// within panics when the keys of a page are not those that the way leads to: by its key a
// cursor is known to have left a leaf.
func (w *way) within(n *node) {
	if low := w.low(); low != nil && bytes.Compare(n.key(0), low) < 0 {
		panic(pageProblem(n.id, "its first key is not the one above it"))
	}
	if high := w.high(); high != nil && bytes.Compare(n.key(n.count-1), high) >= 0 {
		panic(pageProblem(n.id, "the key of element %d is out of order", n.count-1))
	}
}

// low is the first key that may be where the way leads, nil at the root.
func (w *way) low() []byte {
	if len(w.steps) == 0 {
		return nil
	}
	s := &w.steps[len(w.steps)-1]
	return s.key(s.at)
}

// high is the first key that may be in the page after that, nil when there is none.
func (w *way) high() []byte {
	for i := len(w.steps) - 1; i >= 0; i-- {
		if s := &w.steps[i]; s.at+1 < s.count {
			return s.key(s.at + 1)
		}
	}
	return nil
}

// next goes to the leaf after this one, and reports whether there is one.
func (w *way) next() bool { return w.aside(1, firstOf) }

// prev goes to the leaf before this one, and reports whether there is one.
func (w *way) prev() bool { return w.aside(-1, lastOf) }

func (w *way) aside(by int, turn turning) bool {
	for i := len(w.steps) - 1; i >= 0; i-- {
		s := &w.steps[i]
		if at := s.at + by; at >= 0 && at < s.count {
			s.at = at
			w.steps = w.steps[:i+1]
			w.down(s.below(at), turn)
			return true
		}
	}
	return false
}

// checkWay panics where the way to key has no end.
func checkWay(btx *bolt.Tx, b *bolt.Bucket, key []byte) {
	w := wayIn(treeAt(btx, uint64(b.Root())))
	w.walk(to(key))
}

// checkWays is checkWay, also for the leaves on both sides: where bbolt has emptied the
// one between, it goes there by itself.
func checkWays(btx *bolt.Tx, b *bolt.Bucket, key []byte) {
	w := wayIn(treeAt(btx, uint64(b.Root())))
	w.walk(to(key))
	w.next()
	w.walk(to(key))
	w.prev()
}

// checkBucket panics where the way to a bucket has no end, or the page in place of a
// tree is no leaf.
func checkBucket(btx *bolt.Tx, name []byte) {
	w := wayIn(topOf(btx))
	w.walk(to(name))
	n := &w.leaf
	i, exact := n.search(name)
	if !exact {
		return
	}
	b := n.value(i)
	if binary.NativeEndian.Uint64(b) != 0 {
		return
	}
	if flags := binary.NativeEndian.Uint16(b[bucketSize+8:]); flags != leafFlag {
		panic(pageProblem(n.id, "bucket %q has no page in it", name))
	}
}

func pageProblem(page uint64, format string, args ...any) string {
	return fmt.Sprintf("page %d: %s", page, fmt.Sprintf(format, args...))
}
