package envelope_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/envelope"
	"github.com/agent-secret-store/assd/vault/seal"
)

func TestKeyringIsReadBack(t *testing.T) {
	root, k := seal.NewRootKey(), newKeyring(t, kekC)
	blob, err := k.Marshal(root, tenant)
	if err != nil {
		t.Fatal(err)
	}
	again, err := envelope.OpenKeyring(root, tenant, kekC, blob)
	if err != nil {
		t.Fatal(err)
	}
	wantPayload(t, again, here, mustSeal(t, k, here, payload("v", "")), "v", "")
}

func TestKeyringIsBound(t *testing.T) {
	root := seal.NewRootKey()
	blob, err := newKeyring(t, kekC).Marshal(root, tenant)
	if err != nil {
		t.Fatal(err)
	}
	open := func(name string, root *seal.RootKey, tenant, id string, blob []byte) {
		t.Helper()
		if _, err := envelope.OpenKeyring(root, tenant, id, blob); !errors.Is(err, envelope.ErrKeyring) {
			t.Errorf("%s: %v", name, err)
		}
	}
	open("another root key", seal.NewRootKey(), tenant, kekC, blob)
	open("another tenant", root, "ten_bbbbbbbbbbbbbbbbbbbbbbbbbb", kekC, blob)
	open("another id", root, tenant, kekD, blob)
	open("nothing", root, tenant, kekC, nil)
	for i := range blob {
		bad := bytes.Clone(blob)
		bad[i] ^= 1
		open(fmt.Sprintf("byte %d flipped", i), root, tenant, kekC, bad)
	}
}

func TestKeyringHasItsRole(t *testing.T) {
	root := seal.NewRootKey()
	blob, err := newKeyring(t, kekC).Marshal(root, tenant)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := root.Open(seal.RoleKEK, tenant, kekC, blob)
	if err != nil {
		t.Fatalf("not a blob of role kek: %v", err)
	}
	for _, role := range []seal.Role{seal.RoleAudit, seal.RoleToken, seal.RoleApproval} {
		if _, err := root.Open(role, tenant, kekC, blob); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("opens as role %s: %v", role, err)
		}
		other, err := root.Seal(role, tenant, kekC, keys)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := envelope.OpenKeyring(root, tenant, kekC, other); !errors.Is(err, envelope.ErrKeyring) {
			t.Errorf("a blob of role %s opens as a keyring: %v", role, err)
		}
	}
	if bytes.Contains(blob, []byte("AesGcm")) {
		t.Error("the blob tells in the clear what it holds")
	}
}

func TestKeyringOfWipedRootKey(t *testing.T) {
	root, k := seal.NewRootKey(), newKeyring(t, kekC)
	blob, err := k.Marshal(root, tenant)
	if err != nil {
		t.Fatal(err)
	}
	root.Wipe()
	if _, err := k.Marshal(root, tenant); !errors.Is(err, seal.ErrWiped) {
		t.Errorf("Marshal: %v", err)
	}
	if _, err := envelope.OpenKeyring(root, tenant, kekC, blob); !errors.Is(err, seal.ErrWiped) {
		t.Errorf("OpenKeyring: %v", err)
	}
}

func TestAnotherKeyringDoesNotOpen(t *testing.T) {
	b := mustSeal(t, newKeyring(t, kekC), here, payload("v", ""))
	for _, id := range []string{kekC, kekD} {
		if _, err := newKeyring(t, id).Open(here, b); !errors.Is(err, envelope.ErrDecrypt) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestKeyringIDs(t *testing.T) {
	for _, id := range []string{"", "kek_", kekC[:29], kekC + "c", strings.ToUpper(kekC), "key" + kekC[3:], kekC[:29] + "1"} {
		if _, err := envelope.NewKeyring(id); err == nil {
			t.Errorf("%q taken as an id", id)
		}
	}
}

func TestKeyringDoesNotPrint(t *testing.T) {
	root, k := seal.NewRootKey(), newKeyring(t, kekC)
	blob, err := k.Marshal(root, tenant)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := root.Open(seal.RoleKEK, tenant, kekC, blob)
	if err != nil {
		t.Fatal(err)
	}
	type holder struct{ k *envelope.Keyring }
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, k); got != kekC+" [REDACTED]" {
			t.Errorf("%s prints %s", verb, got)
		}
		got := fmt.Sprintf(verb, holder{k})
		for i := range len(keys) - 8 {
			part := keys[i : i+8]
			for _, form := range []string{string(part), fmt.Sprintf("%x", part), strings.Trim(fmt.Sprint(part), "[]")} {
				if strings.Contains(got, form) {
					t.Fatalf("%s of a struct round it leaks: %s", verb, got)
				}
			}
		}
	}
}
