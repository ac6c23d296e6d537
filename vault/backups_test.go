package vault_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/away"
)

func taken(dir string) []string {
	all, _ := filepath.Glob(filepath.Join(dir, "*.assd-backup"))
	return all
}

// TestBackupsOnSchedule: the daemon takes them by itself, each can be restored; a start
// takes none before its time; that none can be taken is one event a day, and in the status.
func TestBackupsOnSchedule(t *testing.T) {
	h := newHouse(t)
	h.cfg.Now = time.Now
	h.reopen()
	h.mustPut(h.owner, plain, "kept")
	dir := filepath.Join(t.TempDir(), "backups")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	hourly := &vault.BackupPlan{To: away.NewFolder(dir), Every: time.Hour, Keep: 3}
	h.v.SetBackups(hourly)
	eventually(t, "the first one", func() bool { b := h.protection().Backups; return b != nil && b.TakenAt != nil })
	h.v.SetBackups(hourly)
	h.reopen()
	h.v.SetBackups(hourly)
	eventually(t, "the one that is there is found", func() bool { return h.protection().Backups.TakenAt != nil })
	if n := len(h.trail(audit.Filter{Action: string(audit.VaultBackup)})); n != 1 || len(taken(dir)) != 1 {
		t.Errorf("%d backups were taken, %d are there", n, len(taken(dir)))
	}
	file := taken(dir)[0]
	if err := os.Chmod(dir, 0o777); err != nil { // not to be written to any more
		t.Fatal(err)
	}
	h.v.SetBackups(&vault.BackupPlan{To: away.NewFolder(dir), Every: time.Millisecond, Keep: 3})
	eventually(t, "a failure", func() bool { return h.protection().Backups.FailingSince != nil })
	time.Sleep(20 * time.Millisecond)
	failed := h.trail(audit.Filter{Action: string(audit.BackupFailed)})
	if len(failed) != 1 || failed[0].Outcome != audit.Failed || !strings.Contains(failed[0].Reason, "chmod go-w") {
		t.Errorf("the trail says %+v", failed)
	}
	h.v.SetBackups(nil)
	if h.protection().Backups != nil {
		t.Error("a plan that is gone is told of")
	}
	h.close()
	h.restore(file)
	h.open()
	h.mustGet(h.owner, plain, "kept")
}

// TestBackupsWrongClock: a clock that ran ahead, and was put right, does not end backups.
func TestBackupsWrongClock(t *testing.T) {
	h := newHouse(t)
	var ahead atomic.Int64
	ahead.Store(int64(48 * time.Hour))
	h.cfg.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	h.reopen()
	dir := filepath.Join(t.TempDir(), "backups")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	h.v.SetBackups(&vault.BackupPlan{To: away.NewFolder(dir), Every: 1500 * time.Millisecond, Keep: 1})
	eventually(t, "one of the wrong clock", func() bool { b := h.protection().Backups; return b != nil && b.TakenAt != nil })
	ahead.Store(0)
	eventually(t, "one of the right clock", func() bool { b := h.protection().Backups; return b.TakenAt.Before(time.Now()) && len(taken(dir)) == 1 })
	h.v.SetBackups(nil)
}

// TestBackupsByAnotherPlan: a plan that differs in anything takes the place of the one
// before, which takes no more; a failure is told once, whatever the plan, is remembered from
// its beginning, and forgotten once one is taken.
func TestBackupsByAnotherPlan(t *testing.T) {
	h := newHouse(t)
	h.cfg.Now = time.Now
	h.reopen()
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	for _, dir := range []string{one, two} {
		mustOK(t, os.Mkdir(dir, 0o700))
	}
	events := func(a audit.Action) int { return len(h.trail(audit.Filter{Action: string(a)})) }
	often := &vault.BackupPlan{To: away.NewFolder(one), Every: time.Millisecond, Keep: 3}
	h.v.SetBackups(often)
	eventually(t, "one", func() bool { return len(taken(one)) > 0 })
	h.v.SetBackups(&vault.BackupPlan{To: away.NewFolder(one), Every: time.Hour, Keep: 3})
	h.v.SetBackups(&vault.BackupPlan{To: away.NewFolder(two), Every: time.Hour, Keep: 3})
	eventually(t, "another", func() bool { return len(taken(two)) == 1 })
	were := events(audit.VaultBackup)
	h.v.SetBackups(&vault.BackupPlan{To: away.NewFolder(two), Every: time.Hour, Keep: 2})
	time.Sleep(50 * time.Millisecond)
	if b := h.protection().Backups; b.Keep != 2 || b.To != two || events(audit.VaultBackup) != were {
		t.Errorf("it is %+v; %d backups more were taken", b, events(audit.VaultBackup)-were)
	}

	mustOK(t, os.Chmod(one, 0o777))
	h.v.SetBackups(often)
	eventually(t, "a failure", func() bool { return h.protection().Backups.FailingSince != nil })
	since := *h.protection().Backups.FailingSince
	time.Sleep(20 * time.Millisecond) // some more
	if b := h.protection().Backups; !b.FailingSince.Equal(since) || events(audit.VaultBackup) != were {
		t.Errorf("it is %+v, since %v before; of backups that failed %d are in the trail", b, since, events(audit.VaultBackup)-were)
	}
	h.v.SetBackups(&vault.BackupPlan{To: often.To, Every: 2 * time.Millisecond, Keep: 3})
	eventually(t, "a failure of the new plan", func() bool { return h.protection().Backups.FailingSince != nil })
	if n := events(audit.BackupFailed); n != 1 {
		t.Errorf("%d failures are told", n)
	}
	mustOK(t, os.Chmod(one, 0o700))
	eventually(t, "no failure any more", func() bool {
		b := h.protection().Backups
		return b.TakenAt != nil && b.FailingSince == nil && b.Failure == ""
	})
	h.v.SetBackups(nil)
}
