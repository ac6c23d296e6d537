package vault_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

// inOrder has acts committed one behind the other, in one commit where that can be, and
// each prepared before the first of them is decided. It wants a bubble of its own.
func (h *house) inOrder(acts ...func() error) []error {
	h.t.Helper()
	errs := make([]error, len(acts))
	var done sync.WaitGroup
	err := h.v.WhileWriting(func() {
		for i, act := range acts {
			done.Go(func() { errs[i] = act() })
			synctest.Wait() // until it waits for the writer
		}
	})
	done.Wait()
	mustOK(h.t, err)
	return errs
}

// TestThreat08Seal: what was prepared before the vault was sealed, and is decided behind
// it in the same commit, does nothing.
func TestThreat08Seal(t *testing.T) { synctest.Test(t, testThreat08Seal) }

func testThreat08Seal(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	seq := h.last().Seq
	errs := h.inOrder(
		func() error { return errOf(h.v.Seal(ctx, h.as(h.owner), api.SealRequest{})) },
		func() error { return errOf(h.put(h.owner, plain, "too late")) },
		func() error { return errOf(h.get(h.owner, plain)) },
	)
	mustOK(t, errs[0])
	wantCode(t, "a write", errs[1], api.CodeSealed)
	wantCode(t, "a read", errs[2], api.CodeSealed)
	h.reopen()
	h.wantEvents(seq, string(audit.VaultSeal))
	h.mustGet(h.owner, plain, "v")
}

// TestSlotsWhileRootIsTurned: a slot that comes or goes while another root key is
// prepared, and one that is prepared meanwhile, is never one of the old root key.
func TestSlotsWhileRootIsTurned(t *testing.T) { synctest.Test(t, testSlotsWhileRootIsTurned) }

func testSlotsWhileRootIsTurned(t *testing.T) {
	h := newHouse(t)
	key := string(api.NewSlotKey())
	add := func() error {
		return errOf(h.v.AddSlot(ctx, h.as(h.owner), api.SlotAdd{Kind: api.SlotKeyring, Key: &key}))
	}
	turn := func() error { return errOf(h.rotateRoot(api.KEKRotation{DropOthers: true})) }

	errs := h.inOrder(add, turn)
	mustOK(t, errs[0])
	wantCode(t, "another root key, behind a new slot", errs[1], api.CodeConflict)
	if h.status().Turn != nil {
		t.Error("the keys are turned over")
	}
	added := h.slots()[1].ID
	errs = h.inOrder(func() error { return errOf(h.removeSlot(added)) }, turn)
	mustOK(t, errs[0])
	wantCode(t, "another root key, behind a slot that goes", errs[1], api.CodeConflict)

	errs = h.inOrder(turn, add)
	mustOK(t, errs[0])
	wantCode(t, "a slot, behind another root key", errs[1], api.CodeConflict)
	if errs[1] == nil || !strings.Contains(errs[1].Error(), "another root key") {
		t.Errorf("a slot, behind another root key: %v", errs[1])
	}
	h.turned()
	if n := len(h.slots()); n != 1 {
		t.Errorf("there are %d slots", n)
	}
	h.reopen()
}

// TestValueGoneWhileRewrapped: a value that is deleted between the look and the commit of
// those who wrap it anew does not come back, and the others are wrapped anew.
func TestValueGoneWhileRewrapped(t *testing.T) {
	h := newHouse(t)
	h.mustImport(h.owner, manyLines(5))
	gone := h.value("app/env/K3", 1)
	moved, err := h.v.RewrapBetween(ctx, func() { h.mustDelete(h.owner, "app/env/K3") })
	if err != nil || moved != 4 {
		t.Errorf("wrapped anew: %d, %v", moved, err)
	}
	for _, k := range h.keys(gone.bucket) {
		if k == gone.key {
			t.Error("the deleted value is back")
		}
	}
	h.mustGet(h.owner, "app/env/K4", "value 4")
}
