package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
)

func TestHeadFile(t *testing.T) {
	tr := filled(t, 3)
	path := filepath.Join(t.TempDir(), "head")
	keys := chain.Lineage{{Epoch: 1, Since: 1, Key: chain.Key(tr.cfg.Signer.Public().(ed25519.PublicKey))}}
	if _, err := audit.ReadHeadFile(path, tenant, keys); !errors.Is(err, audit.ErrNoHead) {
		t.Fatalf("missing: %v", err)
	}
	hf := audit.NewHeadFile(path, tenant)
	defer hf.Close()
	if err := hf.Write(tr.log.Head()); err != nil {
		t.Fatal(err)
	}
	got, err := audit.ReadHeadFile(path, tenant, keys)
	if err != nil || got != tr.log.Head().Head {
		t.Fatalf("read back %+v, %v", got, err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range bytes.TrimRight(good, " \n") {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if h, err := audit.ReadHeadFile(path, tenant, keys); err == nil && h != got {
			t.Errorf("byte %d flipped reads as another head", i)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A database is refused when it ends before the kept head, or has another event
// there; one that went on is fine.
func TestExtends(t *testing.T) {
	tr := filled(t, 3)
	kept := tr.log.Head().Head
	view := func(h audit.Head) error {
		return tr.db.View(func(s *store.Snapshot) error { return audit.Extends(s, h) })
	}
	if err := view(kept); err != nil {
		t.Errorf("the very head: %v", err)
	}
	tr.append(event(audit.SecretRead, "a", "K"))
	if err := view(kept); err != nil {
		t.Errorf("one event on: %v", err)
	}
	later, other := kept, kept
	later.Seq += 2
	other.Hash[0] ^= 1
	for name, h := range map[string]audit.Head{"cut": later, "another history": other} {
		if err := view(h); !errors.Is(err, audit.ErrRollback) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeEvent(f *testing.F) {
	f.Add([]byte(`{"id":"evt_1","time":"2026-03-14T13:00:00.000Z","actor":{"id":"a","kind":"agent","name":"n"},"action":"secret.read","outcome":"ok"}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := audit.DecodeEvent(b)
		if err == nil && (e.ID == "" || e.Action == "" || e.Time.IsZero()) {
			t.Errorf("accepted %q", b)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add("ed25519:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=")
	f.Add("ed25519:")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := audit.ParseKey(s)
		if err == nil && k.String() != s {
			t.Errorf("%q reads as %q", s, k)
		}
	})
}
