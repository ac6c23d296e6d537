package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	bolt "go.etcd.io/bbolt"
)

// A page is a page of bbolt's trees, or what stands in a bucket's element in place
// of one. In the byte order of the machine:
//
//	page id, 8 bytes; flags, 2; count of elements, 2; how many pages more it takes, 4
//	elements, 16 bytes each:
//	    of a branch: place of its key, size of its key: 4 bytes each; page below, 8
//	    of a leaf: flags, place of its key, size of its key, size of its value: 4 bytes each
//	keys, each with its value behind it, in the order of the elements, without a gap
//
// A place counts from the element. The tree at the top holds buckets and nothing else.
// The value of one is its root page and a sequence, 8 bytes each; where the root page is
// 0, the bucket's only page stands behind these, with 0 for its id.
//
// Source: bbolt v1.5.0, internal/common/page.go, inode.go and bucket.go.
type page struct {
	id    uint64      // in errors: of the page that it stands in
	from  io.ReaderAt // its bytes
	size  uint64      // of it with the pages that it takes more
	head  []byte      // its first bytes
	leaf  bool
	count uint64
}

const (
	branchFlag   = 1
	leafFlag     = 2
	freelistFlag = 16
	bucketFlag   = 1 // of an element
	elementSize  = 16
	bucketSize   = 16
	maxKeySize   = bolt.MaxKeySize
	maxDepth     = 40 // of one tree: a branch has two pages below it at least, and there are maxPages
)

// An element is one of a page, with its key.
type element struct {
	flags        uint32
	key          []byte
	value, vsize uint64 // where in the page, and how long
	child        uint64 // the page below
	next         uint64 // where the next element's key has to be
}

// A pageCheck walks the pages that bbolt would, before bbolt does: it trusts what
// stands in them, and where that is wrong it reads what is not there, without a bound,
// or runs in circles. Nothing is read here that was not checked, and each page once.
type pageCheck struct {
	from  io.ReaderAt
	meta  metaPage
	taken []uint64 // a bit for each page that is free or was reached
}

// checkPages looks at every page that the newest state of a file uses. Nobody may
// write to the file meanwhile. The error is an ErrDamaged and names the page. What the
// values mean is not looked at, nor what no tree reaches, save that it is not free.
func checkPages(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	m, err := readMeta(f, info.Size())
	if err != nil {
		return err
	}
	c := &pageCheck{from: f, meta: m, taken: make([]uint64, m.pages/64+1)}
	if err := c.take(0, 2); err != nil { // the meta pages
		return err
	}
	if err := c.freelist(func(uint64) {}); err != nil {
		return err
	}
	return c.tree(m.root, nil, nil, true, 0)
}

func bad(page uint64, format string, args ...any) error {
	return fmt.Errorf("%w: page %d: %s", ErrDamaged, page, fmt.Sprintf(format, args...))
}

// take marks n pages, which are there and nobody else's.
func (c *pageCheck) take(id, n uint64) error {
	if id >= c.meta.pages || n > c.meta.pages-id {
		return bad(id, "it lies behind the last one")
	}
	for at := id; at < id+n; at++ {
		if c.taken[at/64]&(1<<(at%64)) != 0 {
			return bad(at, "it is used twice, or used and free")
		}
		c.taken[at/64] |= 1 << (at % 64)
	}
	return nil
}

// open reads the head of a page and takes it.
func (c *pageCheck) open(id uint64) (p page, flags uint16, err error) {
	if id >= c.meta.pages {
		return p, 0, bad(id, "it lies behind the last one")
	}
	whole := io.NewSectionReader(c.from, int64(id*c.meta.pageSize), int64((c.meta.pages-id)*c.meta.pageSize))
	p = page{id: id, from: whole, head: make([]byte, c.meta.pageSize)}
	if _, err := whole.ReadAt(p.head, 0); err != nil {
		return p, 0, bad(id, "%v", err)
	}
	if named := binary.NativeEndian.Uint64(p.head); named != id {
		return p, 0, bad(id, "it says that it is page %d", named)
	}
	flags, more := p.header()
	p.size = (more + 1) * c.meta.pageSize
	return p, flags, c.take(id, more+1)
}

// header takes over the header and returns the rest of it.
func (p *page) header() (flags uint16, more uint64) {
	flags = binary.NativeEndian.Uint16(p.head[8:])
	p.leaf, p.count = flags == leafFlag, uint64(binary.NativeEndian.Uint16(p.head[10:]))
	return flags, uint64(binary.NativeEndian.Uint32(p.head[12:]))
}

// freelist takes the pages that are free: the list has its length in the header or, where
// that holds no more, in place of the first. Each is told to found.
func (c *pageCheck) freelist(found func(id uint64)) error {
	if c.meta.freelist == noFreelist {
		return nil
	}
	p, flags, err := c.open(c.meta.freelist)
	if err != nil {
		return err
	}
	if flags != freelistFlag {
		return bad(p.id, "it is no list of free pages")
	}
	at, n := uint64(pageHeaderSize), p.count
	if n == 0xFFFF {
		n, err = p.number(at)
		at += 8
	}
	for ; n > 0 && err == nil; n-- {
		var id uint64
		if id, err = p.number(at); err == nil {
			err = c.take(id, 1)
			found(id)
		}
		at += 8
	}
	return err
}

