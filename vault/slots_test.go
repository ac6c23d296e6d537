package vault_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

func (h *house) slots() []api.Slot {
	h.t.Helper()
	list, err := h.v.Slots(ctx, h.as(h.owner))
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

func (h *house) mustAddSlot(want api.SlotAdd) api.Slot {
	h.t.Helper()
	s, err := h.v.AddSlot(ctx, h.as(h.owner), want)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h *house) removeSlot(id string) (api.SlotRemoved, error) {
	return h.v.RemoveSlot(ctx, h.as(h.owner), id, api.SlotRemove{})
}

// fileSlot is a slot of a new key, which lies at path when it returns.
func fileSlot(t testing.TB, path string) api.SlotAdd {
	t.Helper()
	key := string(api.NewSlotKey())
	if err := os.WriteFile(path, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	return api.SlotAdd{Kind: api.SlotFile, Key: &key}
}

// TestSlots: each added secret opens the vault by itself, a removed one does not, and
// the last one stays.
func TestSlots(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "a/K", "v")
	first := h.slots()
	if len(first) != 1 || first[0].Kind != api.SlotFile || !first[0].Opened || first[0].AddedBy != nil || first[0].Argon2 != nil {
		t.Fatalf("a new vault has %+v", first)
	}
	phrase, stick := string(api.NewSlotPassphrase()), filepath.Join(t.TempDir(), "stick.key")
	p := h.mustAddSlot(api.SlotAdd{Kind: api.SlotPassphrase, NewPassphrase: &phrase})
	h.clock.advance(time.Second)
	k := h.mustAddSlot(fileSlot(t, stick))
	if p.Argon2 == nil || p.Argon2.MemoryKiB != 64<<10 || *p.AddedBy != "ada" || k.Argon2 != nil || k.Opened {
		t.Errorf("added %+v, %+v", p, k)
	}
	if r, err := h.removeSlot(first[0].ID); err != nil || strings.Join(r.Left, " ") != "file passphrase" {
		t.Errorf("removed: %+v, %v", r, err)
	}
	h.close()
	if err := h.tryOpen(); err == nil {
		t.Error("the removed one opens")
	}
	h.cfg.Openers = []vault.Opener{vault.FileOpener(h.file("root.key")), vault.FileOpener(stick)}
	h.open()
	if now := h.slots(); len(now) != 2 || now[0].Opened || !now[1].Opened {
		t.Errorf("opened by the key file on the stick: %+v", now)
	}
	if _, err := h.removeSlot(k.ID); err != nil {
		t.Error(err)
	}
	if _, err := h.removeSlot(p.ID); !errors.Is(err, &api.Error{Code: api.CodeConflict}) || !strings.Contains(err.Error(), "the last slot cannot be removed") {
		t.Errorf("the last one: %v", err)
	}
	h.close()
	pass, err := seal.NewPassphrase([]byte(phrase))
	if err != nil {
		t.Fatal(err)
	}
	h.cfg.Openers = []vault.Opener{vault.PassphraseOpener(pass)}
	h.open()
	h.mustGet(h.owner, "a/K", "v")
	again := string(h.readFile("root.key")) // what the test looks at the file with, at its end
	h.mustAddSlot(api.SlotAdd{Kind: api.SlotFile, Key: &again})
}

// TestSlotRefusals: bad input is told in one line, and changes nothing.
func TestSlotRefusals(t *testing.T) {
	h := newHouse(t)
	key, short, badKey := string(api.NewSlotKey()), "1234567", "assd-key-1:\n"
	fails := errors.New("seal-command: the command exited with status 3")
	h.v.SetSlotCommand(func(context.Context) (seal.Secret, error) { return nil, fails })
	for _, tc := range []struct {
		want api.SlotAdd
		code api.Code
		says string
	}{
		{api.SlotAdd{}, api.CodeValidation, "kind"},
		{api.SlotAdd{Kind: "tape"}, api.CodeValidation, "kind"},
		{api.SlotAdd{Kind: api.SlotFile}, api.CodeValidation, "key"},
		{api.SlotAdd{Kind: api.SlotFile, Key: &badKey}, api.CodeValidation, "not a key file"},
		{api.SlotAdd{Kind: api.SlotKeyring, Key: &short}, api.CodeValidation, "not a key file"},
		{api.SlotAdd{Kind: api.SlotPassphrase}, api.CodeValidation, "new_passphrase"},
		{api.SlotAdd{Kind: api.SlotPassphrase, NewPassphrase: &short}, api.CodeValidation, "fewer than 8"},
		{api.SlotAdd{Kind: api.SlotPassphrase, Key: &key}, api.CodeValidation, "key"},
		{api.SlotAdd{Kind: api.SlotFile, Key: &key, NewPassphrase: &key}, api.CodeValidation, "new_passphrase"},
		{api.SlotAdd{Kind: api.SlotCommand, Key: &key}, api.CodeValidation, "key"},
		{api.SlotAdd{Kind: api.SlotCommand}, api.CodeConflict, "exited with status 3"},
	} {
		_, err := h.v.AddSlot(ctx, h.as(h.owner), tc.want)
		if !errors.Is(err, &api.Error{Code: tc.code}) || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want %s: %s", tc.want.Kind, err, tc.code, tc.says)
		}
	}
	h.v.SetSlotCommand(nil)
	if _, err := h.v.AddSlot(ctx, h.as(h.owner), api.SlotAdd{Kind: api.SlotCommand}); !errors.Is(err, &api.Error{Code: api.CodeConflict}) {
		t.Errorf("without a command: %v", err)
	}
	for _, id := range []string{"", "slt_x", "slt_aaaaaaaaaaaaaaaaaaaaaaaaaa"} {
		if _, err := h.removeSlot(id); !errors.Is(err, &api.Error{Code: api.CodeNotFound}) {
			t.Errorf("removed %q: %v", id, err)
		}
	}
	if n := len(h.slots()); n != 1 {
		t.Errorf("there are %d slots", n)
	}
	for range 15 {
		h.mustAddSlot(api.SlotAdd{Kind: api.SlotKeyring, Key: &key})
	}
	if _, err := h.v.AddSlot(ctx, h.as(h.owner), api.SlotAdd{Kind: api.SlotFile, Key: &key}); !errors.Is(err, &api.Error{Code: api.CodeConflict}) {
		t.Errorf("a 17th: %v", err)
	}
}

// TestSlotsAreOwners': agents neither see nor change them, and whoever is refused has
// had no command run.
func TestSlotsAreOwners(t *testing.T) {
	h := newHouse(t)
	h.v.SetSlotCommand(func(context.Context) (seal.Secret, error) {
		t.Error("the command was run")
		return nil, errors.New("no")
	})
	agent := h.agent("bot", "secrets:*:*").APIKey
	seq := h.last().Seq
	_, err := h.v.Slots(ctx, h.as(agent))
	_, err2 := h.v.AddSlot(ctx, h.as(agent), api.SlotAdd{Kind: api.SlotCommand})
	_, err3 := h.v.RemoveSlot(ctx, h.as(agent), h.slots()[0].ID, api.SlotRemove{})
	for _, err := range []error{err, err2, err3} {
		if !errors.Is(err, &api.Error{Code: api.CodeScopeDenied}) {
			t.Errorf("got %v", err)
		}
	}
	h.wantEvents(seq, "vault.slot_list.denied", "vault.slot_add.denied", "vault.slot_remove.denied")
}
