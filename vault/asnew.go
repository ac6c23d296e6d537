package vault

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/internal/durable"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/seal"
)

// RestoreAsNew is [Restore] where no vault is, and what is put in place there is to be
// another vault than the one that was backed up: a tenant of its own, whose id it says,
// with keys, slots and a trail of its own. It opens no slot either: whoever opens the
// vault next makes that of it, before anything else. Errors: as of Restore, and that
// there is a vault already.
func RestoreAsNew(ctx context.Context, cfg Config, file string) (Restored, error) {
	cfg.fill()
	if err := vacant(cfg); err != nil {
		return Restored{}, err
	}
	return restore(ctx, cfg, file, newID("ten"))
}

// vacant refuses a place where a vault is, or whose head file is that of one.
func vacant(cfg Config) error {
	if _, err := os.Lstat(cfg.dbFile()); err == nil {
		return dataThere(cfg)
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("nothing was changed: looking for a vault: %w", err)
	}
	if _, err := os.Lstat(cfg.restoreNote()); err == nil {
		return fmt.Errorf("nothing was changed: %q says that a restore waits for assd to be started: start that, or remove the note where none does", cfg.restoreNote())
	}
	head := cfg.headFile()
	switch {
	case !headKept(cfg):
		return nil
	case filepath.Dir(head) == filepath.Clean(cfg.Dir):
		return fmt.Errorf("nothing was changed: %q says that a vault was here, and --as-new makes another one: name another folder with --data-dir", head)
	}
	return fmt.Errorf("nothing was changed: %q lies beside the key file, so a vault uses that folder already, and --as-new makes another one: copy the key file into a folder of its own, and name it there with --key-file", head)
}

func dataThere(cfg Config) error {
	return fmt.Errorf("nothing was changed: there is a vault in %q, and --as-new makes another one: name another folder with --data-dir", cfg.Dir)
}

// mayBecomeAnother refuses a backup of which no other vault could be made that opens.
func (r *restoring) mayBecomeAnother(here contents) error {
	if r.into == "" || slices.ContainsFunc(here.slots, func(kind string) bool { return kind != string(seal.KindKeyring) }) {
		return nil
	}
	return r.refuse(errors.New("only an entry of a keyring opens it, which is of that vault alone: add another slot there (ass vault slots add), and make another backup"))
}

// toBeAnother is the note that says that v, a backup that [RestoreAsNew] has put in place,
// is to be another vault; nil: it is not, or is that already.
func (v *Vault) toBeAnother() (*restoreNote, error) {
	note, err := readRestoreNote(v.cfg)
	if err != nil || note == nil || note.Into == "" {
		return nil, err
	}
	var pending bool
	if err := v.db.View(func(s *store.Snapshot) error {
		pending, _, err = note.stands(s, v.tenant, v.log.Head().Head)
		return err
	}); err != nil || !pending {
		return nil, err
	}
	return note, nil
}

// becomeAnother makes of a backup that [RestoreAsNew] has put in place the vault that it
// is to be, in a file of its own that takes the backup's place, and reports whether it
// did. v, which is the backup, is worth nothing then.
func (v *Vault) becomeAnother(ctx context.Context) (done bool, err error) {
	note, err := v.toBeAnother()
	if err != nil || note == nil {
		return false, err
	}
	if headKept(v.cfg) { // RestoreAsNew found none: what is here may be a vault, and the only copy of it
		return false, fmt.Errorf("nothing was changed: %q says that another vault is to be made of this one, and %q that it is a vault which is in use: if it is one, remove the first; if the second only came along with the key file, remove that", v.cfg.restoreNote(), v.cfg.headFile())
	}
	if err := v.makeAnother(ctx, note); err != nil {
		return false, fmt.Errorf("making another vault of the backup of %s: %w", v.tenant, err)
	}
	return true, nil
}

