package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault"
)

// TestRestoreNoteIsStrict: a note that says more than we know, or is of no restore, holds
// up the start, and nothing is changed for it.
func TestRestoreNoteIsStrict(t *testing.T) {
	h := newHouse(t)
	h.close()
	good := fmt.Sprintf(`{"format":1,"tenant":"ten_a","at":"2026-01-01T00:00:00Z","backup":{"seq":1,"hash":"%064x"},"relation":"none"}`, 1)
	for what, note := range map[string]string{
		"empty":             "",
		"of a newer assd":   strings.Replace(good, `"format":1`, `"format":2`, 1),
		"with a new member": strings.Replace(good, `{`, `{"keep":true,`, 1),
		"of no event":       strings.Replace(good, `"seq":1`, `"seq":0`, 1),
		"too long":          good + strings.Repeat(" ", 64<<10),
	} {
		mustOK(t, os.WriteFile(h.file("restore"), []byte(note), 0o600))
		if err := h.tryOpen(); err == nil || !strings.Contains(err.Error(), "malformed") || strings.Contains(err.Error(), "\n") {
			t.Errorf("a note %s: %v", what, err)
		}
	}
	mustOK(t, os.WriteFile(h.file("restore"), []byte(good), 0o600)) // of another vault: dropped
	h.open()
	if _, err := os.Stat(h.file("restore")); err == nil {
		t.Error("the note of another vault is still there")
	}
}

// TestRestoreOverRolledBack: data that ends before its head file says is not taken for
// all there was, so nobody knows who was revoked since.
func TestRestoreOverRolledBack(t *testing.T) {
	h := newHouse(t)
	h.agent("mia", "secrets:read:*")
	backup := h.copied()
	h.mustPut(h.owner, plain, "v")
	older := h.copied()
	h.revokeAgent("mia")
	h.close()
	mustOK(t, os.Remove(h.file("vault.db")))
	copyFile(t, older, h.file("vault.db"))
	got := h.restore(backup)
	if got.Replaced == nil || !strings.Contains(got.Replaced.Problem, "its head file says that there were") || len(got.Returned) != 2 || got.Relation != vault.RelationUnknown {
		t.Errorf("restored: %+v, over %+v", got, got.Replaced)
	}
	h.open()
	if p := h.protection(); p.Restored == nil || !p.Restored.RevocationsUnknown {
		t.Errorf("status says %+v", p.Restored)
	}
}

// TestRestoreOverNewer: data that a newer assd has made is not replaced, since nobody here
// can tell what is in it.
func TestRestoreOverNewer(t *testing.T) {
	h := newHouse(t)
	backup := h.copied()
	h.close()
	was := h.fileBytes()
	newer := bytes.ReplaceAll(was, []byte("format\x00\x00\x00\x02"), []byte("format\x00\x00\x00\x03"))
	mustOK(t, os.WriteFile(h.file("vault.db"), newer, 0o600))
	if _, err := vault.Restore(ctx, h.cfg, backup); !errors.Is(err, store.ErrNewer) {
		t.Errorf("restoring: %v", err)
	}
	if !bytes.Equal(h.fileBytes(), newer) {
		t.Error("the data was changed")
	}
	mustOK(t, os.WriteFile(h.file("vault.db"), was, 0o600))
	h.open()
}
