package seal_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/agent-secret-store/assd/vault/seal"
)

func golden(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/v1", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// goldenRoot opens the root key of testdata/v1.
func goldenRoot(t *testing.T) *seal.RootKey {
	t.Helper()
	path := filepath.Join(t.TempDir(), "root.key") // a checkout does not keep 0600
	if err := os.WriteFile(path, golden(t, "root.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := seal.ReadKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	slot, err := seal.ParseSlot(golden(t, "slot.json"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := slot.Unlock(tenantA, key)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestGolden opens what the first version wrote. testdata/v1 is never made
// anew: a vault out there has these bytes.
func TestGolden(t *testing.T) {
	root := goldenRoot(t)
	const mac = "71e0037a08b5ee054d245f0663a3edd41149aaa4a8e475e48d46293db05f4973"
	if got := hex.EncodeToString(root.Derive("mac")); got != mac {
		t.Errorf("derived key is %s", got)
	}
	got, err := root.Open(seal.RoleAudit, tenantA, "aud_aaaaaaaaaaaaaaaaaaaaaaaaaa", golden(t, "audit.sealed"))
	if err != nil || string(got) != "a key sealed for the golden test" {
		t.Errorf("opened as %q, %v", got, err)
	}
}

// TestGoldenWrap opens what was written when passphrases were made, typed as on
// another system.
func TestGoldenWrap(t *testing.T) {
	root := goldenRoot(t)
	outer, err := root.ApprovalAEAD()
	if err != nil {
		t.Fatal(err)
	}
	root.Wipe()
	var w seal.PassphraseWrap
	if err := json.Unmarshal(golden(t, "passphrase-wrap.json"), &w); err != nil {
		t.Fatal(err)
	}
	p := pass(t, "Lo\u0308wenzahn\u00a0im Ka\u0308fig, golden")
	got, err := w.Unwrap(outer, tenantA, "apk_cccccccccccccccccccccccccc", owner, p)
	if err != nil || string(got) != "a key wrapped for the golden test" {
		t.Errorf("opened as %q, %v", got, err)
	}
	again, err := json.Marshal(w)
	if err != nil || !bytes.Equal(again, golden(t, "passphrase-wrap.json")) {
		t.Errorf("written as %s, %v", again, err)
	}
}
