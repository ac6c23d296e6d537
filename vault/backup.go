package vault

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/internal/crashpoint"
	"github.com/agent-secret-store/assd/vault/api"
)

// Backup is a copy of the data file as one commit left it, checked. It has no name any
// more: what is not closed goes with the process.
type Backup struct {
	api.BackupInfo
	file *os.File
}

// Close lets the copy go.
func (b *Backup) Close() error { return b.file.Close() }

// Read reads the copy, from its beginning.
func (b *Backup) Read(p []byte) (int, error) { return b.file.Read(p) }

// Backup makes a copy of the vault, for owners, who close it. All goes on meanwhile, a
// lockdown does not stop it, and nobody reads it before vault.backup is durable. It needs
// room for a second data file: on a full disk it is STORAGE_FULL. Before the work begins, and
// only for who may have it done, room is asked whether there is room for one more; nil:
// always.
func (v *Vault) Backup(ctx context.Context, req Request, want api.BackupRequest, room func() error) (b *Backup, err error) {
	if req, err = v.stepUp(ctx, req, want.Passphrase); err != nil {
		return nil, err
	}
	mayI := func(a *act) error { return a.ownerOnly(audit.VaultBackup) }
	if err := v.doReserved(ctx, on("vault.backup"), req, mayI); err != nil {
		return nil, err
	}
	if room != nil {
		if err := room(); err != nil {
			return nil, err
		}
	}
	if b, err = v.makeBackup(ctx); err != nil {
		return nil, asAPI(err)
	}
	err = v.doReserved(ctx, on("vault.backup"), req, func(a *act) error {
		if err := mayI(a); err != nil {
			return err
		}
		ev := a.event(audit.VaultBackup)
		ev.Reason = b.describe()
		return a.record(ev)
	})
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// describe says for the trail what has left.
func (b *Backup) describe() string {
	return fmt.Sprintf("%d bytes up to event %d (%s), sha256:%s", b.Size, b.Events, b.Head, b.SHA256)
}

// makeBackup copies the data file beside itself and checks the copy.
func (v *Vault) makeBackup(ctx context.Context) (b *Backup, err error) {
	path := filepath.Join(v.cfg.Dir, backupTemp+rand.Text())
	if err := v.db.CopyTo(ctx, path); err != nil {
		return nil, err
	}
	defer func() {
		gone := os.Remove(path)
		if gone != nil && err == nil {
			gone = errors.Join(gone, b.Close())
		}
		err = errors.Join(err, gone)
	}()
	crashpoint.At("backup.copied")
	rep, in, err := inspect(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("checking the backup: %w", err)
	}
	if rep.Problem != "" {
		return nil, &audit.TamperError{What: fmt.Sprintf("audit event %d of the backup", rep.FirstBad), Problem: rep.Problem}
	}
	b = &Backup{BackupInfo: api.BackupInfo{
		Tenant: rep.Tenant, Events: rep.Events, Head: rep.Head.Hash.String(), Slots: in.slots,
	}}
	return b, b.take(path)
}

// take opens the copy and reads it once, for its digest.
func (b *Backup) take(path string) (err error) {
	if b.file, err = os.Open(path); err != nil {
		return err
	}
	h := sha256.New()
	if b.Size, err = io.Copy(h, b.file); err == nil {
		_, err = b.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return errors.Join(err, b.file.Close())
	}
	b.SHA256 = hex.EncodeToString(h.Sum(nil))
	return nil
}
