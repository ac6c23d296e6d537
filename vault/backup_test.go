package vault_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

// backup is a backup in a file, as it left.
func (h *house) backup() string {
	h.t.Helper()
	b, err := h.v.Backup(ctx, h.as(h.owner), api.BackupRequest{}, nil)
	if err != nil {
		h.t.Fatalf("making a backup: %v", err)
	}
	defer b.Close()
	all, err := io.ReadAll(b)
	sum := sha256.Sum256(all)
	if err != nil || int64(len(all)) != b.Size || hex.EncodeToString(sum[:]) != b.SHA256 {
		h.t.Errorf("%d bytes came, %x, of %+v: %v", len(all), sum, b.BackupInfo, err)
	}
	file := filepath.Join(h.t.(*testing.T).TempDir(), "backup")
	if err := os.WriteFile(file, all, 0o600); err != nil {
		h.t.Fatal(err)
	}
	return file
}

// TestBackupWhileServing: under load each backup is one commit's state, with all that
// was acknowledged before it was asked for, and the event of each is in the trail.
func TestBackupWhileServing(t *testing.T) {
	h := newHouse(t)
	const writers, each = 4, 30
	var load sync.WaitGroup
	for w := range writers {
		load.Go(func() {
			for n := range each {
				h.mustPut(h.owner, fmt.Sprintf("load%d/K%d", w, n%7), strings.Repeat(fmt.Sprintf("value %d", n), 200))
			}
		})
	}
	h.mustPut(h.owner, plain, "before")
	var backups []string
	for range 3 {
		backups = append(backups, h.backup())
	}
	load.Wait()
	events := h.trail(audit.Filter{Action: string(audit.VaultBackup)})
	if len(events) != 3 || !strings.Contains(events[0].Reason, "sha256:") {
		t.Errorf("events %+v", events)
	}
	if left, _ := filepath.Glob(h.file("vault.db.*")); left != nil {
		t.Errorf("left behind: %q", left)
	}
	h.close()
	for _, file := range backups {
		h.restore(file)
		h.open()
		h.mustGet(h.owner, plain, "before")
		if got := h.checked(); got != "ok" {
			t.Errorf("restored, the chain is %q", got)
		}
		h.close()
		if p := h.verify().Problem; p != "" {
			t.Errorf("restored, it does not verify: %s", p)
		}
	}
	h.open()
}

// TestBackupRefuses: owners alone, with the passphrase; in a lockdown it goes on.
func TestBackupRefuses(t *testing.T) {
	d := newKeyedDesk(t)
	_, err := d.v.Backup(ctx, d.as(d.mia.APIKey), api.BackupRequest{}, nil)
	wantCode(t, "an agent", err, api.CodeScopeDenied)
	_, err = d.v.Backup(ctx, d.as(d.token(d.owner, "secrets:read:*").Token), api.BackupRequest{}, nil)
	wantCode(t, "an owner's token", err, api.CodeScopeDenied)
	_, err = d.v.Backup(ctx, d.as(d.owner), api.BackupRequest{}, nil)
	wantCode(t, "without the passphrase", err, api.CodeStepUpRequired)
	d.lockDown()
	b, err := d.v.Backup(ctx, d.as(d.owner), api.BackupRequest{Passphrase: ptr(phrase)}, nil)
	if err != nil {
		t.Fatalf("in a lockdown: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if ev := d.last(); ev.Action != audit.VaultBackup || ev.Actor.Name != "ada" {
		t.Errorf("the last event is %+v", ev)
	}
}

// TestLeftoversGo: what a killed daemon has left of a copy goes with the next start, and
// what a killed restore has left of its note. Nothing else does: not what a person keeps
// there, and nothing of another data dir that the name of this one would match as a pattern.
func TestLeftoversGo(t *testing.T) {
	h := newHouse(t)
	h.close()
	top := t.TempDir()
	dir, next := filepath.Join(top, "v*"), filepath.Join(top, "vault")
	mustOK(t, os.Rename(h.cfg.Dir, dir))
	mustOK(t, os.Mkdir(next, 0o700))
	h.cfg.Dir = dir
	keys := filepath.Join(top, "keys")
	mustOK(t, os.Mkdir(keys, 0o700))
	for _, name := range []string{"root.key", "head"} {
		mustOK(t, os.Rename(h.file(name), filepath.Join(keys, name)))
	}
	h.cfg.KeyFile = filepath.Join(keys, "root.key")
	mark := strings.Repeat("A", 26)
	ours := []string{"vault.db.backup-" + mark, "vault.db.backup-" + mark + ".assd-part", "vault.db.restore-" + mark, "vault.db.compact"}
	notes := []string{filepath.Join(keys, "restore.new-0"), filepath.Join(keys, "restore.new-4294967295")}
	others := []string{h.file("vault.db.backup-2026-01-01"), h.file("vault.db.restore-1"), h.file("vault.db.backup-old"),
		filepath.Join(keys, "restore.new-old"), filepath.Join(keys, "restore.new-"), filepath.Join(keys, "restored.new-1"), h.file("restore.new-7")}
	gone := notes
	for _, name := range ours {
		gone = append(gone, h.file(name))
		others = append(others, filepath.Join(next, name))
	}
	for _, path := range append(others, gone...) {
		mustOK(t, os.WriteFile(path, nil, 0o600))
	}
	h.open()
	for _, path := range gone {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("left behind: %s", path)
		}
	}
	for _, path := range others {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("what is not ours is gone: %v", err)
		}
	}
}
