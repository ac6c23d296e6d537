package vault_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// copied is a copy of the data file, taken while the vault is closed for a moment.
func (h *house) copied() string {
	h.t.Helper()
	h.close()
	to := copyFile(h.t, h.file("vault.db"), filepath.Join(h.t.(*testing.T).TempDir(), "backup"))
	h.open()
	return to
}

// restore restores over the closed vault.
func (h *house) restore(file string) vault.Restored {
	h.t.Helper()
	got, err := vault.Restore(ctx, h.cfg, file)
	if err != nil {
		h.t.Fatalf("restoring: %v", err)
	}
	return got
}

// restoreEvent is the newest vault.restore.
func (h *house) restoreEvent() audit.Stored {
	h.t.Helper()
	all := h.trail(audit.Filter{Action: string(audit.VaultRestore)})
	if len(all) == 0 {
		h.t.Fatal("no vault.restore")
	}
	return all[0]
}

// TestThreat30Restore: what the backup had is there; nothing that it or what it replaced
// had given out opens anything; who was revoked stays revoked; another key signs.
func TestThreat30Restore(t *testing.T) {
	d := newDesk(t)
	d.mustPut(d.owner, plain, "old")
	tok := d.token(d.mia.APIKey, "secrets:read:"+plain)
	approved := d.askToRead(d.mia.APIKey, sensitive)
	d.mustApprove(approved)
	if _, err := d.get(d.mia.APIKey, sensitive); err != nil {
		t.Fatal(err)
	}
	eve := d.agent("eve", "secrets:read:*")
	was := d.v.VerifyKey()
	backup := d.copied()
	d.mustPut(d.owner, plain, "new")
	later := d.token(d.mia.APIKey, "secrets:read:"+plain)
	d.revokeAgent("eve")
	d.close()

	got := d.restore(backup)
	if got.Relation != vault.RelationNewer || len(got.Revoked) != 1 || got.Revoked[0].Name != "eve" || len(got.Returned) != 0 {
		t.Errorf("restored: %+v", got)
	}
	if rep := d.verify(); rep.Problem != "" || !rep.RestorePending {
		t.Errorf("not opened yet it verifies as %+v", rep)
	}
	d.open()
	if d.v.VerifyKey() == was {
		t.Error("the same key signs")
	}
	d.mustGet(d.mia.APIKey, plain, "old")
	for what, text := range map[string]string{"the backup's token": tok.Token, "the replaced vault's token": later.Token, "a revoked agent's key": eve.APIKey} {
		_, err := d.get(text, plain)
		wantCode(t, what, err, api.CodeUnauthorized)
	}
	_, err := d.get(d.mia.APIKey, sensitive)
	d.asked("what the backup had approved", err)
	if ev := d.restoreEvent(); !strings.Contains(ev.Reason, "goes on from the backup") || strings.Contains(ev.Reason, "come back") {
		t.Errorf("vault.restore says %q", ev.Reason)
	}
	d.close()
	rep := d.verify()
	if rep.Problem != "" || rep.RestorePending || !rep.HeadFile || len(rep.Lineage) != 2 {
		t.Errorf("after it it verifies as %+v", rep)
	}
	if _, err := os.Stat(got.Aside); err != nil {
		t.Errorf("what was replaced is not kept: %v", err)
	}
	if _, err := os.Stat(d.file("restore")); err == nil {
		t.Error("the note is still there")
	}
	d.open()
	if p := d.protection(); p.Restored == nil || p.Restored.Relation != "newer" || p.Restored.RevocationsUnknown {
		t.Errorf("status says %+v", p.Restored)
	}
}

// protection is what ass status shows the owner.
func (h *house) protection() *api.Protection {
	h.t.Helper()
	me, err := h.v.Me(ctx, h.as(h.owner))
	if err != nil {
		h.t.Fatal(err)
	}
	return me.Protection
}

// TestThreat30Lockdown: it holds if either side had it.
func TestThreat30Lockdown(t *testing.T) {
	for _, tc := range []struct {
		name          string
		before, after bool // the backup was made
	}{{"backup", true, false}, {"replaced", false, true}, {"neither", false, false}} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHouse(t)
			h.mustPut(h.owner, plain, "v")
			if tc.before {
				h.lockDown()
			}
			backup := h.copied()
			if tc.before {
				h.lift()
			}
			if tc.after {
				h.lockDown()
			}
			h.close()
			h.restore(backup)
			h.open()
			_, err := h.get(h.owner, plain)
			if !tc.before && !tc.after {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantCode(t, "reading", err, api.CodeLockedDown)
		})
	}
}

