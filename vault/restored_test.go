package vault_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// TestThreat30RecoveredOwner: a key that was lost, and made anew since the backup, does
// not come back with it; its owner does, and gets another one.
func TestThreat30RecoveredOwner(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	backup := h.copied()
	h.clock.advance(time.Second)
	h.close()
	_, err := vault.RecoverOwner(ctx, h.cfg, vault.Recovery{})
	mustOK(t, err)
	h.restore(backup)
	h.wantKeyless("its key was made anew in what the backup replaced")
}

// TestThreat30LastOwner: an owner who was revoked since the backup, and is the only one
// in it, has no key any more and can be given one on the data dir.
func TestThreat30LastOwner(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	backup := h.copied()
	bob, err := h.v.CreateOwner(ctx, h.as(h.owner), api.OwnerCreate{Name: "bob"})
	mustOK(t, err)
	mustOK(t, h.v.RevokeOwner(ctx, h.as(bob.APIKey), "ada", api.OwnerRevoke{}))
	h.close()
	if got := h.restore(backup); len(got.Revoked) != 1 || got.Revoked[0].Name != "ada" {
		t.Errorf("restored: %+v", got)
	}
	h.wantKeyless("is the last owner: its key does not count")
}

// wantKeyless opens the restored vault, in which the owner's key must not count and the
// owner must be there.
func (h *house) wantKeyless(says string) {
	h.t.Helper()
	h.open()
	_, err := h.get(h.owner, plain)
	wantCode(h.t, "the backup's key", err, api.CodeUnauthorized)
	h.close()
	h.clock.advance(time.Second)
	got, err := vault.RecoverOwner(ctx, h.cfg, vault.Recovery{Owner: "ada"})
	mustOK(h.t, err)
	h.owner = got.OwnerKey
	h.open()
	h.mustGet(h.owner, plain, "v")
	if ev := h.trail(audit.Filter{Action: string(audit.OwnerRecover)}); len(ev) != 2 || !strings.Contains(ev[0].Reason, says) {
		h.t.Errorf("the trail says %+v", ev)
	}
}

// TestThreat30RevokedOwner: with an owner who stays revoked goes what that one's
// passphrase opened.
func TestThreat30RevokedOwner(t *testing.T) {
	h := newKeyedHouse(t)
	bob, err := h.v.CreateOwner(ctx, h.as(h.owner), api.OwnerCreate{Name: "bob", Passphrase: h.pass()})
	mustOK(t, err)
	backup := h.copied()
	mustOK(t, h.v.RevokeOwner(ctx, h.as(h.owner), "bob", api.OwnerRevoke{Passphrase: h.pass()}))
	h.close()
	h.restore(backup)
	if !slices.Contains(h.keys("passphrases"), bob.ID) {
		t.Fatal("the backup has no passphrase of bob's")
	}
	h.open()
	if slices.Contains(h.keys("passphrases"), bob.ID) {
		t.Error("what bob's passphrase opens is there")
	}
	_, err = h.v.Me(ctx, h.as(bob.APIKey))
	wantCode(t, "bob", err, api.CodeUnauthorized)
}

// TestThreat30AsideChanged: what was put aside, and is another when the vault is opened,
// says nothing about who was revoked, and that is told.
func TestThreat30AsideChanged(t *testing.T) {
	h := newHouse(t)
	h.agent("mia", "secrets:read:*")
	backup := h.copied()
	h.revokeAgent("mia")
	h.close()
	got := h.restore(backup)
	copyFile(t, backup, got.Aside)
	h.open()
	if p := h.protection(); p.Restored == nil || !p.Restored.RevocationsUnknown {
		t.Errorf("status says %+v", p.Restored)
	}
	if ev := h.restoreEvent(); !strings.Contains(ev.Reason, "it was changed since it was put aside") || !strings.Contains(ev.Reason, "ass agents revoke") {
		t.Errorf("vault.restore says %q", ev.Reason)
	}
}

// TestThreat30PutBack: approvals of before a restore, of either side, open nothing, also
// where their records are put back.
func TestThreat30PutBack(t *testing.T) {
	d := newDesk(t)
	d.mustApprove(d.askToRead(d.mia.APIKey, sensitive))
	backup := d.copied()
	d.lockDown()
	d.lift()
	d.mustApprove(d.askToRead(d.mia.APIKey, sensitive))
	if _, err := d.get(d.mia.APIKey, sensitive); err != nil {
		t.Fatal(err)
	}
	d.close()
	aside := d.restore(backup).Aside
	for _, file := range []string{backup, aside} {
		records := map[place][]byte{}
		inspectFile(t, copyFile(t, file, d.file("copy")), func(tx *bolt.Tx) {
			for _, b := range []string{"approvals", "grants"} {
				tx.Bucket([]byte(b)).ForEach(func(k, v []byte) error { //nolint:errcheck // it returns nil
					records[place{b, string(k)}] = slices.Clone(v)
					return nil
				})
			}
		})
		if len(records) == 0 {
			t.Fatalf("%s has none", file)
		}
		d.open()
		d.close()
		d.setRaw(records)
		d.open()
		if got, err := d.get(d.mia.APIKey, sensitive); err == nil {
			t.Errorf("put back from %s, it reads %q", file, got)
		}
		d.close()
		for at := range records {
			d.removeRaw(at)
		}
	}
	d.open()
}