// makeAnother builds that vault in a file beside, and gives it the backup's name.
func (v *Vault) makeAnother(ctx context.Context, note *restoreNote) error {
	v.cfg.Log.Info("another vault is being made of a backup; that takes a while where there is much", "of", v.tenant, "tenant", note.Into)
	if err := v.bearOut(ctx); err != nil {
		return err
	}
	if err := removeLeftovers(v.cfg); err != nil { // of a start that was killed
		return err
	}
	path := filepath.Join(v.cfg.Dir, restoreTemp+rand.Text())
	dropped, err := v.buildAnother(ctx, note, path)
	if err != nil {
		return errors.Join(err, removeLeftovers(v.cfg))
	}
	if err := os.Rename(path, v.cfg.dbFile()); err != nil {
		return errors.Join(err, removeLeftovers(v.cfg))
	}
	if err := durable.SyncDir(v.cfg.Dir); err != nil {
		return err
	}
	v.cfg.Log.Warn("another vault was made of a backup", "of", v.tenant, "backup", note.Backup.Seq, "tenant", note.Into, "dropped_slots", dropped)
	return nil
}

// bearOut checks the whole trail, and has each record held against it from then on: all
// that is taken over is as good as new, and nobody could find it later.
func (v *Vault) bearOut(ctx context.Context) error {
	rep, err := verifyAll(ctx, v.db)
	if err != nil {
		return err
	}
	if rep.Problem != "" {
		return brokenChain(rep)
	}
	return v.db.UpdateReserved(ctx, func(*store.Tx) error { return v.log.Adopt(rep.Ledger) })
}

// buildAnother writes the new vault to a file at path, whole and durable, and says which
// slots it has not.
func (v *Vault) buildAnother(ctx context.Context, note *restoreNote, path string) (dropped []string, err error) {
	slots, err := v.slotsFor(ctx, note.Into)
	if err != nil {
		return nil, err
	}
	m, err := newMaterial()
	if err != nil {
		return nil, err
	}
	m.root.Wipe()
	m.root, m.state.Tenant = slots.key, note.Into
	to, err := v.beside(m, path)
	if err != nil {
		return nil, errors.Join(err, to.abandon())
	}
	t := &takeover{from: v, to: to, note: note, slots: slots}
	err = v.db.UpdateReserved(ctx, func(r *store.Tx) error { return t.run(ctx, r, m) }) // where records are held against the trail
	return namesOf(slots.lost), errors.Join(err, to.abandon())
}

// beside is a vault without an event in a new file at path, with the keys of m.
func (v *Vault) beside(m *material, path string) (to *Vault, err error) {
	cfg := v.cfg
	cfg.Now = v.log.Now // what has expired stays so, whatever the clock says now
	to = newVault(cfg)
	to.roots.Store(&roots{key: m.root}) // from here on abandon wipes it
	if err := to.use(m); err != nil {
		return to, err
	}
	to.log = audit.New(to.auditConfig(m))
	to.db, err = store.Open(store.Config{Path: path, Now: cfg.Now, Prepare: to.log.Sign, Committed: to.log.Committed})
	return to, err
}

// slotsFor wraps a new root key of that tenant for each slot whose secret is at hand. An
// entry of a keyring is not: the next start would look for one of the new tenant.
func (v *Vault) slotsFor(ctx context.Context, tenant string) (*rootTurn, error) {
	var all []*seal.Slot
	if err := v.db.View(func(s *store.Snapshot) (err error) {
		all, err = v.slotsIn(s)
		return err
	}); err != nil {
		return nil, err
	}
	kinds := slices.DeleteFunc(kindsOfAll(all), func(k seal.Kind) bool { return k == seal.KindKeyring })
	found := v.atHand(ctx, v.cfg.given(), kinds)
	defer wipeAll(found)
	r, err := v.wrapRoot(all, nil, found, tenant)
	if err == nil && len(r.moved) == 0 {
		err = errors.New("only an entry of a keyring opens it, which is of that vault alone: put the key file of another of its slots where assd looks for it, or name it with --key-file")
	}
	return r, err
}
