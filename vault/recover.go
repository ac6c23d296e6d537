package vault

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/envelope"
	"github.com/agent-secret-store/assd/vault/seal"
)

// Recovery gives an owner a new key on the data dir of a vault that no daemon has
// open; the key file is the proof of who may.
type Recovery struct {
	Owner string // name or id; "" where there is one owner
	// New is a new approval passphrase in place of one that is lost, with all that
	// only it opened; taken over and cleared. nil: the passphrase stays.
	New []byte
	// Lose says that the values go which only the lost passphrase opened. Without
	// it they are named in a *LossError, and nothing is changed.
	Lose bool
}

// Recovered is what a recovery gives, once.
type Recovered struct {
	Name      string   `json:"name"`
	OwnerKey  string   `json:"owner_key"`
	Recovery  string   `json:"recovery_passphrase,omitempty"`
	LostPaths []string `json:"lost"` // secrets that went with the passphrase
}

// LossError says what a new approval key takes along: the values that only the old
// one opens, and the passphrases of other owners, who may still open them.
type LossError struct {
	Paths  []string
	Owners []string // others who have a passphrase
}

func (e *LossError) Error() string {
	text := "these values would be deleted: " + strings.Join(e.Paths, ", ")
	if len(e.Owners) > 0 {
		text += "; and the passphrases of other owners, which still open them: " + strings.Join(e.Owners, ", ")
	}
	return text
}

// Losses is what RecoverOwner with a new passphrase would take along, as a
// *LossError, or nil.
func Losses(cfg Config, owner string) error {
	v, err := openSame(cfg)
	if err != nil {
		return err
	}
	who, err := v.ownerFor(owner)
	if err == nil {
		err = v.db.View(func(s *store.Snapshot) error { return v.losses(s, who.ID) })
	}
	return errors.Join(err, v.abandon())
}

// losses is that of a new approval key under the passphrase of owner alone.
func (v *Vault) losses(r store.Reader, owner string) error {
	e := &LossError{}
	paths, err := v.onlyByKey(r)
	if err != nil {
		return err
	}
	for _, p := range paths {
		e.Paths = append(e.Paths, p.String())
	}
	owners, err := v.owners(r)
	if err != nil {
		return err
	}
	for _, o := range owners {
		lock, err := load[passphraseLock](v, r, store.Passphrases, o.ID)
		if err != nil {
			return err
		}
		if lock != nil && o.ID != owner {
			e.Owners = append(e.Owners, o.Name)
		}
	}
	if len(e.Paths)+len(e.Owners) == 0 {
		return nil
	}
	return e
}

// RecoverOwner makes an owner's key anew; the old one is worth nothing from then
// on. It leaves owner.recover in the trail, which every owner is told of for
// [RecoveryShown].
func RecoverOwner(ctx context.Context, cfg Config, want Recovery) (out Recovered, err error) {
	defer clear(want.New)
	v, err := openSame(cfg)
	if err != nil {
		return out, err
	}
	out, err = v.recoverOwner(ctx, want)
	return out, errors.Join(err, v.abandon())
}

// RecoveryShown is how long owners are told that an owner was recovered.
const RecoveryShown = 30 * 24 * time.Hour

func (v *Vault) recoverOwner(ctx context.Context, want Recovery) (out Recovered, err error) {
	owner, err := v.ownerFor(want.Owner)
	if err != nil {
		return out, err
	}
	first, err := v.replacement(owner, want)
	if err != nil {
		return out, err
	}
	err = v.db.UpdateReserved(ctx, func(tx *store.Tx) (err error) {
		out, err = v.rekey(tx, owner)
		if err != nil || first == nil {
			return err
		}
		out.Recovery = first.text
		out.LostPaths, err = v.replacePassphrase(tx, first, want.Lose)
		return err
	})
	if err != nil {
		return Recovered{}, err
	}
	return out, nil
}

// rekey gives owner a new key.
func (v *Vault) rekey(tx *store.Tx, owner *identity) (out Recovered, err error) {
	changes, err := v.withoutKeys(tx, kindOwner, owner.ID)
	if err != nil {
		return out, err
	}
	key, shown := newKey(ownerPrefix)
	hash, err := hashKey(key)
	if err != nil {
		return out, err
	}
	next := *owner
	next.KeyPrefix, next.Recovered = shown, v.log.Now()
	changes = append(changes, put(store.Owners, owner.ID, next), put(store.Credentials, hash, credential{kindOwner, owner.ID}))
	ev := audit.Event{Actor: daemonActor, Action: audit.OwnerRecover, Outcome: audit.OK, Reason: "a new key, made on the data dir"}
	ev.Subject = &audit.Subject{ID: owner.ID, Name: owner.Name}
	_, err = v.log.Append(tx, ev, changes...)
	return Recovered{Name: owner.Name, OwnerKey: key, LostPaths: []string{}}, err
}