// TestThreat30NothingReplaced: where no data is known, those who come back are named.
func TestThreat30NothingReplaced(t *testing.T) {
	h := newHouse(t)
	h.agent("mia", "secrets:read:*")
	backup := h.copied()
	h.revokeAgent("mia")
	other := *h
	other.cfg.Dir = filepath.Join(t.TempDir(), "elsewhere")
	got := other.restore(backup)
	if got.Relation != vault.RelationNone || len(got.Returned) != 2 || got.Returned[1].Command() != "ass agents revoke 'mia'" && got.Returned[1].Command() != "ass agents revoke mia" {
		t.Errorf("restored: %+v", got)
	}
	if _, err := vault.Open(other.cfg); err == nil { // the key file is not in a backup
		t.Fatal("it opens without a key")
	}
	copyFile(t, h.file("root.key"), other.file("root.key"))
	other.open()
	defer other.close()
	if ev := other.restoreEvent(); !strings.Contains(ev.Reason, "where no data was") || !strings.Contains(ev.Reason, got.Returned[1].Command()) {
		t.Errorf("vault.restore says %q", ev.Reason)
	}
	if p := other.protection(); p.Restored == nil || !p.Restored.RevocationsUnknown {
		t.Errorf("status says %+v", p.Restored)
	}
}

// TestThreat30Fork: two vaults that went on from one backup are named as such.
func TestThreat30Fork(t *testing.T) {
	h := newHouse(t)
	first := h.copied()
	h.mustPut(h.owner, plain, "one way")
	second := h.copied()
	h.close()
	h.restore(first)
	h.open()
	h.mustPut(h.owner, plain, "the other way")
	h.mustPut(h.owner, plain, "and on")
	h.close()
	if got := h.restore(second); got.Relation != vault.RelationFork {
		t.Errorf("restored: %+v", got)
	}
	h.open()
	h.mustGet(h.owner, plain, "one way")
	if ev := h.restoreEvent(); !strings.Contains(ev.Reason, "is a fork") {
		t.Errorf("vault.restore says %q", ev.Reason)
	}
}

// TestRestoreTwice: of two restores before anybody opens the vault, the second still
// looks at what the first has replaced.
func TestRestoreTwice(t *testing.T) {
	h := newHouse(t)
	h.agent("mia", "secrets:read:*")
	first := h.copied()
	h.mustPut(h.owner, plain, "v")
	second := h.copied()
	h.revokeAgent("mia")
	h.close()
	h.restore(first)
	if got := h.restore(second); got.Relation != vault.RelationNewer || len(got.Revoked) != 1 {
		t.Errorf("restored: %+v", got)
	}
	h.open()
	h.mustGet(h.owner, plain, "v")
	if err := h.v.RevokeAgent(ctx, h.as(h.owner), "mia"); err == nil {
		t.Error("mia was not revoked")
	}
}

// TestRestoreRefuses: nothing is changed by what is no backup of this vault.
func TestRestoreRefuses(t *testing.T) {
	h := newHouse(t)
	for range 5 {
		h.mustPut(h.owner, plain, strings.Repeat("v", 5000))
	}
	backup := h.copied()
	other := newHouse(t)
	foreign := other.copied()
	good, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	type bad struct {
		what, says string
		b          []byte
	}
	list := []bad{{"empty", "not a vault file", nil}, {"rubbish", "not a vault file", []byte(strings.Repeat("rubbish\n", 2000))}}
	used := len(strings.TrimRight(string(good), "\x00")) // behind it is room to grow
	for n := 1; n < used; n += used/13 + 7 {
		list = append(list, bad{"cut", "", good[:n]})
	}
	flipped := strings.ReplaceAll(string(good), `"action":"secret.write"`, `"action":"secret.writd"`) // in free pages as well
	list = append(list, bad{"a flipped bit of an event", "does not verify", []byte(flipped)})
	newer := strings.ReplaceAll(string(good), "format\x00\x00\x00\x02", "format\x00\x00\x00\x03")
	list = append(list, bad{"one of a newer assd", "made by a newer assd", []byte(newer)})
	h.close()
	was, head := h.fileBytes(), h.readFile("head")
	file := filepath.Join(t.TempDir(), "bad")
	refused := func(what, file, says string) {
		t.Helper()
		_, err := vault.Restore(ctx, h.cfg, file)
		bad, ok := errors.AsType[*vault.BackupError](err)
		if !ok || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "restore-") || bad.File != file {
			t.Errorf("%s: %v", what, err)
		}
		if string(h.fileBytes()) != string(was) || string(h.readFile("head")) != string(head) {
			t.Fatalf("%s: the vault was changed", what)
		}
		if left, _ := filepath.Glob(h.file("*re[sp]*-*")); left != nil {
			t.Errorf("%s: left behind: %q", what, left)
		}
	}
	for _, bad := range list {
		if err := os.WriteFile(file, bad.b, 0o600); err != nil {
			t.Fatal(err)
		}
		refused(bad.what, file, bad.says)
	}
	refused("another vault's", foreign, "--data-dir")
	refused("itself", h.file("vault.db"), "own data file")
	refused("missing", file+"-missing", "no such file")
	refused("a folder", t.TempDir(), "not a regular file")
	fifo := filepath.Join(t.TempDir(), "fifo")
	mustOK(t, syscall.Mkfifo(fifo, 0o600))
	refused("a fifo, that nobody writes to", fifo, "not a regular file")
	h.open()
	if _, err := vault.Restore(ctx, h.cfg, backup); !errors.Is(err, store.ErrLocked) {
		t.Errorf("over a live vault: %v", err)
	}
}

