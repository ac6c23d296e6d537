package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
)

func seeded(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

// rotate has another key sign, with others' events before and behind in the same commit.
func (tr *trail) rotate(next ed25519.PrivateKey) {
	tr.t.Helper()
	err := tr.update(func(tx *store.Tx) error {
		if _, err := tr.log.Append(tx, event(audit.SecretRead, "a", "K")); err != nil {
			return err
		}
		if err := tr.log.Rotate(tx, event("", "", ""), next); err != nil {
			return err
		}
		_, err := tr.log.Append(tx, event(audit.SecretRead, "a", "K"))
		return err
	})
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.cfg.Epoch, tr.cfg.Signer = tr.cfg.Epoch+1, next
}

func TestRotate(t *testing.T) {
	tr := filled(t, 3)
	first := tr.log.Head()
	tr.rotate(seeded(8))
	tr.append(event(audit.SecretRead, "a", "K"))
	tr.rotate(seeded(10))
	rep := tr.verify()
	if rep.Problem != "" || len(rep.Lineage) != 3 || rep.VerifyKey != tr.log.VerifyKey() {
		t.Fatalf("report %+v, lineage %v", rep, rep.Lineage)
	}
	if got := tr.log.Head(); got.Epoch != 3 || !got.Verify(tenant, rep.Lineage.Of(3), got.Signature) {
		t.Errorf("the head is %+v", got)
	}
	if err := tr.reopen(); err != nil {
		t.Fatal(err)
	}
	tr.append(event(audit.SecretRead, "a", "K"))
	if rep := tr.verify(); rep.Problem != "" {
		t.Error(rep.Problem)
	}
	for name, h := range map[string]audit.SignedHead{"before": first, "now": tr.log.Head()} {
		path := filepath.Join(t.TempDir(), "head")
		hf := audit.NewHeadFile(path, tenant)
		if err := hf.Write(h); err != nil {
			t.Fatal(err)
		}
		hf.Close()
		if got, err := audit.ReadHeadFile(path, tenant, rep.Lineage); err != nil || got != h.Head {
			t.Errorf("a head file from %s: %+v, %v", name, got, err)
		}
	}
	tr.cfg.Signer, tr.cfg.Epoch = seeded(8), 2
	if err := tr.reopen(); err == nil {
		t.Error("it opens with a key that signs no more")
	}
}

// What goes wrong in the same operation leaves the old key signing.
func TestRotateIsUndone(t *testing.T) {
	tr := filled(t, 2)
	key := tr.log.VerifyKey()
	err := tr.update(func(tx *store.Tx) error {
		if err := tr.log.Rotate(tx, event("", "", ""), seeded(8)); err != nil {
			return err
		}
		return bytes.ErrTooLarge
	})
	if err == nil || tr.log.VerifyKey() != key {
		t.Fatalf("%v, signed by %s", err, tr.log.VerifyKey())
	}
	tr.append(event(audit.SecretRead, "a", "K"))
	if rep := tr.verify(); rep.Problem != "" || rep.VerifyKey != key {
		t.Errorf("%+v", rep)
	}
}

// TestRotateIsUndoneBesideReaders is for the race detector.
func TestRotateIsUndoneBesideReaders(t *testing.T) {
	tr := filled(t, 2)
	done := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				tr.log.At()
				tr.log.VerifyKey()
			}
		}
	})
	for range 20 {
		_ = tr.update(func(tx *store.Tx) error {
			return errors.Join(tr.log.Rotate(tx, event("", "", ""), seeded(8)), bytes.ErrTooLarge)
		})
	}
	close(done)
	reader.Wait()
}

// A rotation proves the new key to who trusts the old one, and nothing else does.
func TestRotationIsProof(t *testing.T) {
	tr := filled(t, 2)
	old := chain.Lineage{{Epoch: 1, Since: 1, Key: chain.Key(tr.cfg.Signer.Public().(ed25519.PublicKey))}}
	tr.rotate(seeded(8))
	var rot chain.Rotation
	err := tr.db.View(func(s *store.Snapshot) (err error) {
		rot, err = audit.RotationAt(s, 5)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := old.Extend(tenant, rot)
	if err != nil || l.Newest().Key.String() != tr.log.VerifyKey() {
		t.Fatalf("%v, %v", l, err)
	}
	for name, edit := range map[string]func(r *chain.Rotation){
		"another number":   func(r *chain.Rotation) { r.Seq++ },
		"another place":    func(r *chain.Rotation) { r.Prev[0] ^= 1 },
		"another event":    func(r *chain.Rotation) { r.Event = strings.Replace(r.Event, "evt_", "evt-", 1) },
		"one signature":    func(r *chain.Rotation) { r.Signatures = r.Signatures[:72] },
		"twice the new":    func(r *chain.Rotation) { copy(r.Signatures, r.Signatures[72:]) },
		"the old's broken": func(r *chain.Rotation) { r.Signatures[20] ^= 1 },
		"the new's broken": func(r *chain.Rotation) { r.Signatures[100] ^= 1 },
	} {
		bad := rot
		bad.Signatures = bytes.Clone(rot.Signatures)
		if edit(&bad); true {
			if _, err := old.Extend(tenant, bad); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
	}
	if _, err := old.Extend("ten_bbbbbbbbbbbbbbbbbbbbbbbbbb", rot); err == nil {
		t.Error("of another vault: accepted")
	}
}

// Whoever has the old key alone, or a key of their own, takes over nothing.
func TestVerifyFindsForeignRotations(t *testing.T) {
	for name, edit := range map[string]func(tr *trail, signed []byte) []byte{
		"the old key's signature is missing": func(_ *trail, s []byte) []byte { return s[72:] },
		"the new key's signature is missing": func(_ *trail, s []byte) []byte { return s[:72] },
		"the old key's signature is another's": func(_ *trail, s []byte) []byte {
			return append(bytes.Clone(s[:8]), append(s[80:144:144], s[72:]...)...)
		},
		"the signatures in the other order":     func(_ *trail, s []byte) []byte { return append(bytes.Clone(s[72:]), s[:72]...) },
		"the head of the rotation is not there": nil,
	} {
		t.Run(name, func(t *testing.T) {
			tr := filled(t, 2)
			tr.rotate(seeded(8))
			signed := tr.get(store.Audit, headKey(5))
			tr.edit(func(tx *store.Tx) error {
				if edit == nil {
					return tx.Delete(store.Audit, headKey(5))
				}
				return tx.Put(store.Audit, headKey(5), edit(tr, signed))
			})
			if rep := tr.verify(); rep.FirstBad != 5 || !strings.Contains(rep.Problem, "foreign signature") {
				t.Errorf("got %d %q", rep.FirstBad, rep.Problem)
			}
		})
	}
	t.Run("the old key goes on signing", func(t *testing.T) {
		tr := filled(t, 2)
		was := tr.cfg
		tr.rotate(seeded(8))
		head := tr.log.Head().Head
		head.Epoch = 1
		tr.edit(func(tx *store.Tx) error {
			return tx.Put(store.Audit, headKey(6), chain.FormatSignatures(chain.Sign(head, tenant, was.Signer)))
		})
		if rep := tr.verify(); rep.FirstBad != 6 || !strings.Contains(rep.Problem, "foreign signature") {
			t.Errorf("got %d %q", rep.FirstBad, rep.Problem)
		}
	})
}
