package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/envelope"
	"github.com/agent-secret-store/assd/vault/seal"
)

// PassphraseSetting is a passphrase to be set on the data dir of a vault that no
// daemon has open.
type PassphraseSetting struct {
	Owner string // name or id; "" where there is one owner
	New   []byte // taken over and cleared, as Old
	// Old is the passphrase in force of that owner, or the recovery passphrase; it
	// is asked for only where there is an approval passphrase already.
	Old []byte
	// Config is the text of assd.toml as it is: with the first passphrase it
	// counts as accepted, where none was yet. nil: there is none.
	Config []byte
	// Told is handed the recovery passphrase that comes with the first passphrase,
	// before that is in force: what takes long comes after. Its error ends it all.
	Told func(recovery string) error
}

// ErrOldPassphrase says that the passphrase in force has to be given as well.
var ErrOldPassphrase = errors.New("this vault has an approval passphrase already: the old one is needed, or the recovery passphrase")

// HasPassphrase reports whether the vault in cfg.Dir has an approval passphrase.
func HasPassphrase(cfg Config) (bool, error) {
	v, err := openSame(cfg)
	if err != nil {
		return false, err
	}
	st, err := v.stateNow()
	if err != nil {
		return false, errors.Join(err, v.abandon())
	}
	return st.ApprovalKey != "", v.abandon()
}

// SetPassphrase sets an owner's approval passphrase with the key file as the proof
// of who may. The first one of a vault also makes the recovery passphrase, which it
// returns; then it seals to the approval key all values that need a person, and
// compacts the file.
func SetPassphrase(ctx context.Context, cfg Config, want PassphraseSetting) (recovery string, err error) {
	defer clear(want.Old)
	p, err := seal.NewPassphrase(want.New)
	if err != nil {
		return "", err
	}
	defer p.Wipe()
	v, err := openSame(cfg)
	if err != nil {
		return "", err
	}
	if recovery, err = v.setPassphrase(ctx, want, p); err != nil {
		return "", errors.Join(err, v.abandon())
	}
	st, err := v.stateNow()
	if err == nil && st.Resealing {
		v, err = finishResealing(ctx, v)
	}
	if v == nil {
		return recovery, err
	}
	return recovery, errors.Join(err, v.abandon())
}

func (v *Vault) setPassphrase(ctx context.Context, want PassphraseSetting, p seal.Passphrase) (recovery string, err error) {
	st, err := v.stateNow()
	if err != nil {
		return "", err
	}
	owner, err := v.ownerFor(want.Owner)
	if err != nil {
		return "", err
	}
	ev := audit.Event{Actor: daemonActor, Action: audit.PassphraseSet, Outcome: audit.OK}
	ev.Subject = &audit.Subject{ID: owner.ID, Name: owner.Name}
	if st.ApprovalKey == "" {
		return v.setFirst(ctx, ev, owner, p, want)
	}
	key, err := v.openOld(owner, want.Old)
	if err != nil {
		return "", err
	}
	lock, err := v.newLock(key, owner.ID, owner.Name, p)
	if err != nil {
		return "", err
	}
	ev.Reason = "set on the data dir"
	return "", v.db.Update(ctx, func(tx *store.Tx) error {
		_, err := v.log.Append(tx, ev, lock.change())
		return err
	})
}

func (v *Vault) setFirst(ctx context.Context, ev audit.Event, owner *identity, p seal.Passphrase, want PassphraseSetting) (recovery string, err error) {
	f, err := v.newPassphrase(owner.ID, owner.Name, p)
	if err != nil {
		return "", err
	}
	if want.Told != nil {
		if err := want.Told(f.text); err != nil {
			return "", err
		}
	}
	return f.text, v.db.Update(ctx, func(tx *store.Tx) error {
		st, err := v.state(tx)
		if err != nil {
			return err
		}
		next := *st
		next.ApprovalKey, next.Resealing = f.key.ID(), true
		if err := v.takeConfig(tx, want.Config); err != nil {
			return err
		}
		if err := v.recordFirst(tx, ev, f); err != nil {
			return err
		}
		ev := audit.Event{Actor: daemonActor, Action: audit.SecretReseal, Outcome: audit.OK, Reason: "begun: what needs a person is sealed to the approval key"}
		_, err = v.log.Append(tx, ev, put(store.Vault, stateKey, next))
		return err
	})
}

// openOld opens the approval key with the owner's passphrase in force, or with the
// recovery passphrase.
func (v *Vault) openOld(owner *identity, text []byte) (key *envelope.ApprovalKey, err error) {
	if len(text) == 0 {
		return nil, ErrOldPassphrase
	}
	p, err := seal.NewPassphrase(text)
	if err != nil {
		return nil, seal.ErrWrongPassphrase
	}
	defer p.Wipe()
	err = v.db.View(func(s *store.Snapshot) error {
		for _, holder := range []string{owner.ID, recoveryHolder} {
			lock, err := load[passphraseLock](v, s, store.Passphrases, holder)
			if err != nil {
				return err
			}
			if lock == nil {
				continue
			}
			if key, err = v.openWith(lock, p); !errors.Is(err, seal.ErrWrongPassphrase) {
				return err
			}
		}
		return seal.ErrWrongPassphrase
	})
	return key, err
}

func (v *Vault) stateNow() (st *state, err error) {
	err = v.db.View(func(s *store.Snapshot) (err error) {
		st, err = v.state(s)
		return err
	})
	return st, err
}

// ownerFor is the living owner with that name or id, or the only one.
func (v *Vault) ownerFor(idOrName string) (owner *identity, err error) {
	var living []*identity
	id := idOrName
	err = v.db.View(func(s *store.Snapshot) (err error) {
		if living, err = v.owners(s); err == nil && idOrName != "" {
			id, err = v.idOf(s, kindOwner, idOrName)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(living) == 0:
		return nil, errors.New("this vault has no owner yet: claim it first, with ass login")
	case idOrName == "" && len(living) == 1:
		return living[0], nil
	case idOrName == "":
		return nil, fmt.Errorf("this vault has %d owners: say which one with --owner NAME", len(living))
	}
	for _, one := range living {
		if one.ID == id {
			return one, nil
		}
	}
	return nil, errors.New("there is no such owner")
}
