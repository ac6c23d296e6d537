package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/agent-secret-store/assd/internal/shell"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/seal"
)

type restoreCmd struct {
	dataFlags `embed:""`
	File      string `arg:"" help:"The backup, as ass vault backup wrote it."`
	AsNew     bool   `name:"as-new" help:"Make another vault of it, to live beside the one that was backed up."`
	JSON      bool   `name:"json" help:"Print one JSON document on standard output, and nothing else."`
}

func (restoreCmd) Help() string {
	return `Checks the backup whole, as "assd verify" does, before anything is changed; then puts
it in the place of the data file, and keeps that beside it. The daemon must be stopped.
No slot is opened and no program run: the next start opens the vault, with what opened it
when the backup was made, and writes vault.restore.

From then on all tokens, requests and grants are void, whoever was revoked stays revoked,
a lockdown holds if there was one in the backup or in what it replaced, and another key
signs the trail. What was written after the backup is gone.

The key file is not in a backup; keep it, or the passphrase of a slot, somewhere else.

With --as-new it becomes another vault, a staging copy or a fork: with the same secrets,
owners, agents and their keys, passphrases and policy, but without its configuration. It
goes where no vault is, and its key file into a folder where no head file is. The next
start gives it a tenant, keys, slots and a trail of its own; tokens, checkpoints and sealed
values of neither count in the other. What opens a slot has to be at hand then, or that
slot stays behind; a keyring's always does.

Examples:
  assd restore --data-dir /srv/vault /mnt/usb/vault.backup
  assd restore --data-dir /srv/new --key-file /mnt/key/root.key vault.backup
  assd restore --as-new --data-dir /srv/staging vault.backup`
}

// Run restores.
func (c *restoreCmd) Run(out output) error {
	if err := c.look(); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	restore := vault.Restore
	if c.AsNew {
		restore = vault.RestoreAsNew
	}
	got, err := restore(context.Background(), c.vault(), c.File)
	if errors.Is(err, store.ErrLocked) {
		return fmt.Errorf("nothing was changed: %w: stop assd, and run this again", err)
	}
	if err != nil {
		return err
	}
	if got.Exposed {
		fmt.Fprintf(out.stderr, "Warning: other users can read %q. It is encrypted, but names and the audit trail are not: chmod 600 it.\n", c.File)
	}
	if c.JSON {
		return json.NewEncoder(out.stdout).Encode(got)
	}
	_, err = fmt.Fprint(out.stdout, strings.Map(printableLine, c.describe(got)))
	return err
}

// look looks whether what the command line names is there, before anything is made.
func (c *restoreCmd) look() error {
	if dir := filepath.Dir(c.KeyFile); c.Typed["--key-file"] && lookFor(dir) != nil {
		return unnamed("the file of --key-file", dir, lookFor(dir))
	}
	return unnamed("the backup", c.File, lookFor(c.File))
}

// printableLine is printable, with line ends.
func printableLine(r rune) rune {
	if r == '\n' {
		return r
	}
	return printable(r)
}

func (c *restoreCmd) describe(r vault.Restored) string {
	var b strings.Builder
	fmt.Fprintf(&b, "✓ The backup verifies and is in place in %s\n  tenant: %s\n  head:   %d %s\n", c.dataDir(), r.Tenant, r.Head.Seq, r.Head.Hash)
	if r.NewTenant != "" {
		fmt.Fprintf(&b, "  to be another vault: %s\n", r.NewTenant)
	}
	fmt.Fprintf(&b, "  opens with its slots: %s\n", strings.Join(r.Slots, ", "))
	if r.Replaced != nil && r.Replaced.Head.Seq > 0 {
		fmt.Fprintf(&b, "  in place of: head %d %s, %s\n", r.Replaced.Head.Seq, r.Replaced.Head.Hash, relations[r.Relation])
	}
	if r.Replaced != nil && r.Relation != vault.RelationOlder {
		b.WriteString("  approval passphrase, accepted policy and configuration: those of the backup, whatever was set since\n")
	}
	if r.Aside != "" {
		fmt.Fprintf(&b, "  what was there is kept: %s (old values are in it: once assd has been started and you do not need it, remove it)\n", r.Aside)
	}
	if r.Replaced != nil && r.Replaced.Problem != "" {
		fmt.Fprintf(&b, "  that does not verify: %s\n", r.Replaced.Problem)
	}
	for _, who := range r.Revoked {
		fmt.Fprintf(&b, "  stays revoked: %s %s\n", who.Kind, who.Name)
	}
	for _, slot := range r.SlotsBack {
		fmt.Fprintf(&b, "  opens the vault again, and did not open what was there: a slot of kind %s; to remove it: %s\n", slot.Kind, slot.Command())
	}
	if len(r.Returned) > 0 {
		b.WriteString("\nNobody knows who was revoked after the backup. These come back; to revoke one:\n")
	}
	for _, who := range r.Returned {
		fmt.Fprintf(&b, "  %s\n", who.Command())
	}
	if r.NewTenant != "" {
		b.WriteString(c.nextAsNew(r))
		return b.String()
	}
	if key := filepath.Join(c.dataDir(), "root.key"); c.KeyFile == "" && lookFor(key) != nil && slices.Contains(r.Slots, string(seal.KindFile)) {
		fmt.Fprintf(&b, "\nFirst: put the key file of that vault at %s, or have another slot open it\n", key)
	}
	fmt.Fprintf(&b, `
Next:  assd --data-dir %s     (turns it into the vault, as vault.restore in the trail)
Clients that have seen a newer trail refuse this one until: ass audit checkpoint --forget
`, shell.Quote(c.dataDir()))
	return b.String()
}

// nextAsNew says what the first start makes of it.
func (c *restoreCmd) nextAsNew(r vault.Restored) string {
	var b strings.Builder
	b.WriteString(`
It has all that the vault has but tokens, requests, approvals, the trail and assd.toml, and
so none of its rotators, webhooks and backups. Keys and passphrases of owners and agents
work in both.
`)
	if slices.Contains(r.Slots, string(seal.KindKeyring)) {
		b.WriteString("A slot of kind keyring stays behind; to add one there: ass vault slots add --seal keyring\n")
	}
	at := shell.Quote(c.dataDir())
	if c.KeyFile != "" {
		at += " --key-file " + shell.Quote(c.KeyFile)
	} else if slices.Contains(r.Slots, string(seal.KindFile)) {
		fmt.Fprintf(&b, "\nFirst: copy the key file of that vault to %s\n", filepath.Join(c.dataDir(), "root.key"))
	}
	fmt.Fprintf(&b, "\nNext:  assd --data-dir %s     (makes it %s, with a trail that begins with what it was made of)\n", at, r.NewTenant)
	return b.String()
}

// relations say how the data that was replaced stands to the backup.
var relations = map[vault.Relation]string{
	vault.RelationNewer:   "which goes on from the backup: what is newer is gone from the vault",
	vault.RelationOlder:   "which the backup goes on from",
	vault.RelationFork:    "which is a FORK: the two trails part before the backup ends",
	vault.RelationUnknown: "which could not be held against the backup",
}