// TestRestoreKilled: at each point between, the old vault is whole or the restore goes on.
func TestRestoreKilled(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "old")
	backup := h.copied()
	h.mustPut(h.owner, plain, "new")
	h.close()
	was, head := h.fileBytes(), h.readFile("head")
	got := h.restore(backup)
	note, placed := h.readFile("restore"), h.fileBytes()
	put := func(name string, b []byte) {
		t.Helper()
		if err := errors.Join(os.RemoveAll(h.file(name)), os.WriteFile(h.file(name), b, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	// The note is written, and the old file has two names or one.
	for _, linked := range []bool{true, false} {
		put("vault.db", was)
		if err := os.Remove(got.Aside); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if linked {
			if err := os.Link(h.file("vault.db"), got.Aside); err != nil {
				t.Fatal(err)
			}
		}
		put("restore", note)
		put("head", head)
		h.open()
		h.mustGet(h.owner, plain, "new")
		h.close()
		for _, gone := range []string{got.Aside, h.file("restore")} {
			if _, err := os.Stat(gone); err == nil {
				t.Errorf("%s is still there", gone)
			}
		}
	}
	// The backup is in place, and opened; the commit is made, and the head file is not
	// written, nor the note removed.
	put(filepath.Base(got.Aside), was)
	put("vault.db", placed)
	put("restore", note)
	put("head", head)
	h.open()
	h.mustGet(h.owner, plain, "old")
	h.close()
	put("restore", note)
	put("head", head)
	if rep := h.verify(); rep.Problem != "" || !rep.RestorePending {
		t.Errorf("it verifies as %+v", rep)
	}
	h.open()
	h.mustGet(h.owner, plain, "old")
	if n := len(h.trail(audit.Filter{Action: string(audit.VaultRestore)})); n != 1 {
		t.Errorf("%d events vault.restore", n)
	}
	h.close()
	// An old note opens no older file.
	put("vault.db", placed)
	if err := h.tryOpen(); err == nil || !strings.Contains(err.Error(), "--accept-rollback") {
		t.Errorf("without a note it opens: %v", err)
	}
	h.tampered = true
}

// TestRestoreForgedNote: a note that names the data file, or anything else that Restore
// has not put aside, is malformed, and nothing is removed for it. A pipe in its place, or
// in that of a backup, holds nobody up.
func TestRestoreForgedNote(t *testing.T) {
	h := newHouse(t)
	h.close()
	for _, name := range []string{"vault.db", "head", "..", ".", "vault.db.replaced-x/../vault.db"} {
		note := fmt.Sprintf(`{"format":1,"tenant":"ten_aaaaaaaaaaaaaaaaaaaaaaaaaa","at":"2026-01-01T00:00:00Z","backup":{"seq":1,"hash":"%064x"},"replaced":{"file":%q},"relation":"none"}`, 1, name)
		mustOK(t, os.WriteFile(h.file("restore"), []byte(note), 0o600))
		if err := h.tryOpen(); err == nil || !strings.Contains(err.Error(), "malformed") {
			t.Errorf("a note that names %q: %v", name, err)
		}
		if _, err := os.Stat(h.file("vault.db")); err != nil {
			t.Fatalf("a note that names %q: %v", name, err)
		}
	}
	mustOK(t, os.Remove(h.file("restore")))
	mustOK(t, syscall.Mkfifo(h.file("restore"), 0o600))
	if err := h.tryOpen(); err == nil || !strings.Contains(err.Error(), "malformed") {
		t.Errorf("a pipe for a note: %v", err)
	}
	mustOK(t, os.Remove(h.file("restore")))
	pipe := filepath.Join(t.TempDir(), "pipe")
	mustOK(t, syscall.Mkfifo(pipe, 0o600))
	if _, err := vault.Restore(ctx, h.cfg, pipe); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("a pipe for a backup: %v", err)
	}
	h.open()
}

// TestRestoreSlotsBack: a slot that was removed since the backup is told, for it opens the
// vault again; one that the backup alone goes on to is not.
func TestRestoreSlotsBack(t *testing.T) {
	h := newHouse(t)
	before := h.copied()
	gone := h.mustAddSlot(fileSlot(t, filepath.Join(t.TempDir(), "stick.key")))
	backup := h.copied()
	_, err := h.removeSlot(gone.ID)
	mustOK(t, err)
	h.close()
	if got := h.restore(backup); len(got.SlotsBack) != 1 || got.SlotsBack[0].ID != gone.ID || got.SlotsBack[0].Kind != api.SlotFile {
		t.Errorf("slots that come back: %+v", got.SlotsBack)
	}
	mustOK(t, os.Remove(h.file("restore")))
	mustOK(t, os.Remove(h.file("head")))
	mustOK(t, os.Remove(h.file("vault.db")))
	copyFile(t, before, h.file("vault.db"))
	if got := h.restore(backup); got.Relation != vault.RelationOlder || len(got.SlotsBack) != 0 {
		t.Errorf("over an older one: %+v", got)
	}
}
