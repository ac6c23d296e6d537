package seal_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/agent-secret-store/assd/vault/seal"
)

// TestGolden opens what the first version wrote. testdata/v1 is never made
// anew: a vault out there has these bytes.
func TestGolden(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata/v1", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	path := filepath.Join(t.TempDir(), "root.key") // a checkout does not keep 0600
	if err := os.WriteFile(path, read("root.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := seal.ReadKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	slot, err := seal.ParseSlot(read("slot.json"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := slot.Unlock(tenantA, key)
	if err != nil {
		t.Fatal(err)
	}
	const mac = "71e0037a08b5ee054d245f0663a3edd41149aaa4a8e475e48d46293db05f4973"
	if got := hex.EncodeToString(root.Derive("mac")); got != mac {
		t.Errorf("derived key is %s", got)
	}
	got, err := root.Open(seal.RoleAudit, tenantA, "aud_aaaaaaaaaaaaaaaaaaaaaaaaaa", read("audit.sealed"))
	if err != nil || string(got) != "a key sealed for the golden test" {
		t.Errorf("opened as %q, %v", got, err)
	}
}
