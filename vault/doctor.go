package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/internal/shell"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// Doctor says what protects this vault and what does not, for owners.
func (v *Vault) Doctor(ctx context.Context, req Request) (out api.Doctor, err error) {
	var backups *api.Backups
	err = v.look(ctx, req, audit.VaultDoctor, true, func(r store.Reader, c *caller) error {
		p, err := v.protection(r, c)
		if err != nil {
			return err
		}
		slots, err := v.slotsIn(r)
		if err != nil {
			return err
		}
		out.Checks = []api.Check{ // those of a try before are gone
			v.checkTrailState(), checkPassphrase(p), checkProcess(p), checkSwap(p),
			v.checkKeyFile(), v.checkHeadFile(), checkSlots(slots), v.checkModes(), v.checkDisk(), checkCheckpoints(p),
		}
		out.Checks = append(out.Checks, v.checkFiles(p)...)
		backups = p.Backups
		return nil
	})
	if err != nil {
		return out, err
	}
	backup, err := v.checkBackups(ctx, backups)
	out.Checks = append(out.Checks, backup)
	return out, asAPI(err)
}

func (v *Vault) checkTrailState() api.Check {
	if v.Chain() == "ok" || v.Chain() == "running" {
		return api.Fine("trail", "the audit chain verifies, as far as it has been checked since the start: "+v.Chain())
	}
	return api.Problem("trail", v.Chain(), "assd verify")
}

func checkPassphrase(p *api.Protection) api.Check {
	switch {
	case !p.PassphraseSet:
		return api.Problem("passphrase", "no approval passphrase: whoever has the daemon's files, or runs as its user, reads every secret, and owner keys alone approve",
			"stop assd; assd passphrase set")
	case !p.OwnPassphrase:
		return api.Advice("passphrase", "set, but you have none of your own and cannot approve", "ass agents create --owner --name NAME")
	}
	return api.Fine("passphrase", "sensitive and critical values open with an approval passphrase alone")
}

func checkProcess(p *api.Protection) api.Check {
	switch {
	case p.RunsAsRoot:
		return api.Problem("process", "assd runs as root, and so do the commands of rotators: a flaw in it is one in the machine", "assd --user NAME")
	case p.Confined != api.ConfinedFull:
		return api.Advice("process", "assd is not confined in full to its folders: "+p.ConfinedLacks, "")
	}
	return api.Fine("process", "assd is confined to its own folders and leaves no core files")
}

func checkSwap(p *api.Protection) api.Check {
	if p.ClearSwap == "" {
		return api.Fine("swap", "nothing is swapped in the clear")
	}
	return api.Advice("swap", "keys and values can reach the disk: "+p.ClearSwap, "swapoff -a, or swap on dm-crypt")
}

// checkKeyFile looks whether a copy of the data dir has the key as well.
func (v *Vault) checkKeyFile() api.Check {
	path := v.cfg.keyFile()
	if _, err := os.Lstat(path); err != nil {
		return api.Fine("key file", "none is kept beside the data")
	}
	if filepath.Dir(path) == filepath.Clean(v.cfg.Dir) {
		return api.Advice("key file", "it lies in the data dir, so whoever copies that can open the vault", "stop assd; mv root.key head /on/another/device/; assd --key-file /on/another/device/root.key")
	}
	return api.Fine("key file", "it lies outside the data dir")
}

// checkHeadFile looks whether an older copy of the data file would be told.
func (v *Vault) checkHeadFile() api.Check {
	if why := v.headProblem(); why != "" {
		return api.Problem("head file", "an older copy of the data file would pass for the newest: "+why, "ls -la "+shell.Quote(filepath.Dir(v.cfg.headFile())))
	}
	return api.Fine("head file", "it tells an older copy of the data file from the newest")
}

// checkSlots looks whether one lost secret loses the vault.
func checkSlots(slots []*seal.Slot) api.Check {
	var kinds []string
	for _, s := range slots {
		kinds = append(kinds, string(s.Kind))
	}
	if len(slots) < 2 {
		return api.Advice("slots", "one secret alone opens the vault ("+strings.Join(kinds, ", ")+"): lost with it is all", "ass vault slots add --seal passphrase --generate")
	}
	slices.Sort(kinds)
	return api.Fine("slots", fmt.Sprintf("%d secrets open the vault: %s", len(slots), strings.Join(kinds, ", ")))
}

// oldBackup is when the newest backup is too old to count.
const oldBackup = 7 * 24 * time.Hour

