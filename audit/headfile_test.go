package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"syscall"
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

// TestHeadFileIsAFile: what is no regular file is neither written through nor read, and
// holds up nobody. Once there is a file, the same HeadFile goes on.
func TestHeadFileIsAFile(t *testing.T) {
	tr := filled(t, 3)
	dir := t.TempDir()
	path, victim := filepath.Join(dir, "head"), filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	hf := audit.NewHeadFile(path, tenant)
	defer hf.Close()
	for name, put := range map[string]func() error{
		"a link":            func() error { return os.Symlink(victim, path) },
		"a link to nothing": func() error { return os.Symlink(filepath.Join(dir, "nothing"), path) },
		"a pipe":            func() error { return syscall.Mkfifo(path, 0o600) },
		"a folder":          func() error { return os.Mkdir(path, 0o700) },
	} {
		if err := put(); err != nil {
			t.Fatal(err)
		}
		if err := hf.Write(tr.log.Head()); !errors.Is(err, audit.ErrOddHead) && !errors.Is(err, syscall.EISDIR) {
			t.Errorf("%s: written: %v", name, err)
		}
		if _, err := audit.ReadHeadFile(path, tenant, nil); !errors.Is(err, audit.ErrOddHead) {
			t.Errorf("%s: read: %v", name, err)
		}
		if _, _, err := audit.PeekHeadFile(path); !errors.Is(err, audit.ErrOddHead) {
			t.Errorf("%s: looked at: %v", name, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "precious" {
		t.Errorf("another file has %q, %v", b, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "nothing")); err == nil {
		t.Error("a file was made where a link leads")
	}
	if err := hf.Write(tr.log.Head()); err != nil {
		t.Fatal(err)
	}
	if _, h, err := audit.PeekHeadFile(path); err != nil || h.Head != tr.log.Head().Head {
		t.Errorf("afterwards: %+v, %v", h.Head, err)
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
