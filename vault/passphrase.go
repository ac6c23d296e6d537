package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/envelope"
	"github.com/agent-secret-store/assd/vault/seal"
)

// passphraseLock is the record of the private half of the approval key under one
// passphrase: an owner's, by the owner's id, or the one for recovery.
type passphraseLock struct {
	Key    string              `json:"key"` // id of the approval key
	Set    time.Time           `json:"set"`
	Name   string              `json:"name"` // of the owner, or recovery
	Wrap   seal.PassphraseWrap `json:"wrap"`
	Holder string              `json:"holder"` // whose it is: the key of the record

	under *seal.RootKey // of one that was just made: what it is under
}

// recoveryHolder is the key of the recovery passphrase's record.
const recoveryHolder = seal.HolderRecovery

// digest tells one setting of a passphrase from another.
func (l *passphraseLock) digest() string {
	h := sha256.Sum256(l.Wrap.Wrapped)
	return hex.EncodeToString(h[:])
}

// publicKey is the record of the approval key's public half.
type publicKey struct {
	Public []byte `json:"public"`
}

func approvalName(id string) string { return string(seal.RoleApproval) + "/" + id }

// newLock wraps the private half of key under a passphrase.
func (v *Vault) newLock(key *envelope.ApprovalKey, holder, name string, p seal.Passphrase) (*passphraseLock, error) {
	tenant, err := v.tenantNow(key.ID())
	if err != nil {
		return nil, err
	}
	private, err := key.Private()
	if err != nil {
		return nil, fmt.Errorf("wrapping the approval key: %w", err)
	}
	defer clear(private)
	leave, err := v.tries.alone(context.Background()) // never for long
	if err != nil {
		return nil, err
	}
	defer leave()
	held := v.roots.Load()
	w, err := seal.WrapUnderPassphrase(held.outer, tenant, key.ID(), holder, p, v.cfg.argon2(), private)
	if err != nil {
		return nil, fmt.Errorf("wrapping the approval key: %w", err)
	}
	return &passphraseLock{Key: key.ID(), Set: v.cfg.Now().UTC(), Name: name, Wrap: w, Holder: holder, under: held.key}, nil
}

// current refuses what was just wrapped under a root key that another one has come in
// place of.
func (v *Vault) current(under *seal.RootKey) error {
	if under != v.root() {
		return errRootTurned
	}
	return nil
}

var errRootTurned = error(api.New(api.CodeConflict, "another root key has just come in place of the one there was").WithHint("try again"))

func (l *passphraseLock) change() audit.Change { return put(store.Passphrases, l.Holder, l) }

// firstPassphrase is a new approval key with what opens it: the passphrase of one
// owner, and one for recovery, whose text is told once.
type firstPassphrase struct {
	key      *envelope.ApprovalKey
	owner    *passphraseLock // its holder is not known yet where the owner is not
	recovery *passphraseLock
	text     string // of the recovery passphrase
	public   []byte
}

// newPassphrase makes an approval key under an owner's passphrase.
func (v *Vault) newPassphrase(ownerID, name string, p seal.Passphrase) (*firstPassphrase, error) {
	key, err := envelope.NewApprovalKey(newID("apk"))
	if err != nil {
		return nil, err
	}
	f := &firstPassphrase{key: key}
	if f.public, err = key.Recipient().Public(); err != nil {
		return nil, err
	}
	if f.owner, err = v.newLock(key, ownerID, name, p); err != nil {
		return nil, err
	}
	recovery, text := seal.GeneratePassphrase()
	defer recovery.Wipe()
	f.text = text
	f.recovery, err = v.newLock(key, recoveryHolder, recoveryHolder, recovery)
	return f, err
}

// changes are the records of f, without that of the vault's state.
func (f *firstPassphrase) changes() []audit.Change {
	return []audit.Change{
		put(store.Keys, approvalName(f.key.ID()), publicKey{f.public}), f.owner.change(), f.recovery.change(),
	}
}

// recipient is the approval key's public half, nil where there is no passphrase.
func (v *Vault) recipient(r store.Reader) (*envelope.ApprovalRecipient, error) {
	st, err := v.state(r)
	if err != nil || st.ApprovalKey == "" {
		return nil, err
	}
	if known := v.public.Load(); known != nil && known.ID() == st.ApprovalKey {
		return known, nil
	}
	rec, err := load[publicKey](v, r, store.Keys, approvalName(st.ApprovalKey))
	if err == nil && rec == nil {
		err = &audit.TamperError{What: "record keys/" + approvalName(st.ApprovalKey), Problem: "it is missing"}
	}
	if err != nil {
		return nil, err
	}
	p, err := envelope.OpenApprovalRecipient(st.ApprovalKey, rec.Public)
	if err != nil {
		return nil, fmt.Errorf("reading the approval key: %w", err)
	}
	v.public.Store(p)
	return p, nil
}

// ChangePassphrase gives an owner a new approval passphrase for the old one.
func (v *Vault) ChangePassphrase(ctx context.Context, req Request, want api.PassphraseChange) error {
	if want.NewPassphrase == nil {
		return invalid("new_passphrase", "missing")
	}
	p, err := seal.NewPassphrase([]byte(*want.NewPassphrase))
	if err != nil {
		return invalid("new_passphrase", err.Error())
	}
	defer p.Wipe()
	if req, err = v.stepUp(ctx, req, want.Passphrase); err != nil {
		return err
	}
	var lock *passphraseLock
	if req.proof != nil {
		if lock, err = v.newLock(req.proof.key, req.proof.owner, "", p); err != nil {
			return asAPI(err)
		}
	}
	return v.do(ctx, on("passphrase.set"), req, func(a *act) error {
		if err := a.ownerOnly(audit.PassphraseSet); err != nil {
			return err
		}
		if lock == nil {
			return api.New(api.CodeConflict, "this vault has no approval passphrase yet").
				WithHint("with the daemon stopped, on its machine: assd passphrase set")
		}
		if err := v.current(lock.under); err != nil {
			return err
		}
		lock.Name = a.caller.Name
		ev := a.event(audit.PassphraseSet)
		ev.Subject, ev.Reason = &audit.Subject{ID: a.caller.ID, Name: a.caller.Name}, "changed by its owner"
		return a.record(ev, lock.change())
	})
}
