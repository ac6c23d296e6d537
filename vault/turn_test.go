package vault_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

// TestRotateUndone: a commit that fails with new keys in it leaves those there were, in
// memory as in the file.
func TestRotateUndone(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	token := h.token(h.owner, "secrets:read:*").Token
	for _, want := range []api.KEKRotation{{}, {Root: true}} {
		if err := h.v.RotateUndone(ctx, h.as(h.owner), want); err == nil {
			t.Fatal("it was not undone")
		}
		h.mustGet(token, plain, "v")
		h.mustPut(h.owner, "a/NEW", "new")
		h.slots()
		if s := h.status(); s.Turn != nil || s.Epoch != 1 {
			t.Errorf("undone, the status is %+v", s)
		}
	}
	h.reopen()
	h.mustGet(token, plain, "v")
	h.mustGet(h.owner, "a/NEW", "new")
}

// TestTokensOfATurn: a token that was made after the keys were turned over outlives a
// restart; what was destroyed is in memory no longer, and authenticates nothing.
func TestTokensOfATurn(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	was := h.raw("secrets", plain)
	h.mustRotateRoot()
	token := h.token(h.owner, "secrets:read:*").Token
	h.mustGet(token, plain, "v")
	h.turned()
	if h.v.KeepsOldKeys() {
		t.Error("old keys are in memory still")
	}
	now := h.raw("secrets", plain)
	h.patch(now, was)
	_, err := h.v.List(ctx, h.as(h.owner), ns(t, "production"))
	wantTampered(t, "a list with a record of the old root key", err, plain)
	h.patch(was, now)
	h.reopen()
	h.mustGet(token, plain, "v")
}

// TestTurnNamesBackups: the event that says that the old key is destroyed names the backups
// that still hold it, the newest few, and no other.
func TestTurnNamesBackups(t *testing.T) {
	h := newHouse(t)
	mia := h.agent("mia", "secrets:*:*").APIKey
	_, err := h.v.Backup(ctx, h.as(mia), api.BackupRequest{}, nil)
	wantCode(t, "a backup by an agent", err, api.CodeScopeDenied)
	h.wantNamed("still hold it")
	h.backup()
	first := h.last().Seq
	h.wantNamed(fmt.Sprintf("still hold it, as those of event %d", first))
	for range 5 {
		h.backup()
	}
	newest := h.last().Seq
	h.wantNamed(fmt.Sprintf("still hold it, as those of event %d %d %d %d %d and older ones", newest, newest-1, newest-2, newest-3, newest-4))
}

// wantNamed turns over the keys, and wants the event that ends that to end so.
func (h *house) wantNamed(says string) {
	h.t.Helper()
	h.clock.advance(1e9)
	h.rotateKEK()
	h.turned()
	h.clock.advance(1e9)
	if ev := h.trail(audit.Filter{Action: string(audit.KEKRotate)}); !strings.HasSuffix(ev[len(ev)-1].Reason, says) {
		h.t.Errorf("the last event says %q, want %q", ev[len(ev)-1].Reason, says)
	}
}

// TestSlotWaitsItsTurn: a slot is wrapped while nobody else computes a passphrase, since
// each takes much memory.
func TestSlotWaitsItsTurn(t *testing.T) { synctest.Test(t, testSlotWaitsItsTurn) }

func testSlotWaitsItsTurn(t *testing.T) {
	h := newHouse(t)
	release := h.v.OccupyTries()
	done := make(chan error, 1)
	go func() {
		done <- errOf(h.v.AddSlot(ctx, h.as(h.owner), api.SlotAdd{Kind: api.SlotKeyring, Key: ptr(string(api.NewSlotKey()))}))
	}()
	synctest.Wait()
	if len(done) > 0 {
		t.Error("it did not wait")
	}
	release()
	mustOK(t, <-done)
}

// TestChangedSlotIsTold: a slot that something else has changed is not left out of the list,
// nor of the count by which the last one stays.
func TestChangedSlotIsTold(t *testing.T) {
	h := newHouse(t)
	h.mustAddSlot(api.SlotAdd{Kind: api.SlotKeyring, Key: ptr(string(api.NewSlotKey()))})
	first, second := h.slots()[0].ID, h.slots()[1].ID
	raw := h.raw("slots", second)[recordHeader:]
	changed := append(append([]byte(nil), raw[:len(raw)-9]...), "AAAAAAA\"}"...)
	h.patch(raw, changed)
	_, err := h.v.Slots(ctx, h.as(h.owner))
	wantTampered(t, "the list", err, "slots/"+second)
	_, err = h.removeSlot(first)
	wantTampered(t, "removing the other", err, "slots/"+second)
	h.patch(changed, raw)
	h.slots()
}
