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

// edit is something that is done to a trail at event n, and what Verify has to say then:
// the first event that is bad, and the beginning of what is wrong with it. Nothing is said
// where it changes nothing, or only a checkpoint can tell.
type edit struct {
	do   func(tx *store.Tx, n uint64) error
	says func(n uint64) (bad uint64, problem string)
}

const (
	misplaced = "changed or out of order: its hash does not match"
	headless  = "cut, or inserted after the newest signed head, or the head is missing"
	foreign   = "foreign signature, or a changed one: its signed head does not verify"
)

// editsOf are those of a trail of last events; signed says which have a signed head.
func editsOf(last uint64, signed map[uint64]bool) map[string]edit {
	head := func(n uint64) uint64 { // the newest signed one before event n
		for n--; n > 0 && !signed[n]; n-- {
		}
		return n
	}
	at := func(problem string) func(n uint64) (uint64, string) {
		return func(n uint64) (uint64, string) { return n, problem }
	}
	next := func(n uint64) uint64 { return n%last + 1 }
	put := func(tx *store.Tx, n uint64, v []byte) error { return tx.Put(store.Audit, seq(n), v) }
	get := func(tx *store.Tx, n uint64) []byte { return bytes.Clone(tx.Get(store.Audit, seq(n))) }
	return map[string]edit{
		"removed": {
			func(tx *store.Tx, n uint64) error { return tx.Delete(store.Audit, seq(n)) },
			func(n uint64) (uint64, string) {
				if signed[n] { // its head comes upon the event before
					return n, fmt.Sprintf("cut or missing: the signed head of event %d follows", n)
				}
				return n, fmt.Sprintf("missing or out of order: the next one is %d", n+1)
			},
		},
		"removed with its head": {
			func(tx *store.Tx, n uint64) error {
				return errors.Join(tx.Delete(store.Audit, seq(n)), tx.Delete(store.Audit, headKey(n)))
			},
			func(n uint64) (uint64, string) {
				if n == last && signed[n-1] {
					return 0, ""
				}
				if n == last {
					return head(n) + 1, headless
				}
				return n, fmt.Sprintf("missing or out of order: the next one is %d", n+1)
			},
		},
		"swapped with the next": {
			func(tx *store.Tx, n uint64) error {
				a, b := get(tx, n), get(tx, next(n))
				return errors.Join(put(tx, n, b), put(tx, next(n), a))
			},
			func(n uint64) (uint64, string) { return min(n, next(n)), misplaced },
		},
		"written over the next": {
			func(tx *store.Tx, n uint64) error { return put(tx, next(n), get(tx, n)) },
			func(n uint64) (uint64, string) { return next(n), misplaced },
		},
		"inserted again, the rest moved up": {
			func(tx *store.Tx, n uint64) error {
				for at := last; at >= n; at-- {
					if err := put(tx, at+1, get(tx, at)); err != nil {
						return err
					}
				}
				return nil
			},
			func(n uint64) (uint64, string) {
				if n == last {
					return n + 1, headless
				}
				return n + 1, misplaced
			},
		},
		"no entry of a trail behind it": {
			func(tx *store.Tx, n uint64) error { return tx.Put(store.Audit, append(seq(n), 'x'), []byte("y")) },
			func(n uint64) (uint64, string) { return n + 1, "inserted: no entry of a trail" },
		},
		"cut to less than a hash": {
			func(tx *store.Tx, n uint64) error { return put(tx, n, get(tx, n)[:32]) },
			at("changed: the entry is malformed"),
		},
		"a bit of its hash changed": {
			func(tx *store.Tx, n uint64) error {
				v := get(tx, n)
				v[7] ^= 4
				return put(tx, n, v)
			},
			at(misplaced),
		},
		"a bit of it changed": {
			func(tx *store.Tx, n uint64) error {
				v := get(tx, n)
				v[len(v)-3] ^= 1
				return put(tx, n, v)
			},
			at(misplaced),
		},
		"cut after it, and after its head": {
			cutAfter(last),
			func(n uint64) (uint64, string) {
				if signed[n] {
					return 0, ""
				}
				return head(n) + 1, headless
			},
		},
		"cut after it, and the heads left": {
			func(tx *store.Tx, n uint64) error {
				for at := n + 1; at <= last; at++ {
					if err := tx.Delete(store.Audit, seq(at)); err != nil {
						return err
					}
				}
				return nil
			},
			func(n uint64) (uint64, string) {
				if n == last {
					return 0, ""
				}
				for at := n + 1; ; at++ {
					if signed[at] {
						return n + 1, fmt.Sprintf("cut or missing: the signed head of event %d follows", at)
					}
				}
			},
		},
		"signed by a stranger": {
			func(tx *store.Tx, n uint64) error {
				h := chain.Head{Epoch: 1, Seq: n, Hash: chain.Hash(get(tx, n)[:32])}
				return tx.Put(store.Audit, headKey(n), chain.FormatSignatures(chain.Sign(h, tenant, seeded(5))))
			},
			at(foreign),
		},
		"signed for another epoch": {
			func(tx *store.Tx, n uint64) error {
				h := chain.Head{Epoch: 2, Seq: n, Hash: chain.Hash(get(tx, n)[:32])}
				return tx.Put(store.Audit, headKey(n), chain.FormatSignatures(chain.Sign(h, tenant, seeded(7))))
			},
			at(foreign),
		},
		"its head is no signature": {
			func(tx *store.Tx, n uint64) error { return tx.Put(store.Audit, headKey(n), []byte("short")) },
			at(foreign),
		},
		"its head removed": {
			func(tx *store.Tx, n uint64) error { return tx.Delete(store.Audit, headKey(n)) },
			func(n uint64) (uint64, string) {
				if n == last {
					return head(n) + 1, headless
				}
				return 0, "" // one in the middle is no loss
			},
		},
	}
}

