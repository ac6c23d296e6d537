package seal_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/seal"
)

const (
	tenantA = "ten_aaaaaaaaaaaaaaaaaaaaaaaaaa"
	tenantB = "ten_bbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func TestSealedKeyOpensAtItsPlaceOnly(t *testing.T) {
	type place struct {
		role       seal.Role
		tenant, id string
	}
	var places []place
	for _, role := range []seal.Role{seal.RoleKEK, seal.RoleAudit, seal.RoleToken, seal.RoleApproval} {
		// The last two slide into one another without length prefixes.
		for _, tenant := range []string{tenantA, tenantB, "t", "ti"} {
			for _, id := range []string{"key_1", "key_2", "id", "d"} {
				places = append(places, place{role, tenant, id})
			}
		}
	}
	root := seal.NewRootKey()
	want := []byte("thirty-two bytes of signing key.")
	for _, from := range places {
		blob, err := root.Seal(from.role, from.tenant, from.id, want)
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range places {
			got, err := root.Open(to.role, to.tenant, to.id, blob)
			switch {
			case from == to && (err != nil || !bytes.Equal(got, want)):
				t.Fatalf("%v: opened as %q, %v", to, got, err)
			case from != to && !errors.Is(err, seal.ErrOpen):
				t.Fatalf("sealed for %v, opened for %v: %v", from, to, err)
			}
		}
	}
}

func TestChangedBlobDoesNotOpen(t *testing.T) {
	root := seal.NewRootKey()
	blob, err := root.Seal(seal.RoleAudit, tenantA, "k", []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range blob {
		bad := bytes.Clone(blob)
		bad[i] ^= 1
		if _, err := root.Open(seal.RoleAudit, tenantA, "k", bad); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
		if _, err := root.Open(seal.RoleAudit, tenantA, "k", blob[:i]); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
	if _, err := seal.NewRootKey().Open(seal.RoleAudit, tenantA, "k", blob); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("another root key: %v", err)
	}
}

func TestSealRefuses(t *testing.T) {
	root := seal.NewRootKey()
	for _, tc := range []struct {
		name       string
		role       seal.Role
		tenant, id string
		size       int
	}{
		{"no role", "", tenantA, "k", 32},
		{"no tenant", seal.RoleKEK, "", "k", 32},
		{"no id", seal.RoleKEK, tenantA, "", 32},
		{"id too long", seal.RoleKEK, tenantA, strings.Repeat("x", 1<<16), 32},
		{"no key", seal.RoleKEK, tenantA, "k", 0},
		{"key too long", seal.RoleKEK, tenantA, "k", 64<<10 + 1},
	} {
		if _, err := root.Seal(tc.role, tc.tenant, tc.id, make([]byte, tc.size)); err == nil {
			t.Errorf("%s: sealed", tc.name)
		}
	}
	if _, err := root.Seal(seal.RoleKEK, tenantA, "k", make([]byte, 64<<10)); err != nil {
		t.Errorf("the longest key: %v", err)
	}
}

func TestDerive(t *testing.T) {
	root := seal.NewRootKey()
	a := root.Derive("mac")
	if len(a) != 32 {
		t.Fatalf("%d bytes, want 32", len(a))
	}
	if !bytes.Equal(a, root.Derive("mac")) {
		t.Error("not the same key twice")
	}
	if bytes.Equal(a, root.Derive("wrap")) {
		t.Error("one key for two labels")
	}
	if bytes.Equal(a, seal.NewRootKey().Derive("mac")) {
		t.Error("one key for two root keys")
	}
}

func TestAEADsOfTwoLabelsAreApart(t *testing.T) {
	root := seal.NewRootKey()
	a, errA := root.AEAD("a")
	b, errB := root.AEAD("b")
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	box, err := a.Encrypt([]byte("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Decrypt(box, nil); err != nil {
		t.Error(err)
	}
	if _, err := b.Decrypt(box, nil); err == nil {
		t.Error("opened under another label")
	}
}

func TestWipedRootKeyDoesNothing(t *testing.T) {
	root := seal.NewRootKey()
	blob, err := root.Seal(seal.RoleKEK, tenantA, "k", []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	root.Wipe()
	root.Wipe()
	if _, err := root.Seal(seal.RoleKEK, tenantA, "k", []byte("key")); !errors.Is(err, seal.ErrWiped) {
		t.Errorf("Seal: %v", err)
	}
	if _, err := root.Open(seal.RoleKEK, tenantA, "k", blob); !errors.Is(err, seal.ErrWiped) {
		t.Errorf("Open: %v", err)
	}
	if _, err := root.AEAD("x"); !errors.Is(err, seal.ErrWiped) {
		t.Errorf("AEAD: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("Derive gave a key")
		}
	}()
	root.Derive("mac")
}

// TestRootUnderRoot: a root key opens the one before it, for its place, and nothing else
// opens as one.
func TestRootUnderRoot(t *testing.T) {
	before, now := seal.NewRootKey(), seal.NewRootKey()
	blob, err := now.SealRoot(tenantA, "rot", before)
	if err != nil {
		t.Fatal(err)
	}
	got, err := now.OpenRoot(tenantA, "rot", blob)
	if err != nil || !bytes.Equal(got.Derive("x"), before.Derive("x")) {
		t.Errorf("another key: %v", err)
	}
	short, err := now.Seal(seal.RoleRoot, tenantA, "rot", []byte("short"))
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"another place": second(now.OpenRoot(tenantA, "other", blob)), "another root": second(before.OpenRoot(tenantA, "rot", blob)),
		"too short": second(now.OpenRoot(tenantA, "rot", short)),
	} {
		if !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%s: %v", name, err)
		}
	}
	before.Wipe()
	if _, err := now.SealRoot(tenantA, "rot", before); !errors.Is(err, seal.ErrWiped) {
		t.Errorf("a wiped key: %v", err)
	}
}

func second(_ *seal.RootKey, err error) error { return err }
