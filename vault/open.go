package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/store"
)

// Open opens the vault in cfg.Dir with what cfg.Openers have. A *[SealedError] says that
// none of them opens it. It checks the newest signed
// head, the events since the one before it, and the head kept beside the key
// file; the rest of the chain is checked while the vault already serves. A backup that
// [Restore] has put in place becomes the vault; of one that [RestoreAsNew] has, another
// vault is made, which takes as long as to check it and to write it anew.
func Open(cfg Config) (*Vault, error) { return OpenUntil(context.Background(), cfg) }

// OpenUntil is Open, but gives up what takes long once ctx ends, with its error: to make
// another vault of a backup, which the next one begins again, and to seal values to an
// approval key that was set, with which it goes on. The compaction that follows these runs
// to its end.
func OpenUntil(ctx context.Context, cfg Config) (*Vault, error) {
	cfg.fill()
	v, err := open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := v.resume(context.Background()); err != nil {
		return nil, errors.Join(err, v.abandon())
	}
	if err := removeLeftovers(cfg); err != nil {
		cfg.Log.Warn("copies that were not finished could not be removed", "error", err)
	}
	if err := v.noteUnseal(); err != nil {
		return nil, errors.Join(err, v.abandon())
	}
	st, err := v.stateNow()
	if err != nil {
		return nil, errors.Join(err, v.abandon())
	}
	if st.Resealing {
		cfg.Log.Info("an approval passphrase was set, and what needs a person is not all sealed to it yet; finishing that first")
		if v, err = finishResealing(ctx, v); err != nil {
			return nil, err
		}
	}
	v.run()
	return v, nil
}

// open is Open without the comparison with the kept head and without the
// background work.
func open(ctx context.Context, cfg Config) (*Vault, error) {
	v, err := openFile(cfg)
	if err != nil {
		return nil, err
	}
	another, err := v.becomeAnother(ctx)
	if err == nil && !another {
		return v, nil
	}
	if err = errors.Join(err, v.abandon()); err != nil {
		return nil, err
	}
	return openFile(cfg)
}

// openFile opens the data file as it is.
func openFile(cfg Config) (*Vault, error) {
	cfg.fill()
	if err := peer.CheckPrivate(cfg.Dir, true); err != nil {
		return nil, err
	}
	v := newVault(cfg)
	var err error
	if v.db, err = store.Open(v.storeConfig(true)); err != nil {
		return nil, err
	}
	if backup := v.db.Backup(); backup != "" {
		cfg.Log.Info("the data file was made one of the newest format; an older assd opens the copy", "copy", backup)
	}
	if err := v.db.View(v.wake); err != nil {
		return nil, errors.Join(err, v.abandon())
	}
	return v, nil
}

// wake takes the keys from the file and resumes the trail.
func (v *Vault) wake(s *store.Snapshot) error {
	m, err := unlock(context.Background(), s, v.cfg.openers())
	if err != nil {
		return err
	}
	v.roots.Store(&roots{key: m.root, before: m.oldRoot}) // from here on abandon wipes them
	if v.log, err = audit.Open(s, v.auditConfig(m)); err != nil {
		return err
	}
	if err := v.authenticate(s); err != nil {
		return err
	}
	st, err := v.state(s)
	if err != nil {
		return err
	}
	if *st != m.state { // it was changed between the two looks
		return &audit.TamperError{What: "record vault/state", Problem: "it changed while the vault was opened"}
	}
	if err := v.openOutbox(s); err != nil {
		return err
	}
	v.claimed.Store(!st.ClaimedAt.IsZero())
	return v.use(m)
}

// abandon closes what a failed start had opened.
func (v *Vault) abandon() error {
	var err error
	if v.db != nil {
		err = v.db.Close()
	}
	if v.heads != nil {
		err = errors.Join(err, v.heads.Close())
	}
	if held := v.roots.Load(); held != nil {
		held.wipe()
	}
	return err
}

// compareHead refuses a database that is older than the head kept beside the
// key file, or of another history.
func (v *Vault) compareHead() error {
	keys, err := v.lineage()
	if err != nil {
		return err
	}
	kept, err := audit.ReadHeadFile(v.cfg.headFile(), v.tenant, keys)
	if errors.Is(err, audit.ErrNoHead) {
		return v.firstHead(err)
	}
	if errors.Is(err, audit.ErrOddHead) { // there is nothing to accept
		return err
	}
	if err == nil {
		err = v.db.View(func(s *store.Snapshot) error { return audit.Extends(s, kept) })
	}
	if err != nil {
		return &rollbackError{err, v.cfg.headFile()}
	}
	return nil
}

// rollbackError is a head file that the database does not agree with.
type rollbackError struct {
	error
	file string
}

func (e *rollbackError) Error() string {
	if errors.Is(e.error, audit.ErrNoHead) {
		return fmt.Sprintf("there is no head file %q, which lies beside the key file and says which state is the newest: put it back (where the key file was moved, move it after it), or name the key file's place with --key-file; if you put an older copy back on purpose, or the head file is lost: assd verify --accept-rollback", e.file)
	}
	return fmt.Sprintf("%v (head file %q); if you put an older copy back on purpose: assd verify --accept-rollback", e.error, e.file)
}

func (e *rollbackError) Unwrap() error { return e.error }

// firstHead lets a vault pass that was killed between its very first commit and
// the writing of its head file.
func (v *Vault) firstHead(missing error) error {
	heads := 0
	err := v.db.View(func(s *store.Snapshot) (err error) {
		heads, err = audit.Heads(s, 2)
		return err
	})
	if err != nil {
		return err
	}
	if heads == 1 {
		return v.heads.Write(v.log.Head())
	}
	return &rollbackError{missing, v.cfg.headFile()}
}

// AcceptRollback accepts the database in cfg.Dir although it is not the one that
// the kept head belongs to. It leaves a vault.restore event and writes the head
// file anew.
func AcceptRollback(cfg Config) error {
	v, err := open(context.Background(), cfg)
	if err != nil {
		return err
	}
	err = v.resume(context.Background())
	behind, ok := errors.AsType[*rollbackError](err)
	if !ok { // there is nothing to accept, or something else is wrong
		return errors.Join(err, v.abandon())
	}
	reason := "an older database was accepted: " + behind.error.Error()
	err = v.db.UpdateReserved(context.Background(), func(tx *store.Tx) error {
		_, err := v.log.Append(tx, audit.Event{
			Actor: daemonActor, Action: audit.VaultRestore, Outcome: audit.OK, Reason: reason,
		})
		return err
	})
	return errors.Join(err, v.abandon())
}
