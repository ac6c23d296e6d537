package store_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/store"
)

// A pageFile is the bytes of a closed vault file with a branch above leaves in Secrets,
// and which pages some are.
type pageFile struct {
	data                                   []byte
	top, branch, first, second, last, free int // last: the leaf of the large value
}

func newPageFile(t *testing.T) *pageFile {
	t.Helper()
	path := newPath(t)
	db := open(t, store.Config{Path: path})
	fill(t, db, 300)
	mustPut(t, db, "large", strings.Repeat("x", 150_000))
	close(t, db)
	f := &pageFile{data: printOf(t, path).data}
	b, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	err = b.View(func(btx *bolt.Tx) error {
		f.top, f.branch = int(btx.Cursor().Bucket().Root()), int(btx.Bucket([]byte("secrets")).Root())
		for id := 2; f.free == 0; id++ {
			if info, err := btx.Page(id); err != nil || info.Type == "free" {
				f.free = id
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f.first = int(binary.NativeEndian.Uint64(f.element(f.branch, 0)[8:]))
	f.second = int(binary.NativeEndian.Uint64(f.element(f.branch, 1)[8:]))
	f.last = int(binary.NativeEndian.Uint64(f.element(f.branch, f.count(f.branch)-1)[8:]))
	return f
}

func (f *pageFile) page(id int) []byte       { return f.data[id*os.Getpagesize():] }
func (f *pageFile) element(id, i int) []byte { return f.page(id)[16+16*i:] }

// bucket is the value of that bucket in the page at the top.
func (f *pageFile) bucket(name string) []byte {
	return f.page(f.top)[bytes.Index(f.page(f.top), []byte(name))+len(name):]
}

// TestCheckPages: each thing that a page can say wrongly is found, where it is.
func TestCheckPages(t *testing.T) {
	u16, u32, u64 := binary.NativeEndian.PutUint16, binary.NativeEndian.PutUint32, binary.NativeEndian.PutUint64
	add := func(b []byte, n uint32) { u32(b, binary.NativeEndian.Uint32(b)+n) }
	for name, tt := range map[string]struct {
		page func(f *pageFile) int // that is named
		edit func(f *pageFile)
	}{
		"another id":             {(*pageFile).firstPage, func(f *pageFile) { u64(f.page(f.first), uint64(f.second)) }},
		"a freelist":             {(*pageFile).firstPage, func(f *pageFile) { u16(f.page(f.first)[8:], 16) }},
		"a branch that is none":  {(*pageFile).branchPage, func(f *pageFile) { u16(f.page(f.branch)[8:], 16) }},
		"shorter than it is":     {func(f *pageFile) int { return f.last }, func(f *pageFile) { f.page(f.last)[12]-- }},
		"an element fewer in it": {(*pageFile).topPage, func(f *pageFile) { u16(f.bucket("meta")[16+10:], 0) }},
		"a leaf and a branch":    {(*pageFile).firstPage, func(f *pageFile) { u16(f.page(f.first)[8:], 3) }},
		"a leaf too many":        {(*pageFile).firstPage, func(f *pageFile) { u16(f.page(f.first)[8:], 1) }},
		"an element fewer":       {(*pageFile).firstPage, func(f *pageFile) { f.page(f.first)[10]-- }},
		"an element more":        {(*pageFile).firstPage, func(f *pageFile) { f.page(f.first)[10]++ }},
		"65535 elements":         {(*pageFile).firstPage, func(f *pageFile) { u16(f.page(f.first)[10:], 0xFFFF) }},
		"no elements":            {(*pageFile).firstPage, func(f *pageFile) { u16(f.page(f.first)[10:], 0) }},
		"a branch of none":       {(*pageFile).branchPage, func(f *pageFile) { u16(f.page(f.branch)[10:], 0) }},
		"behind the end":         {(*pageFile).firstPage, func(f *pageFile) { u32(f.page(f.first)[12:], 1<<31) }},
		"a key elsewhere":        {(*pageFile).firstPage, func(f *pageFile) { add(f.element(f.first, 1)[4:], 1) }},
		"no key":                 {(*pageFile).firstPage, func(f *pageFile) { u32(f.element(f.first, 1)[8:], 0) }},
		"a huge key":             {(*pageFile).firstPage, func(f *pageFile) { u32(f.element(f.first, 1)[8:], 1<<31) }},
		"a huge value":           {(*pageFile).firstPage, func(f *pageFile) { u32(f.element(f.first, 1)[12:], 1<<31) }},
		"a value beyond it":      {(*pageFile).firstPage, func(f *pageFile) { add(f.element(f.first, 1)[12:], 1<<16) }},
		"a value of the next":    {(*pageFile).firstPage, func(f *pageFile) { add(f.element(f.first, 1)[12:], 1) }},
		"a bucket in a bucket":   {(*pageFile).firstPage, func(f *pageFile) { u32(f.element(f.first, 1), 1) }},
		"an unknown flag":        {(*pageFile).firstPage, func(f *pageFile) { u32(f.element(f.first, 1), 2) }},
		"keys out of order":      {(*pageFile).firstPage, func(f *pageFile) { copy(f.key(f.first, 5), f.key(f.first, 4)[:7]) }},
		"a first key":            {(*pageFile).firstPage, func(f *pageFile) { f.key(f.first, 0)[0]-- }},
		"a key of the next":      {(*pageFile).firstPage, func(f *pageFile) { copy(f.key(f.first, f.count(f.first)-1), "k999999") }},
		"a key above":            {(*pageFile).secondPage, func(f *pageFile) { f.branchKey(1)[6]++ }},
		"itself below":           {(*pageFile).branchPage, func(f *pageFile) { u64(f.element(f.branch, 1)[8:], uint64(f.branch)) }},
		"a page below twice":     {(*pageFile).firstPage, func(f *pageFile) { u64(f.element(f.branch, 1)[8:], uint64(f.first)) }},
		"a free page below":      {(*pageFile).freePage, func(f *pageFile) { f.free2() }},
		"a meta page below":      {func(*pageFile) int { return 1 }, func(f *pageFile) { u64(f.page(1), 1); u64(f.element(f.branch, 1)[8:], 1) }},
		"no page below":          {func(*pageFile) int { return 1 << 50 }, func(f *pageFile) { u64(f.element(f.branch, 1)[8:], 1<<50) }},
		"no bucket":              {(*pageFile).topPage, func(f *pageFile) { u32(f.element(f.top, 0), 0) }},
		"a root elsewhere":       {func(*pageFile) int { return 1 << 40 }, func(f *pageFile) { u64(f.bucket("secrets"), 1<<40) }},
		"a root and a page":      {(*pageFile).topPage, func(f *pageFile) { u64(f.bucket("meta"), uint64(f.free)) }},
		"neither root nor page":  {(*pageFile).topPage, func(f *pageFile) { u64(f.bucket("secrets"), 0) }},
		"a page in it, wrong":    {(*pageFile).topPage, func(f *pageFile) { u64(f.bucket("meta")[16:], 5) }},
		"more in it":             {(*pageFile).topPage, func(f *pageFile) { u32(f.bucket("meta")[16+12:], 1) }},
		"an element more in it":  {(*pageFile).topPage, func(f *pageFile) { u16(f.bucket("meta")[16+10:], 2) }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newPageFile(t)
			path := newPath(t)
			want := fmt.Sprintf("page %d: ", tt.page(f))
			tt.edit(f)
			write(t, path, f.data, 0o600)
			for _, readOnly := range []bool{true, false} {
				_, err := store.Open(store.Config{Path: path, ReadOnly: readOnly, CheckPages: true})
				wantErr(t, err, store.ErrDamaged)
				if err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("the error %q does not say %q", err, want)
				}
			}
		})
	}
}

func (f *pageFile) topPage() int    { return f.top }
func (f *pageFile) branchPage() int { return f.branch }
func (f *pageFile) firstPage() int  { return f.first }
func (f *pageFile) secondPage() int { return f.second }
func (f *pageFile) freePage() int   { return f.free }
func (f *pageFile) count(id int) int {
	return int(binary.NativeEndian.Uint16(f.page(id)[10:]))
}

// key is the key of an element of a leaf.
func (f *pageFile) key(id, i int) []byte {
	e := f.element(id, i)
	return e[binary.NativeEndian.Uint32(e[4:]):]
}

func (f *pageFile) branchKey(i int) []byte {
	e := f.element(f.branch, i)
	return e[binary.NativeEndian.Uint32(e):]
}

// free2 puts a copy of the second leaf into a free page, and has the branch lead there.
func (f *pageFile) free2() {
	copy(f.page(f.free), f.page(f.second)[:os.Getpagesize()])
	binary.NativeEndian.PutUint64(f.page(f.free), uint64(f.free))
	binary.NativeEndian.PutUint64(f.element(f.branch, 1)[8:], uint64(f.free))
}

// TestCheckPagesOfLargeValue: nor is what is larger than it could have been written.
func TestCheckPagesOfLargeValue(t *testing.T) {
	path := newPath(t)
	close(t, open(t, store.Config{Path: path}))
	inspect(t, path, func(btx *bolt.Tx) error {
		return btx.Bucket([]byte("values")).Put([]byte("k"), make([]byte, 64<<20+1))
	})
	_, err := store.Open(store.Config{Path: path, CheckPages: true})
	wantErr(t, err, store.ErrDamaged)
}

// TestCheckPagesOfSoundFiles: nothing that is written is taken for damage.
func TestCheckPagesOfSoundFiles(t *testing.T) {
	path := newPath(t)
	cfg := store.Config{Path: path, CheckPages: true}
	sizes := []int{0, 1, 900, 4000, 4096, 9000, 200_000}
	for round := range 12 {
		db := open(t, cfg)
		err := db.Update(ctx, func(tx *store.Tx) error {
			for i := range 400 {
				key := fmt.Appendf(nil, "%d/%s", i*7919%1000, strings.Repeat("k", i%5*200))
				if (i+round)%3 == 0 {
					if err := tx.Delete(store.Secrets, key); err != nil {
						return err
					}
				} else if err := tx.Put(store.Secrets, key, make([]byte, sizes[(i+round)*31%len(sizes)]/(1+round%3))); err != nil {
					return err
				}
			}
			return tx.Put(store.Audit, fmt.Appendf(nil, "%08d", round), make([]byte, 2000))
		})
		wantErr(t, err, nil)
		close(t, db)
		if round == 6 {
			wantErr(t, store.Compact(path), nil)
		}
	}
	close(t, open(t, cfg))
}
