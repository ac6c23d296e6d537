package store

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"syscall"
)

// openProbed opens the file at path for bbolt, once it is sure that bbolt can
// map it: bbolt itself opens a file that was cut short and then dies of SIGBUS.
func openProbed(path string, flag int, readOnly bool) (*os.File, error) {
	// Opening a pipe or a device would already do something to it.
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if err := checkFile(path, info, readOnly); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, flag|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := probe(f, readOnly); err != nil {
		f.Close() //nolint:errcheck // only read
		return nil, err
	}
	return f, nil
}

// probe checks the file that was opened in the end: whose it is, and that its
// pages are there.
func probe(f *os.File, readOnly bool) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := checkFile(f.Name(), info, readOnly); err != nil {
		return err
	}
	return probePages(f, info.Size())
}

// probePages checks that a file of size bytes holds every page that the meta
// page in force speaks of.
func probePages(f io.ReaderAt, size int64) error {
	if size == 0 {
		return fmt.Errorf("%w: it is empty", ErrForeign)
	}
	m, err := readMeta(f, size)
	if err != nil {
		return err
	}
	if need := m.pages * m.pageSize; uint64(size) < need {
		return fmt.Errorf("%w: it was cut short: it has %d bytes of at least %d", ErrForeign, size, need)
	}
	return nil
}

// A metaPage is what bbolt's meta page says, as far as it matters here. It lies
// behind the page header, in the byte order of the machine:
//
//	magic, version, page size, flags: 4 bytes each
//	root page, root sequence, freelist page, page count, transaction: 8 bytes each
//	FNV-64a of all of these: 8 bytes
//
// Source: bbolt v1.5.0, internal/common/meta.go and page.go.
type metaPage struct {
	pageSize uint64 // bytes
	root     uint64 // the page at the top of the tree of buckets
	freelist uint64 // the page that lists the free ones, or noFreelist
	pages    uint64 // the file's, the free ones included ("high water mark")
	txid     uint64
}

const (
	boltMagic      = 0xED0CDAED
	boltVersion    = 2
	pageHeaderSize = 16
	metaSize       = 64
	minPageSize    = 1 << 10
	maxPageSize    = 1 << 24
	maxPages       = 1 << 38    // so that pages * page size does not overflow
	noFreelist     = ^uint64(0) // in place of the freelist's page: none was written
)

// readMeta returns the newest of the two meta pages that is valid, as bbolt
// does. The second one lies at the page size, which stands in the first; when
// that is damaged, every page size there can be is tried.
func readMeta(f io.ReaderAt, size int64) (metaPage, error) {
	var newest metaPage
	found := false
	for _, at := range metaOffsets(f) {
		m, ok := readMetaAt(f, at)
		if ok && (at == 0 || uint64(at) == m.pageSize) && (!found || m.txid > newest.txid) {
			newest, found = m, true
		}
	}
	if !found {
		return metaPage{}, fmt.Errorf("%w: it has no valid meta page in its %d bytes", ErrForeign, size)
	}
	return newest, nil
}

func metaOffsets(f io.ReaderAt) []int64 {
	if m, ok := readMetaAt(f, 0); ok {
		return []int64{0, int64(m.pageSize)}
	}
	var offsets []int64
	for at := int64(minPageSize); at <= maxPageSize; at <<= 1 {
		offsets = append(offsets, at)
	}
	return offsets
}

func readMetaAt(f io.ReaderAt, at int64) (metaPage, bool) {
	var buf [metaSize]byte
	if _, err := f.ReadAt(buf[:], at+pageHeaderSize); err != nil {
		return metaPage{}, false
	}
	return parseMeta(buf[:])
}

func parseMeta(b []byte) (metaPage, bool) {
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	u64 := func(at int) uint64 { return binary.NativeEndian.Uint64(b[at:]) }
	sum := fnv.New64a()
	sum.Write(b[:56])
	if u32(0) != boltMagic || u32(4) != boltVersion || u64(56) != sum.Sum64() {
		return metaPage{}, false
	}
	m := metaPage{pageSize: uint64(u32(8)), root: u64(16), freelist: u64(32), pages: u64(40), txid: u64(48)}
	return m, m.plausible() && m.root < m.pages && (m.freelist < m.pages || m.freelist == noFreelist)
}

func (m metaPage) plausible() bool {
	return m.pageSize >= minPageSize && m.pageSize <= maxPageSize &&
		m.pageSize&(m.pageSize-1) == 0 && m.pages < maxPages
}
