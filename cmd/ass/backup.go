package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type vaultBackupCmd struct {
	File  string `arg:"" optional:"" placeholder:"FILE" help:"Where the backup goes; - for standard output."`
	Force bool   `help:"Put it in the place of a file that is there."`
	Every string `placeholder:"TIME" help:"Go on, and take one each time that passes: 6h, 1d."`
	Keep  *int   `placeholder:"N" help:"With --every: how many to keep in DIR, by default 28; older ones are removed."`
	Dir   string `placeholder:"DIR" help:"With --every: the folder that they go to."`
}

// Help shows examples.
func (vaultBackupCmd) Help() string {
	return `Writes a copy of the vault as it is at one moment, checked by the daemon, while all goes
on. The file is for you alone to read, and appears whole or not at all: it is read again
and held against what the daemon said of it.

In it everything is encrypted but names, the audit trail and who there is. What opens it
is what opens the vault: a key file is not in it, so keep a copy of that elsewhere, or have
a passphrase (ass vault slots). To go back to it: assd restore.

With --every it takes one at once and then each time that has passed, and removes the
oldest of its own beyond --keep, until it is stopped: Ctrl-C, and it exits with 0. assd
does the same by itself: see [backup] in assd serve --help.

Examples:

  ass vault backup /mnt/usb/vault.backup
  ass vault backup - | ssh backup 'cat > vault.backup'
  ass vault backup --every 6h --keep 28 --dir /mnt/backups`
}

// Run takes a backup, or goes on taking them.
func (c *vaultBackupCmd) Run(a *app) error {
	every, err := c.check()
	if err != nil {
		return err
	}
	cl, err := a.connect()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(a.ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if every > 0 {
		return c.goOn(ctx, a, cl, every)
	}
	return a.guarded(cl, "take a backup of the vault", func(passphrase *string) error { return c.once(ctx, a, cl, passphrase) })
}

// once takes one backup to the place named.
func (c *vaultBackupCmd) once(ctx context.Context, a *app, cl *client.Client, passphrase *string) error {
	to := backupFile{path: c.File, force: c.Force}
	if c.File != "-" {
		if err := to.check(); err != nil {
			return err
		}
	}
	b, err := cl.Backup(ctx, api.BackupRequest{Passphrase: passphrase})
	if err != nil {
		return interruptedOr(ctx, err)
	}
	defer b.Close()
	if c.File == "-" {
		return interruptedOr(ctx, pass(b, os.Stdout))
	}
	if err := to.take(b); err != nil {
		return interruptedOr(ctx, err)
	}
	return a.tookBackup(c.File, b.BackupInfo)
}

func interruptedOr(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// tookBackup says what was taken, and what it takes to restore it.
func (a *app) tookBackup(file string, b api.BackupInfo) error {
	if a.JSON {
		return a.json(map[string]any{
			"file": file, "size": b.Size, "sha256": b.SHA256, "tenant": b.Tenant, "events": b.Events, "head": b.Head, "slots": b.Slots,
		})
	}
	if a.Quiet {
		return nil
	}
	var text strings.Builder
	fmt.Fprintf(&text, "Backup of %s, %s, in %s\n", plural(int(b.Events), "event"), size(b.Size), foreign(file, maxMessage))
	fmt.Fprintf(&text, "  sha256: %s\n  head:   %s\n", b.SHA256, foreign(b.Head, maxName))
	fmt.Fprintf(&text, "To restore it: assd restore --data-dir DIR FILE, and to open it then one of:")
	for _, slot := range b.Slots {
		text.WriteString("\n  " + opensBackup(slot))
	}
	return a.done(text.String())
}

// opensBackup says what a slot of that kind takes.
func opensBackup(slot string) string {
	switch slot {
	case "file":
		return "the key file (root.key), which is not in the backup: keep a copy somewhere else"
	case "passphrase":
		return "the passphrase of a slot"
	case "command":
		return "the program of --seal-command, and what it needs"
	case "keyring":
		return "this system's keyring"
	}
	return foreign(slot, maxName)
}

// check checks the command line; every is 0 for one backup.
func (c *vaultBackupCmd) check() (every api.TTL, err error) {
	const see = "ass vault backup --help"
	switch {
	case c.Every == "" && (c.Dir != "" || c.Keep != nil):
		return 0, usage("--dir and --keep go with --every", see)
	case c.Every == "" && c.File == "":
		return 0, usage("a file is missing, to write the backup to", "ass vault backup FILE")
	case c.Every == "" && c.File == "-" && isTerminal(os.Stdout):
		return 0, usage("a backup is no text for a terminal", "give a file, or redirect: ass vault backup - > FILE")
	case c.Every == "":
		return 0, nil
	case c.File != "" || c.Dir == "" || c.Force:
		return 0, usage("--every goes with --dir, and without a file or --force", see)
	case c.Keep != nil && *c.Keep < 1:
		return 0, usage("--keep: at least 1", see)
	}
	if every, err = api.ParseTTL(c.Every); err != nil || every < minEvery {
		return 0, usage("--every: a time of a minute or more, like 6h or 1d", see)
	}
	return every, nil
}

var errBackupCut = errors.New("what came from the daemon is not the backup that it announced")
