package vault_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// TestUnsealTellsWhere: what the operator's files are called is told on this machine alone.
func TestUnsealTellsWhere(t *testing.T) {
	h := newHouse(t)
	h.close()
	h.cfg.Openers = []vault.Opener{vault.FileOpener(h.file("away.key"))}
	s := vault.NewSealed(ctx, h.cfg)
	for who, from := range map[string]vault.Origin{"local": local(0), "remote": remote("192.0.2.7")} {
		_, err := s.Unseal(ctx, from, nil)
		wantCode(t, who, err, api.CodeUnauthorized)
		if err != nil && strings.Contains(err.Error(), "away.key") != (who == "local") {
			t.Errorf("%s: %v", who, err)
		}
	}
	h.cfg.Openers = nil
	h.open()
}

// TestSlotsAreBounded: however many slots somebody writes into the file, no more than
// sixteen are tried, since each passphrase costs time and memory on every one.
func TestSlotsAreBounded(t *testing.T) {
	h := newHouse(t)
	h.close()
	key, err := seal.ReadKeyFile(h.file("root.key"))
	mustOK(t, err)
	defer key.Wipe()
	foreign, err := seal.NewSlot(seal.NewRootKey(), "ten_another", key, quick)
	mustOK(t, err)
	content, err := foreign.Marshal()
	mustOK(t, err)
	raw := slices.Concat(make([]byte, recordHeader), content)
	ahead := map[place][]byte{}
	for n := range 15 {
		ahead[place{"slots", fmt.Sprintf("a%02d", n)}] = raw
	}
	h.setRaw(ahead)
	if err := h.tryOpen(); err == nil || !strings.Contains(err.Error(), "record slots/") { // the last one opens it
		t.Errorf("sixteen slots: %v", err)
	}
	ahead[place{"slots", "a15"}] = raw
	h.setRaw(ahead)
	if err := h.tryOpen(); err == nil || !strings.Contains(err.Error(), "does not open this vault") {
		t.Errorf("seventeen slots: %v", err)
	}
	for at := range ahead {
		h.removeRaw(at)
	}
	h.open()
}

// TestUnsealedByPassphrase: a vault that somebody's passphrase has opened still knows the
// key file, so that another root key does not lose its slot.
func TestUnsealedByPassphrase(t *testing.T) {
	h := newSealedHouse(t)
	h.cfg.Openers = []vault.Opener{vault.FileOpener(h.file("root.key"))}
	_, err := vault.NewSealed(ctx, h.cfg).Unseal(ctx, local(0), ptr(wrongPhrase)) // whatever else is at hand
	wantCode(t, "a wrong one", err, api.CodeUnauthorized)
	mustOK(t, os.Rename(h.file("root.key"), h.file("away.key")))
	h.v, err = vault.NewSealed(ctx, h.cfg).Unseal(ctx, local(0), ptr(phrase))
	mustOK(t, err)
	mustOK(t, os.Rename(h.file("away.key"), h.file("root.key")))
	r, err := h.rotateRoot(api.KEKRotation{SlotPassphrases: []string{phrase}})
	mustOK(t, err)
	if r.DroppedSlots != nil {
		t.Errorf("these slots are lost: %v", r.DroppedSlots)
	}
	h.turned()
	h.reopen() // by the key file
}
