package vault_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/away"
)

// check is one of the checks of the doctor's.
func (h *house) check(name string) api.Check {
	h.t.Helper()
	d, err := h.v.Doctor(ctx, h.as(h.owner))
	mustOK(h.t, err)
	for _, c := range d.Checks {
		if c.Name == name {
			return c
		}
	}
	h.t.Fatalf("there is no check %q in %+v", name, d.Checks)
	return api.Check{}
}

// wantCheck wants a check to end so, with something to type where it is not fine.
func (h *house) wantCheck(name, state string) {
	h.t.Helper()
	if c := h.check(name); c.State != state || (c.Fix == "") != (state == api.CheckOK) {
		h.t.Errorf("%+v; want %s", c, state)
	}
}

// TestDoctorOfAVault: what changes in a vault is seen, and mended it is seen again.
func TestDoctorOfAVault(t *testing.T) {
	h := newHouse(t)
	_, err := h.v.Doctor(ctx, h.as(h.agent("mia", "secrets:*:*").APIKey))
	wantCode(t, "an agent", err, api.CodeScopeDenied)

	h.wantCheck("key file", api.CheckAdvice)
	h.wantCheck("slots", api.CheckAdvice)
	h.mustAddSlot(api.SlotAdd{Kind: api.SlotKeyring, Key: ptr(string(api.NewSlotKey()))})
	h.wantCheck("slots", api.CheckOK)

	h.wantCheck("backup", api.CheckAdvice)
	b, err := h.v.Backup(ctx, h.as(h.owner), api.BackupRequest{}, nil)
	mustOK(t, err)
	mustOK(t, b.Close())
	h.wantCheck("backup", api.CheckOK)
	h.clock.advance(7*24*time.Hour + time.Minute)
	h.wantCheck("backup", api.CheckAdvice)

	h.wantCheck("permissions", api.CheckOK)
	for _, name := range []string{"vault.db", "head", "."} {
		info, err := os.Stat(h.file(name))
		mustOK(t, err)
		mustOK(t, os.Chmod(h.file(name), info.Mode().Perm()|0o040))
		h.wantCheck("permissions", api.CheckProblem)
		mustOK(t, os.Chmod(h.file(name), info.Mode().Perm()))
	}
}

// TestDoctorOfBackups: those of the daemon that fail are told, whatever the trail knows.
func TestDoctorOfBackups(t *testing.T) {
	h := newHouse(t)
	dir := filepath.Join(t.TempDir(), "backups")
	mustOK(t, os.Mkdir(dir, 0o777))
	mustOK(t, os.Chmod(dir, 0o777))
	h.v.SetBackups(&vault.BackupPlan{To: away.NewFolder(dir), Every: time.Hour, Keep: 1})
	eventually(t, "a failure", func() bool { return h.protection().Backups.FailingSince != nil })
	h.wantCheck("backup", api.CheckProblem)
	h.v.SetBackups(nil)
	mustOK(t, os.Chmod(dir, 0o700))
	h.v.SetBackups(&vault.BackupPlan{To: away.NewFolder(dir), Every: time.Hour, Keep: 1})
	eventually(t, "one that goes well", func() bool { return h.protection().Backups.TakenAt != nil })
	h.wantCheck("backup", api.CheckOK)
}

// TestDoctorOfAProcess: what the daemon knows of itself is told of with its own weight.
func TestDoctorOfAProcess(t *testing.T) {
	long := time.Now()
	for _, tc := range []struct {
		name, state string
		has         func(*api.Protection)
	}{
		{"process", api.CheckOK, func(p *api.Protection) { p.Confined = api.ConfinedFull }},
		{"process", api.CheckAdvice, func(p *api.Protection) { p.Confined = "partial" }},
		{"process", api.CheckProblem, func(p *api.Protection) { p.Confined, p.RunsAsRoot = api.ConfinedFull, true }},
		{"swap", api.CheckOK, func(*api.Protection) {}},
		{"swap", api.CheckAdvice, func(p *api.Protection) { p.ClearSwap = "/dev/sdb2" }},
		{"passphrase", api.CheckProblem, func(*api.Protection) {}},
		{"passphrase", api.CheckAdvice, func(p *api.Protection) { p.PassphraseSet = true }},
		{"passphrase", api.CheckOK, func(p *api.Protection) { p.PassphraseSet, p.OwnPassphrase = true, true }},
		{"checkpoints", api.CheckAdvice, func(*api.Protection) {}},
		{"checkpoints", api.CheckOK, func(p *api.Protection) { p.Checkpoints = []api.CheckpointPlace{{To: "x"}} }},
		{"checkpoints", api.CheckProblem, func(p *api.Protection) {
			p.Checkpoints = []api.CheckpointPlace{{To: "x"}, {To: "y", FailingSince: &long}}
		}},
		{api.PolicyFile, api.CheckProblem, func(p *api.Protection) { p.Policy = api.FileProblem }},
		{api.PolicyFile, api.CheckProblem, func(p *api.Protection) { p.Policy = api.FileHeld }},
		{api.ConfigFile, api.CheckProblem, func(p *api.Protection) { p.Config = api.FileProblem }},
		{api.ConfigFile, api.CheckProblem, func(p *api.Protection) { p.Config = api.FileHeld }},
		{"webhook chat", api.CheckProblem, func(p *api.Protection) { p.Webhooks = []api.Webhook{{Name: "chat"}} }},
		{"rotation", api.CheckProblem, func(p *api.Protection) { p.RotationProblem = "x" }},
		{"rotation", api.CheckProblem, func(p *api.Protection) { p.FailedRotations = make([]api.FailedRotation, 1) }},
	} {
		p := &api.Protection{Confined: api.ConfinedFull}
		tc.has(p)
		found := 0
		for _, c := range vault.ChecksOf(p) {
			if c.Name == tc.name {
				if found++; c.State != tc.state {
					t.Errorf("%+v is %+v; want %s", p, c, tc.state)
				}
			}
		}
		if found != 1 {
			t.Errorf("%s is told of %d times", tc.name, found)
		}
	}
}

// TestDoctorOfADisk: it is nearly full below 256 MiB, or 5 % of a larger one.
func TestDoctorOfADisk(t *testing.T) {
	for _, tc := range []struct {
		free, size uint64
		state      string
	}{
		{256 << 20, 1 << 30, api.CheckOK},
		{256<<20 - 1, 1 << 30, api.CheckProblem},
		{52 << 30, 1 << 40, api.CheckOK},
		{50 << 30, 1 << 40, api.CheckProblem},
		{0, 0, api.CheckProblem},
	} {
		if c := vault.CheckFree(tc.free, tc.size); c.State != tc.state {
			t.Errorf("%d of %d bytes: %+v; want %s", tc.free, tc.size, c, tc.state)
		}
	}
}
