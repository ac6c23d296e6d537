package store_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"testing"

	"github.com/agent-secret-store/assd/store"
)

// leadBack makes element i of the branch in Secrets lead to the branch itself, under an
// open store, and returns the first key there and the one before it.
func (f *pageFile) leadBack(t *testing.T, path string, i int) (key, before []byte) {
	t.Helper()
	key = bytes.Clone(f.branchKey(i)[:7])
	if i > 0 {
		leaf := int(binary.NativeEndian.Uint64(f.element(f.branch, i-1)[8:]))
		before = bytes.Clone(f.key(leaf, f.count(leaf)-1)[:7])
	}
	binary.NativeEndian.PutUint64(f.element(f.branch, i)[8:], uint64(f.branch))
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	wantErr(t, err, nil)
	_, err = file.WriteAt(f.page(f.branch)[:os.Getpagesize()], int64(f.branch*os.Getpagesize()))
	wantErr(t, err, nil)
	wantErr(t, file.Close(), nil)
	return key, before
}

// TestBranchThatLeadsToItself: whoever comes there gets an error, whichever way, and is
// not sent in circles; whoever does not is served.
func TestBranchThatLeadsToItself(t *testing.T) {
	all := func(_, _ []byte) (bool, error) { return true, nil }
	whole := newPageFile(t)
	last := whole.count(whole.branch) - 1
	for _, i := range []int{0, 1, last / 2, last} {
		t.Run(fmt.Sprintf("element %d", i), func(t *testing.T) {
			f := &pageFile{}
			*f = *whole
			f.data = bytes.Clone(whole.data)
			path := newPath(t)
			write(t, path, f.data, 0o600)
			db := open(t, store.Config{Path: path})
			key, before := f.leadBack(t, path, i)
			for name, fn := range map[string]func(store.Reader) error{
				"get":        func(r store.Reader) error { r.Get(store.Secrets, key); return nil },
				"scan":       func(r store.Reader) error { return r.Scan(store.Secrets, nil, all) },
				"scan from":  func(r store.Reader) error { return r.Scan(store.Secrets, key, all) },
				"scan to":    func(r store.Reader) error { return r.Scan(store.Secrets, before, all) },
				"back":       func(r store.Reader) error { return r.ScanBack(store.Secrets, nil, all) },
				"back from":  func(r store.Reader) error { return r.ScanBack(store.Secrets, key, all) },
				"back to it": func(r store.Reader) error { return r.ScanBack(store.Secrets, []byte("l"), all) },
			} {
				if err := db.View(func(s *store.Snapshot) error { return fn(s) }); !isDamaged(err) {
					t.Errorf("%s in a snapshot: %v", name, err)
				}
				if err := db.Update(ctx, func(tx *store.Tx) error { return fn(tx) }); !isDamaged(err) {
					t.Errorf("%s in an operation: %v", name, err)
				}
			}
			wantErr(t, db.Update(ctx, put(string(key), "1")), store.ErrDamaged)
			wantErr(t, db.Update(ctx, func(tx *store.Tx) error { return tx.Delete(store.Secrets, key) }), store.ErrDamaged)
			if before != nil { // what is beside it may be emptied, and bbolt then looks past it
				wantErr(t, db.Update(ctx, func(tx *store.Tx) error { return tx.Delete(store.Secrets, before) }), store.ErrDamaged)
			}
			wantErr(t, db.View(func(s *store.Snapshot) error {
				s.Last(store.Vault)
				if i > 1 && s.Get(store.Secrets, []byte("k000000")) == nil {
					t.Error("a key elsewhere was not found")
				}
				return nil
			}), nil)
			wantErr(t, db.Update(ctx, func(tx *store.Tx) error { return tx.Put(store.Values, []byte("a"), []byte("1")) }), nil)
		})
	}
}

// TestCompactChecksPages: nor is it copied.
func TestCompactChecksPages(t *testing.T) {
	f := newPageFile(t)
	path := newPath(t)
	write(t, path, f.data, 0o600)
	f.leadBack(t, path, 1)
	wantErr(t, store.Compact(path), store.ErrDamaged)
}

// TestStartOnDamage: what bbolt would believe at its start has an end too.
func TestStartOnDamage(t *testing.T) {
	for name, edit := range map[string]func(f *pageFile){
		"a page in a bucket's place that is a branch": func(f *pageFile) {
			binary.NativeEndian.PutUint16(f.bucket("meta")[16+8:], 1)
		},
		"a top that leads to itself": func(f *pageFile) {
			top := f.page(f.top)
			binary.NativeEndian.PutUint16(top[8:], 1)
			binary.NativeEndian.PutUint64(top[16+8:], uint64(f.top))
			binary.NativeEndian.PutUint16(top[10:], 1)
		},
		"a huge list of free pages": func(f *pageFile) {
			list := f.page(f.list())
			binary.NativeEndian.PutUint16(list[10:], 0xFFFF)
			binary.NativeEndian.PutUint64(list[16:], 1<<36)
		},
		"a list of free pages elsewhere": func(f *pageFile) { f.setList(uint64(f.first)) },
		"no list of free pages":          func(f *pageFile) { f.setList(1<<64 - 1) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newPageFile(t)
			edit(f)
			path := newPath(t)
			write(t, path, f.data, 0o600)
			_, err := store.Open(store.Config{Path: path})
			wantErr(t, err, store.ErrDamaged)
		})
	}
}

// meta is the meta page in force.
func (f *pageFile) meta() []byte {
	first, second := f.page(0)[16:80], f.page(1)[16:80]
	if binary.NativeEndian.Uint64(first[48:]) > binary.NativeEndian.Uint64(second[48:]) {
		return first
	}
	return second
}

// list is the page that lists the free ones.
func (f *pageFile) list() int { return int(binary.NativeEndian.Uint64(f.meta()[32:])) }

func (f *pageFile) setList(page uint64) {
	m := f.meta()
	binary.NativeEndian.PutUint64(m[32:], page)
	sum := fnv.New64a()
	sum.Write(m[:56])
	binary.NativeEndian.PutUint64(m[56:], sum.Sum64())
}

// TestEmptiedLeaves: a walk over leaves that its own transaction has emptied.
func TestEmptiedLeaves(t *testing.T) {
	path := newPath(t)
	db := open(t, store.Config{Path: path})
	fill(t, db, 2000)
	err := db.Update(ctx, func(tx *store.Tx) error {
		for i := 100; i < 1900; i++ {
			if err := tx.Delete(store.Secrets, fmt.Appendf(nil, "k%06d", i)); err != nil {
				return err
			}
		}
		for _, scan := range []func(store.Bucket, []byte, func(k, v []byte) (bool, error)) error{tx.Scan, tx.ScanBack} {
			n := 0
			if err := scan(store.Secrets, nil, func(_, _ []byte) (bool, error) { n++; return true, nil }); err != nil || n != 200 {
				t.Errorf("%d keys, %v", n, err)
			}
		}
		return nil
	})
	wantErr(t, err, nil)
}

func isDamaged(err error) bool { return errors.Is(err, store.ErrDamaged) }
