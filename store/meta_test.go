package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"os"
	"path/filepath"
	"testing"
)

// Where the fields of a meta page are, in bytes from its beginning.
const (
	atPageSize = pageHeaderSize + 8
	atRoot     = pageHeaderSize + 16
	atFreelist = pageHeaderSize + 32
	atPages    = pageHeaderSize + 40
	atSum      = pageHeaderSize + 56
)

// TestForgedMeta: a meta page with a right checksum that says what cannot be.
func TestForgedMeta(t *testing.T) {
	data := emptyVault(t)
	page := os.Getpagesize()
	for name, forge := range map[string]func(meta []byte){
		"page size 0":         func(m []byte) { put32(m[atPageSize:], 0) },
		"page size 3000":      func(m []byte) { put32(m[atPageSize:], 3000) },
		"page size 512":       func(m []byte) { put32(m[atPageSize:], 512) },
		"2^33 pages of 2^31":  func(m []byte) { put32(m[atPageSize:], 1<<31); put64(m[atPages:], 1<<33) }, // 2^64 bytes
		"2^52 pages":          func(m []byte) { put64(m[atPages:], 1<<52) },                               // of 4096 bytes: 2^64
		"no pages":            func(m []byte) { put64(m[atPages:], 0) },
		"root behind the end": func(m []byte) { put64(m[atRoot:], binary.NativeEndian.Uint64(m[atPages:])) },
		"freelist far away":   func(m []byte) { put64(m[atFreelist:], 1<<60) },
	} {
		t.Run(name, func(t *testing.T) {
			forged := bytes.Clone(data)
			for _, meta := range [][]byte{forged[:page], forged[page : 2*page]} {
				forge(meta)
				put64(meta[atSum:], checksum(meta))
			}
			if err := probePages(bytes.NewReader(forged), int64(len(forged))); !errors.Is(err, ErrForeign) {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := probePages(bytes.NewReader(data), int64(len(data))); err != nil {
		t.Errorf("as it was: %v", err)
	}
}

func put32(b []byte, v uint32) { binary.NativeEndian.PutUint32(b, v) }
func put64(b []byte, v uint64) { binary.NativeEndian.PutUint64(b, v) }

func checksum(meta []byte) uint64 {
	sum := fnv.New64a()
	sum.Write(meta[pageHeaderSize:atSum])
	return sum.Sum64()
}

func emptyVault(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vault.db")
	if err := create(path, &realDisk); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// FuzzProbe: whatever a file says, what passes lies inside it.
func FuzzProbe(f *testing.F) {
	data := emptyVault(f)[:2*minPageSize]
	put32(data[atPageSize:], minPageSize)
	put64(data[atRoot:], 1)
	put64(data[atFreelist:], 1)
	f.Add(data, uint64(2))
	f.Add(data, uint64(3))
	f.Add([]byte("text"), uint64(1))
	f.Fuzz(func(t *testing.T, data []byte, pages uint64) {
		if len(data) > atSum+8 { // a right checksum, or nothing gets past it
			put64(data[atPages:], pages)
			put64(data[atSum:], checksum(data))
		}
		r := bytes.NewReader(data)
		if probePages(r, int64(len(data))) != nil {
			return
		}
		m, err := readMeta(r, int64(len(data)))
		if err != nil || m.pages == 0 || m.pages > uint64(len(data))/m.pageSize {
			t.Errorf("%d bytes pass as %d pages of %d bytes, %v", len(data), m.pages, m.pageSize, err)
		}
	})
}
