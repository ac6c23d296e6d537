package vault_test

import (
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

// TestBackupOfWhatDoesNotVerify: no backup leaves whose trail was changed, and the doctor
// says what is wrong.
func TestBackupOfWhatDoesNotVerify(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "oldest/K", "v")
	for range 9 { // the newest are looked at before it opens
		h.mustPut(h.owner, plain, "v")
	}
	if got := h.checked(); got != "ok" {
		t.Fatalf("the chain is %q", got)
	}
	good, bad := []byte(`"namespace":"oldest"`), []byte(`"namespace":"eldest"`)
	h.patch(good, bad) // under the running daemon, which looks at the whole chain at its start alone
	h.wantCheck("backup", api.CheckProblem)
	_, err := h.v.Backup(ctx, h.as(h.owner), api.BackupRequest{}, nil)
	wantTampered(t, "a backup", err, "of the backup")
	h.reopen()
	h.checked()
	h.wantCheck("trail", api.CheckProblem)
	h.close()
	h.patch(bad, good)
	h.open()
	if events := h.trail(audit.Filter{Action: string(audit.VaultBackup)}); len(events) > 0 {
		t.Errorf("the trail says %+v", events)
	}
}
