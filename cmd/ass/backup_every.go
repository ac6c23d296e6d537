package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/agent-secret-store/assd/internal/backups"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// minEvery is how often backups are taken at most; retryAfter is when one that failed is
// tried again, where that is sooner.
const (
	minEvery   = api.TTL(time.Minute)
	retryAfter = 5 * time.Minute
)

// goOn takes backups until it is stopped. That the first one fails ends it: nobody may be
// looking any more when the next one does.
func (c *vaultBackupCmd) goOn(ctx context.Context, a *app, cl *client.Client, every api.TTL) error {
	s := a.stepUp()
	defer s.wipe()
	if err := s.ahead(cl, "take backups of the vault, from now on"); err != nil {
		return err
	}
	for first := true; ; first = false {
		err := s.do("take backups of the vault, from now on", func(passphrase *string) error { return c.next(ctx, a, cl, passphrase) })
		pause := time.Duration(every)
		switch {
		case ctx.Err() != nil:
			return errInterrupted
		case err != nil && first:
			return err
		case err != nil:
			pause = min(pause, retryAfter)
			a.note(a.bad("✗") + " " + stamp(time.Now()) + " no backup: " + foreign(err.Error(), maxMessage))
		}
		select {
		case <-ctx.Done():
			return nil // that is how it ends
		case <-time.After(pause):
		}
	}
}

// keptBackups stay where --keep does not say how many.
const keptBackups = 28

// keep is how many backups stay.
func (c *vaultBackupCmd) keep() int {
	if c.Keep == nil {
		return keptBackups
	}
	return *c.Keep
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// next takes one backup, and removes those that are too many.
func (c *vaultBackupCmd) next(ctx context.Context, a *app, cl *client.Client, passphrase *string) error {
	b, err := cl.Backup(ctx, api.BackupRequest{Passphrase: passphrase})
	if err != nil {
		return err
	}
	defer b.Close()
	name, ok := backups.Name(b.Tenant, time.Now())
	if !ok {
		return errBackupCut
	}
	to := backupFile{path: filepath.Join(c.Dir, name)}
	if err := to.take(b); err != nil {
		return err
	}
	a.note(a.good("✓") + " " + stamp(time.Now()) + " " + foreign(to.path, maxMessage) + ", " + plural(int(b.Events), "event"))
	return backups.Prune(c.Dir, b.Tenant, name, c.keep())
}
