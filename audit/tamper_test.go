package audit_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
)

// The bytes of the pages that the entries of the trail lie on are changed in the file,
// under bbolt; every fifth, because each takes a walk. Either the check finds it, or
// nothing that is read from the trail has changed by it: that is so of bytes that no
// entry uses. The tables and the branches above are store's to check, see CheckPages;
// vault's TestTamperEveryByteOfTheTrail is about all of them.
func TestVerifyFindsEveryByteOfItsPages(t *testing.T) {
	tr := filled(t, 20) // of two leaves at least, with a branch above them
	tr.db.Close()
	whole, err := os.ReadFile(tr.path)
	if err != nil {
		t.Fatal(err)
	}
	want, ok := readAll(tr.path)
	if !ok {
		t.Fatal("whole, it does not read")
	}
	f, err := os.OpenFile(tr.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found, idle := 0, 0
	for _, at := range auditPages(t, tr.path, whole) {
		for i := at.from; i < at.to; i++ {
			if i%5 != 0 || at.spared(i) {
				continue
			}
			if _, err := f.WriteAt([]byte{whole[i] ^ 1<<(i%8)}, int64(i)); err != nil {
				t.Fatal(err)
			}
			if notices(tr.path) {
				found++
			} else if idle++; !sameTrail(tr.path, want) {
				t.Errorf("byte %d of page %d: not found, and the trail reads otherwise", i-at.from, at.id)
			}
			if _, err := f.WriteAt(whole[i:i+1], int64(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d found, %d change nothing", found, idle)
	if found < len(want)/8 || idle == 0 {
		t.Errorf("%d found, %d change nothing: this tests nothing", found, idle)
	}
	if notices(tr.path) {
		t.Error("put back whole, it does not verify")
	}
}

type page struct{ id, from, to, data int } // data: where the entries begin, behind the tables

// spared reports whether byte i is of the page's tables and no entry's.
func (p page) spared(i int) bool { return i < p.data }

// auditPages are the pages of the audit bucket, as bbolt lays them out: id, 8 bytes,
// flags, 2, count, 2, how many pages more it has, 4; then elements of 16 bytes.
func auditPages(t *testing.T, path string, file []byte) (pages []page) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	size, root := db.Info().PageSize, 0
	if err := db.View(func(tx *bolt.Tx) error {
		root = int(tx.Bucket([]byte(store.Audit)).Root())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	db.Close()
	var visit func(id int)
	visit = func(id int) {
		p := file[id*size:]
		more := int(binary.NativeEndian.Uint32(p[12:]))
		if flags := binary.NativeEndian.Uint16(p[8:]); flags&1 == 0 { // no branch
			count := int(binary.NativeEndian.Uint16(p[10:]))
			pages = append(pages, page{id, id * size, (id + 1 + more) * size, id*size + 16 + 16*count})
			return
		}
		for i := range int(binary.NativeEndian.Uint16(p[10:])) {
			visit(int(binary.NativeEndian.Uint64(p[16+16*i+8:])))
		}
	}
	if visit(root); len(pages) < 2 {
		t.Fatalf("the trail has %d pages: too few to tell", len(pages))
	}
	return pages
}

// notices reports whether a check finds anything wrong with the file.
func notices(path string) bool {
	db, err := store.Open(store.Config{Path: path, ReadOnly: true, MustExist: true})
	if err != nil {
		return true
	}
	defer db.Close()
	rep, err := audit.Verify(context.Background(), db)
	return err != nil || rep.Problem != ""
}

// readAll is what the trail says, read along it and entry by entry.
func readAll(path string) (out []byte, ok bool) {
	db, err := store.Open(store.Config{Path: path, ReadOnly: true, MustExist: true})
	if err != nil {
		return nil, false
	}
	defer db.Close()
	err = db.View(func(s *store.Snapshot) error {
		return s.Scan(store.Audit, nil, func(k, v []byte) (bool, error) {
			out = append(append(out, k...), v...)
			if !bytes.Equal(s.Get(store.Audit, k), v) {
				return false, errors.New("it is not found by its key")
			}
			return true, nil
		})
	})
	return out, err == nil
}

func sameTrail(path string, want []byte) bool {
	got, ok := readAll(path)
	return ok && bytes.Equal(got, want)
}

// Structural edits at each place of a larger trail with commits of several events:
// what is left of it is consistent only where it was once signed, and then a
// checkpoint finds it.
func TestVerifyFindsEveryEditOfALargerOne(t *testing.T) {
	const commits = 12
	tr := filled(t, 5)
	for i := range commits {
		addMany(tr, i%4+1)
	}
	newest := tr.log.Head()
	note := chain.NewCheckpoint(tenant, newest.Head, newest.Key, newest.Signature)
	edits := map[string]func(tx *store.Tx, n uint64) error{
		"removed": func(tx *store.Tx, n uint64) error { return tx.Delete(store.Audit, seq(n)) },
		"swapped": func(tx *store.Tx, n uint64) error {
			a, b := bytes.Clone(tx.Get(store.Audit, seq(n))), bytes.Clone(tx.Get(store.Audit, seq(n%newest.Seq+1)))
			return errors.Join(tx.Put(store.Audit, seq(n), b), tx.Put(store.Audit, seq(n%newest.Seq+1), a))
		},
		"duplicated over the next": func(tx *store.Tx, n uint64) error {
			return tx.Put(store.Audit, seq(n%newest.Seq+1), bytes.Clone(tx.Get(store.Audit, seq(n))))
		},
		"inserted, the rest moved up": func(tx *store.Tx, n uint64) error {
			for at := newest.Seq; at >= n; at-- {
				if err := tx.Put(store.Audit, seq(at+1), bytes.Clone(tx.Get(store.Audit, seq(at)))); err != nil {
					return err
				}
			}
			return nil
		},
		"no entry of a trail": func(tx *store.Tx, n uint64) error { return tx.Put(store.Audit, append(seq(n), 'x'), []byte("y")) },
		"cut":                 cutAfter(newest.Seq),
	}
	for name, edit := range edits {
		for n := uint64(1); n <= newest.Seq; n++ {
			tr.edited(func(tx *store.Tx) error { return edit(tx, n) }, func(rep audit.Report, signed bool) {
				switch {
				case name == "cut" && n == newest.Seq: // nothing was
				case name == "cut" && signed && rep.Problem == "":
					if bad := note.Compare(rep.Head.Seq, audit.Hash{}); bad == nil || bad.Seq != n+1 {
						t.Errorf("cut after %d: the checkpoint says %v", n, bad)
					}
				case rep.Problem == "" || rep.FirstBad == 0 || rep.FirstBad > n+1:
					t.Errorf("event %d %s: found %d %q", n, name, rep.FirstBad, rep.Problem)
				}
			}, n)
		}
	}
}

// cutAfter removes all that comes after event n.
func cutAfter(last uint64) func(tx *store.Tx, n uint64) error {
	return func(tx *store.Tx, n uint64) error {
		for at := n + 1; at <= last; at++ {
			if err := errors.Join(tx.Delete(store.Audit, seq(at)), tx.Delete(store.Audit, headKey(at))); err != nil {
				return err
			}
		}
		return nil
	}
}

// edited verifies a copy of the file with an edit; signed says whether event n of it has
// a signed head.
func (tr *trail) edited(op func(*store.Tx) error, look func(rep audit.Report, signed bool), n uint64) {
	tr.t.Helper()
	path := fmt.Sprintf("%s.%d", tr.path, n)
	b, err := os.ReadFile(tr.path)
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		tr.t.Fatal(err)
	}
	defer os.Remove(path)
	db, err := store.Open(store.Config{Path: path})
	if err != nil {
		tr.t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(context.Background(), op); err != nil {
		tr.t.Fatal(err)
	}
	rep, err := audit.Verify(context.Background(), db)
	if err != nil {
		tr.t.Fatal(err)
	}
	signed := false
	if err := db.View(func(s *store.Snapshot) error {
		signed = s.Get(store.Audit, headKey(n)) != nil
		return nil
	}); err != nil {
		tr.t.Fatal(err)
	}
	look(rep, signed)
}

// A trail made anew, event by event, and signed by another key is consistent with
// itself: only a key or a checkpoint tells.
func TestVerifyAcceptsAnotherKeysTrail(t *testing.T) {
	tr := filled(t, 5)
	newest := tr.log.Head()
	note := chain.NewCheckpoint(tenant, newest.Head, newest.Key, newest.Signature)
	other := newTrailOf(t, seeded(3))
	rep := other.verify()
	if rep.Problem != "" {
		t.Fatal(rep.Problem)
	}
	if rep.Lineage.Has(newest.Key) {
		t.Error("its lineage has the key of the other")
	}
	if err := note.Verify(rep.Tenant, rep.Lineage); !errors.Is(err, chain.ErrForeignNote) {
		t.Errorf("the checkpoint of the other: %v", err)
	}
	if !strings.HasPrefix(rep.Tenant, "ten_") {
		t.Error(rep.Tenant)
	}
}
