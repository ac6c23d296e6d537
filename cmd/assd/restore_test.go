package main

import (
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault"
)

// TestRestoreTellsOfSlots: which slots open it, which came back and how they go again, and
// of another vault that an entry of a keyring does not come along.
func TestRestoreTellsOfSlots(t *testing.T) {
	c := restoreCmd{dataFlags: dataFlags{DataDir: t.TempDir()}}
	r := vault.Restored{Slots: []string{"keyring", "passphrase"}, SlotsBack: []vault.SlotBack{{ID: "slt_x", Kind: "passphrase"}}}
	const behind = "A slot of kind keyring stays behind; to add one there: ass vault slots add --seal keyring\n"
	told := c.describe(r)
	for _, want := range []string{
		"  opens with its slots: keyring, passphrase\n",
		"  opens the vault again, and did not open what was there: a slot of kind passphrase; to remove it: ass vault slots remove slt_x\n",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("no %q in\n%s", want, told)
		}
	}
	if strings.Contains(told, behind) || strings.Contains(told, "First: ") {
		t.Errorf("no slot stays behind, and none has a key file:\n%s", told)
	}
	r.NewTenant = "ten_x"
	if told := c.describe(r); !strings.Contains(told, behind) || strings.Contains(told, "First: ") {
		t.Errorf("of another vault it says\n%s", told)
	}
}