// Structural edits at each place of a larger trail with commits of several events:
// Verify names the first event that is off, and what is wrong with it. What is left is
// consistent only where it was once signed, and then a checkpoint finds it.
func TestVerifyNamesEveryEditOfALargerOne(t *testing.T) {
	const commits = 8
	tr := newTrail(t)
	for i := range 5 {
		tr.append(event(audit.SecretWrite, "production", fmt.Sprint(i)))
	}
	for i := range commits {
		addMany(tr, i%4+1)
	}
	var all []uint64
	for n := uint64(1); n <= tr.log.Head().Seq; n++ {
		all = append(all, n)
	}
	tr.wantNamed(all)
}

// The same where a check goes on from one piece of the trail that it has read to the next.
func TestVerifyNamesEditsBetweenPieces(t *testing.T) {
	tr := newTrail(t)
	addMany(tr, 700)
	addMany(tr, 700)
	tr.wantNamed([]uint64{499, 500, 501, 1000})
}

// wantNamed has each edit made at those events, and wants what it says to be found.
func (tr *trail) wantNamed(at []uint64) {
	t := tr.t
	t.Helper()
	newest := tr.log.Head()
	note := chain.NewCheckpoint(tenant, newest.Head, newest.Key, newest.Signature)
	signed := map[uint64]bool{}
	for n := uint64(1); n <= newest.Seq; n++ {
		signed[n] = tr.get(store.Audit, headKey(n)) != nil
	}
	for name, e := range editsOf(newest.Seq, signed) {
		for _, n := range at {
			rep := tr.edited(func(tx *store.Tx) error { return e.do(tx, n) })
			bad, problem := e.says(n)
			if rep.FirstBad != bad || (problem == "") != (rep.Problem == "") || !strings.HasPrefix(rep.Problem, problem) {
				t.Errorf("event %d %s: found %d %q; want %d %q", n, name, rep.FirstBad, rep.Problem, bad, problem)
			}
			if end := rep.Head.Seq; problem == "" && end < newest.Seq {
				if found := note.Compare(end, rep.Head.Hash); found == nil || found.Seq != end+1 {
					t.Errorf("event %d %s: the checkpoint says %v", n, name, found)
				}
			}
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

// edited is what Verify says of a copy of the file with an edit.
func (tr *trail) edited(op func(*store.Tx) error) audit.Report {
	tr.t.Helper()
	path := tr.path + ".edited"
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
	return rep
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