// withoutKeys is the changes that remove all keys of an identity.
func (v *Vault) withoutKeys(r store.Reader, k kind, id string) (changes []audit.Change, err error) {
	err = r.Scan(store.Credentials, nil, func(key, _ []byte) (bool, error) {
		c, err := loadOnce[credential](v, r, store.Credentials, string(key))
		if err == nil && c != nil && *c == (credential{k, id}) {
			changes = append(changes, remove(store.Credentials, string(key)))
		}
		return err == nil, err
	})
	return changes, err
}

// replacement is the approval key that takes the lost one's place, if it is to.
func (v *Vault) replacement(owner *identity, want Recovery) (*firstPassphrase, error) {
	if want.New == nil {
		return nil, nil
	}
	st, err := v.stateNow()
	if err != nil {
		return nil, err
	}
	if st.ApprovalKey == "" {
		return nil, errors.New("this vault has no approval passphrase that could be lost; to set one: assd passphrase set")
	}
	p, err := seal.NewPassphrase(want.New)
	if err != nil {
		return nil, err
	}
	defer p.Wipe()
	return v.newPassphrase(owner.ID, owner.Name, p)
}

// replacePassphrase puts a new approval key in place of the lost one. What only the
// lost one opened is deleted, by an event each.
func (v *Vault) replacePassphrase(tx *store.Tx, first *firstPassphrase, lose bool) (lost []string, err error) {
	if err := v.losses(tx, first.owner.Holder); err != nil && !lose {
		return nil, err
	}
	paths, err := v.onlyByKey(tx)
	if err != nil {
		return nil, err
	}
	lost = []string{}
	for _, p := range paths {
		if err := v.loseSecret(tx, p); err != nil {
			return nil, err
		}
		lost = append(lost, p.String())
	}
	return lost, v.switchKey(tx, first)
}

// onlyByKey are the secrets with a version that is sealed to the approval key.
func (v *Vault) onlyByKey(r store.Reader) (paths []policy.Path, err error) {
	err = v.eachSecret(r, policy.Namespace{}, nil, func(policy.Path) bool { return true }, func(p policy.Path, h *header) {
		for _, ver := range h.Versions {
			by, err := envelope.SealedBy(r.Get(store.Values, valueKey(h.ID, ver.N)))
			if err == nil && !v.has(by) {
				paths = append(paths, p)
				return
			}
		}
	})
	return paths, err
}

// loseSecret deletes a secret, leaving its tombstone as any deletion does.
func (v *Vault) loseSecret(tx *store.Tx, p policy.Path) error {
	h, err := v.header(tx, p)
	if err != nil || !h.exists() {
		return err
	}
	gone, err := v.tombstone(tx, p, h)
	if err != nil {
		return err
	}
	count, err := v.recount(tx, p.Namespace(), gone.counts().minus(h.counts()))
	if err != nil {
		return err
	}
	ev := audit.Event{Actor: daemonActor, Action: audit.SecretDelete, Outcome: audit.OK, Reason: "lost with the approval passphrase"}
	ev.Namespace, ev.Key, ev.Version = p.Namespace().String(), p.Key(), h.Current
	_, err = v.log.Append(tx, ev, append(count, put(store.Secrets, p.String(), gone))...)
	return err
}

// switchKey makes first the approval key; the old one's public half and all that
// opened its private half go.
func (v *Vault) switchKey(tx *store.Tx, first *firstPassphrase) error {
	st, err := v.state(tx)
	if err != nil {
		return err
	}
	changes := []audit.Change{remove(store.Keys, approvalName(st.ApprovalKey))}
	err = tx.Scan(store.Passphrases, nil, func(k, _ []byte) (bool, error) {
		if holder := string(k); holder != first.owner.Holder && holder != recoveryHolder {
			changes = append(changes, remove(store.Passphrases, holder))
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	next := *st
	next.ApprovalKey, next.ApprovalTenant = first.key.ID(), ""
	changes = append(append(changes, first.changes()...), put(store.Vault, stateKey, next))
	ev := audit.Event{Actor: daemonActor, Action: audit.PassphraseSet, Outcome: audit.OK, Reason: "in place of one that was lost, with a new recovery passphrase"}
	ev.Subject = &audit.Subject{ID: first.owner.Holder, Name: first.owner.Name}
	_, err = v.log.Append(tx, ev, changes...)
	return err
}