// bytes are n bytes of the page.
func (p *page) bytes(at, n uint64) ([]byte, error) {
	if at > p.size || n > p.size-at {
		return nil, bad(p.id, "what stands in it reaches beyond it")
	}
	if at+n <= uint64(len(p.head)) {
		return p.head[at : at+n], nil
	}
	b := make([]byte, n)
	if _, err := p.from.ReadAt(b, int64(at)); err != nil {
		return nil, bad(p.id, "%v", err)
	}
	return b, nil
}

func (p *page) number(at uint64) (uint64, error) {
	b, err := p.bytes(at, 8)
	if err != nil {
		return 0, err
	}
	return binary.NativeEndian.Uint64(b), nil
}

// element is number i; its key has to be at that place, where it is not 0.
func (p *page) element(i, place uint64) (e element, err error) {
	at := pageHeaderSize + i*elementSize
	b, err := p.bytes(at, elementSize)
	if err != nil {
		return e, err
	}
	u32 := func(n int) uint64 { return uint64(binary.NativeEndian.Uint32(b[n:])) }
	pos, ksize := u32(0), u32(4)
	if p.leaf {
		e.flags, pos, ksize, e.vsize = uint32(u32(0)), u32(4), u32(8), u32(12)
	} else {
		e.child = binary.NativeEndian.Uint64(b[8:])
	}
	e.value = at + pos + ksize
	e.next = e.value + e.vsize
	switch {
	case place != 0 && at+pos != place:
		return e, bad(p.id, "the key of element %d is not where it has to be", i)
	case ksize == 0 || ksize > maxKeySize || e.vsize > maxValueSize:
		return e, bad(p.id, "element %d has a key of %d bytes and a value of %d", i, ksize, e.vsize)
	}
	e.key, err = p.bytes(at+pos, ksize)
	return e, err
}

// elements checks all elements: their keys ascend from low, which is the first, to below
// high; nil means that there is no such bound. It returns where the last one ends.
func (p *page) elements(low, high []byte, top bool) (end uint64, err error) {
	end = pageHeaderSize + p.count*elementSize
	if p.count == 0 && (low != nil || !p.leaf) {
		return 0, bad(p.id, "it has no elements")
	}
	var before []byte
	for i := range p.count {
		e, err := p.element(i, end)
		switch {
		case err != nil:
			return 0, err
		case i == 0 && low != nil && !bytes.Equal(e.key, low):
			return 0, bad(p.id, "its first key is not the one above it")
		case i > 0 && bytes.Compare(e.key, before) <= 0, high != nil && bytes.Compare(e.key, high) >= 0:
			return 0, bad(p.id, "the key of element %d is out of order", i)
		case p.leaf && (e.flags == bucketFlag) != top || e.flags > bucketFlag:
			return 0, bad(p.id, "element %d has flags %#x", i, e.flags)
		}
		before, end = e.key, e.next
	}
	return end, nil
}

// tree checks a page and those below it; top says that they are of the tree of buckets.
func (c *pageCheck) tree(id uint64, low, high []byte, top bool, depth int) error {
	p, flags, err := c.open(id)
	switch {
	case err != nil:
		return err
	case flags != branchFlag && flags != leafFlag:
		return bad(id, "it is neither a branch nor a leaf: flags %#x", flags)
	case depth > maxDepth:
		return bad(id, "more than %d pages lie above it", maxDepth)
	}
	end, err := p.elements(low, high, top)
	if err != nil {
		return err
	}
	if (end+c.meta.pageSize-1)/c.meta.pageSize*c.meta.pageSize != p.size {
		return bad(id, "it has %d bytes and takes %d", end, p.size)
	}
	if p.leaf && !top {
		return nil
	}
	return c.below(&p, high, top, depth)
}

// below checks what a page that was checked leads to.
func (c *pageCheck) below(p *page, high []byte, top bool, depth int) error {
	for i := range p.count {
		e, err := p.element(i, 0)
		if err != nil {
			return err
		}
		if p.leaf {
			err = c.bucket(p, e)
		} else {
			last := high
			if i+1 < p.count {
				next, err := p.element(i+1, 0)
				if err != nil {
					return err
				}
				last = next.key
			}
			err = c.tree(e.child, e.key, last, top, depth+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bucket checks the pages of one bucket.
func (c *pageCheck) bucket(p *page, e element) error {
	if e.vsize < bucketSize || e.vsize > c.meta.pageSize {
		return bad(p.id, "bucket %q has %d bytes", e.key, e.vsize)
	}
	b, err := p.bytes(e.value, e.vsize)
	if err != nil {
		return err
	}
	root, inline := binary.NativeEndian.Uint64(b), b[bucketSize:]
	switch {
	case root != 0 && len(inline) > 0, root == 0 && len(inline) < pageHeaderSize:
		return bad(p.id, "bucket %q has %d bytes and its root in page %d", e.key, e.vsize, root)
	case root != 0:
		return c.tree(root, nil, nil, false, 0)
	}
	in := page{id: p.id, from: bytes.NewReader(inline), size: uint64(len(inline)), head: inline}
	flags, more := in.header()
	if id := binary.NativeEndian.Uint64(inline); id != 0 || flags != leafFlag || more != 0 {
		return bad(p.id, "bucket %q has no page in it", e.key)
	}
	end, err := in.elements(nil, nil, false)
	if err == nil && end != in.size {
		err = bad(p.id, "bucket %q has %d bytes and takes %d", e.key, end, in.size)
	}
	return err
}