// checkBackups looks how old the newest backup is that the trail knows of.
func (v *Vault) checkBackups(ctx context.Context, plan *api.Backups) (api.Check, error) {
	const name, fix = "backup", `ass vault backup FILE, or [backup] in assd.toml: dir = "/on/another/device"`
	if plan != nil && plan.Failure != "" {
		return api.Problem(name, plan.To+": "+plan.Failure, "ass status"), nil
	}
	at, err := v.newest(ctx, audit.VaultBackup)
	none := "none was ever taken: what happens to the disk happens to the vault"
	if err == nil && at.IsZero() {
		var restored time.Time
		if restored, err = v.newest(ctx, audit.VaultRestore); !restored.IsZero() {
			none = "the trail knows of none since the vault was restored, at " + restored.Format(time.RFC3339) + ": what was written since is on this disk alone"
		}
	}
	changed, isChanged := errors.AsType[*audit.TamperError](err)
	switch age := v.cfg.Now().Sub(at); {
	case isChanged: // which is what the doctor is asked about then
		return api.Problem(name, "the trail cannot say when one was taken: "+changed.Error(), "assd verify"), nil
	case err != nil:
		return api.Check{}, err
	case at.IsZero():
		return api.Advice(name, none, fix), nil
	case age > oldBackup:
		return api.Advice(name, "the newest is from "+at.Format(time.RFC3339), fix), nil
	}
	return api.Fine(name, "the newest is from "+at.Format(time.RFC3339)), nil
}

// checkModes looks whether others got into the files since the start.
func (v *Vault) checkModes() api.Check {
	for _, path := range []string{v.cfg.Dir, v.cfg.dbFile(), v.cfg.keyFile(), v.cfg.headFile()} {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return api.Problem("permissions", err.Error(), "")
		}
		if info.Mode().Perm()&0o077 != 0 && path != v.cfg.keyFile() { // which systemd may pass with the group's bit
			return api.Problem("permissions", fmt.Sprintf("%q has mode %04o, which lets others in", path, info.Mode().Perm()), "chmod go= "+shell.Quote(path))
		}
	}
	return api.Fine("permissions", "the files are this user's alone")
}

// Bounds below which the disk counts as nearly full.
const (
	fewBytes   = 256 << 20
	fewPercent = 5
)

func (v *Vault) checkDisk() api.Check {
	free, size, err := store.Space(v.cfg.Dir)
	if err != nil {
		return api.Advice("disk", "how full it is could not be told: "+err.Error(), "df "+shell.Quote(v.cfg.Dir))
	}
	return checkFree(free, size)
}

// checkFree looks whether there is room for what comes; both in bytes.
func checkFree(free, size uint64) api.Check {
	says := fmt.Sprintf("%d MiB of %d MiB are free where the data lies", free>>20, size>>20)
	if free < fewBytes || free < size/100*fewPercent {
		return api.Problem("disk", says+"; when it is full nothing is read or written", "free some space on it")
	}
	return api.Fine("disk", says)
}

func checkCheckpoints(p *api.Protection) api.Check {
	const fix = `[[checkpoint]] in assd.toml: file = "/on/another/device/checkpoints"`
	if len(p.Checkpoints) == 0 {
		return api.Advice("checkpoints", "none leave this machine: whoever can write the files can put the whole vault back unseen", fix)
	}
	for _, c := range p.Checkpoints {
		if c.FailingSince != nil {
			return api.Problem("checkpoints", c.To+": "+c.Failure, "ass status")
		}
	}
	return api.Fine("checkpoints", "they leave for "+p.Checkpoints[0].To)
}

// checkFiles looks at the operator's files and who is told of events.
func (v *Vault) checkFiles(p *api.Protection) (checks []api.Check) {
	for _, f := range []struct{ name, state, problem string }{
		{api.PolicyFile, p.Policy, p.PolicyProblem}, {api.ConfigFile, p.Config, p.ConfigProblem},
	} {
		switch f.state {
		case api.FileProblem:
			checks = append(checks, api.Problem(f.name, f.problem, "ass policy check"))
		case api.FileHeld:
			checks = append(checks, api.Problem(f.name, "a changed one waits for an owner, and what was in force stays", "ass policy accept --file "+f.name))
		}
	}
	for _, w := range p.Webhooks {
		checks = append(checks, api.Problem("webhook "+w.Name, "not all events arrive", "ass webhooks list"))
	}
	if p.RotationProblem != "" || len(p.FailedRotations) > 0 {
		checks = append(checks, api.Problem("rotation", "a secret could not be rotated", "ass status"))
	}
	return checks
}
