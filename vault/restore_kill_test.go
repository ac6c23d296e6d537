package vault_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

func init() {
	children["restore"] = restoreChild
	children["backup"] = backupChild
}

// restoreChild restores, and opens the vault that has come of it.
func restoreChild(dir string) error {
	cfg := vault.Config{Dir: dir}
	if _, err := vault.Restore(ctx, cfg, os.Getenv(ownerEnv)); err != nil {
		return err
	}
	v, err := vault.Open(cfg)
	if err != nil {
		return err
	}
	return v.Close()
}

// backupChild takes backups for ever, beside writes.
func backupChild(dir string) error {
	cfg := vault.Config{Dir: dir}
	v, err := vault.Open(cfg)
	if err != nil {
		return err
	}
	h := &house{t: inChild{}, cfg: cfg, v: v, owner: os.Getenv(ownerEnv)}
	go func() {
		for n := 0; ; n++ {
			h.mustPut(h.owner, "load/K", fmt.Sprint(n))
		}
	}()
	for {
		b, err := v.Backup(ctx, h.as(h.owner), api.BackupRequest{}, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, b); err != nil {
			return err
		}
		if err := b.Close(); err != nil {
			return err
		}
	}
}

// killed runs a child and kills it, after a time of its own choice if that is zero.
func (h *house) killed(child, arg string, after time.Duration) {
	h.t.Helper()
	cmd := command(h.t.(*testing.T), child, h.cfg.Dir)
	cmd.Env = append(cmd.Env, ownerEnv+"="+arg)
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	if after > 0 {
		time.Sleep(after)
		_ = cmd.Process.Kill() // it may have ended
	}
	err := cmd.Wait()
	if after == 0 && err != nil {
		h.t.Fatalf("the child: %v", err)
	}
}

// TestRestoreProcessKilled: killed at any moment of a restore and of the start behind it,
// the vault is what it was, or restored, and whole.
func TestRestoreProcessKilled(t *testing.T) {
	h := newHouse(t)
	h.cfg.Now = time.Now
	h.reopen()
	h.mustPut(h.owner, plain, "old")
	backup := h.copied()
	h.close()
	begun := time.Now()
	h.killed("restore", backup, 0)
	took := time.Since(begun)
	rounds := 16
	if testing.Short() {
		rounds = 6
	}
	restored := 0
	for n := range rounds {
		h.open()
		now := fmt.Sprintf("new %d", n)
		h.mustPut(h.owner, plain, now)
		h.close()
		h.killed("restore", backup, max(time.Millisecond, time.Duration(rand.Float64()*1.1*float64(took))))
		if p := h.verify().Problem; p != "" {
			t.Fatalf("killed, it does not verify: %s", p)
		}
		h.open()
		got, err := h.get(h.owner, plain)
		if err != nil || got != now && got != "old" {
			t.Fatalf("killed, the value is %q, %v", got, err)
		}
		if got == "old" {
			restored++
			if ev := h.restoreEvent(); ev.Outcome != audit.OK {
				t.Errorf("%+v", ev)
			}
		}
		if left, _ := filepath.Glob(h.file("vault.db.restore-*")); left != nil {
			t.Errorf("left behind: %q", left)
		}
		if _, err := os.Stat(h.file("restore")); err == nil {
			t.Error("the note is still there")
		}
		h.close()
		for _, aside := range asides(h) {
			if err := os.Remove(aside); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("restored %d times of %d, in %v", restored, rounds, took)
	h.open()
}

func asides(h *house) []string {
	all, _ := filepath.Glob(h.file("vault.db.replaced-*"))
	return all
}

// TestBackupProcessKilled: killed in the midst of backups, the vault is whole, and the next
// start removes what is left.
func TestBackupProcessKilled(t *testing.T) {
	h := newHouse(t)
	h.cfg.Now = time.Now
	for range 4 {
		h.close()
		h.killed("backup", h.owner, 150*time.Millisecond+rand.N(400*time.Millisecond))
		if p := h.verify().Problem; p != "" {
			t.Fatalf("killed, it does not verify: %s", p)
		}
		h.open()
		if left, _ := filepath.Glob(h.file("vault.db.*")); left != nil {
			t.Errorf("left behind: %q", left)
		}
	}
}
