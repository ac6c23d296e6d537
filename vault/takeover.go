package vault

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/envelope"
)

// How much of another vault is written in one commit: so many records, and no more once
// their values have so many bytes together.
const (
	takeOverAtOnce = 200
	takeOverBytes  = 1 << 20
)

// takeover writes what a vault is to the file of another one. What was checked there is
// authenticated anew here, so it is done in a transaction of from, which changes nothing:
// in one, records are held against the trail.
type takeover struct {
	from, to *Vault
	note     *restoreNote
	slots    *rootTurn
	state    *state // of from

	changes []audit.Change // to be committed next, as all below
	values  []storedValue
	due     []dueAt
	size    int // bytes of the values
}

// storedValue is a sealed value and where it lies.
type storedValue struct{ key, sealed []byte }

// dueAt is when the trail is to tell of the expiry of a secret.
type dueAt struct {
	path policy.Path
	at   time.Time
}

// takenOver says of each bucket of records whether another vault has its records as they
// are. Of the others those come along that are named where takeover is run, or none.
var takenOver = map[store.Bucket]bool{
	store.Owners: true, store.Agents: true, store.Names: true, store.Credentials: true, store.Namespaces: true,

	store.Vault: false, store.Slots: false, store.Keys: false, // written anew but for the accepted policy and the approval key
	store.Secrets: false, store.Passphrases: false, // come along changed
	store.Tokens: false, store.Approvals: false, store.Wishes: false, store.Grants: false, store.Outbox: false, // are void
}

// run writes it all.
func (t *takeover) run(ctx context.Context, r *store.Tx, m *material) (err error) {
	if t.state, err = t.from.state(r); err != nil {
		return err
	}
	if err := t.birth(ctx, r, m); err != nil {
		return err
	}
	for _, b := range audit.RecordBuckets {
		if takenOver[b] {
			if err := t.bucket(ctx, r, b); err != nil {
				return err
			}
		}
	}
	for _, take := range []func(context.Context, *store.Tx) error{t.single, t.config, t.passphrases, t.secrets} {
		if err := take(ctx, r); err != nil {
			return err
		}
	}
	return t.end(ctx, r)
}

// birth writes event 1, with the slots and the keys.
func (t *takeover) birth(ctx context.Context, r *store.Tx, m *material) error {
	m.state = t.nextState(m.state)
	changes, err := t.slotRecords(r)
	if err != nil {
		return err
	}
	keys, err := m.keyChanges()
	if err != nil {
		return err
	}
	changes = append(append(changes, keys...), put(store.Vault, stateKey, m.state))
	ev := audit.Event{Actor: daemonActor, Action: audit.VaultInit, Outcome: audit.OK}
	ev.Vault = &audit.Birth{Tenant: m.state.Tenant, VerifyKey: t.to.log.VerifyKey(), Epoch: m.state.Epoch}
	ev.Reason = fmt.Sprintf("made of a backup of %s up to event %d (%s); %s", t.note.Tenant, t.note.Backup.Seq, t.note.Backup.Hash, t.slots.describe())
	return t.to.db.Update(ctx, func(tx *store.Tx) error {
		_, err := t.to.log.Append(tx, ev, changes...)
		return err
	})
}

// nextState is the state of the new vault, of which next has the tenant and the keys. It is
// claimed from its first event on, if the old one is.
func (t *takeover) nextState(next state) state {
	was := t.state
	next.Created = t.to.log.Now()
	next.ClaimedAt, next.ClaimedBy, next.Claimant = was.ClaimedAt, was.ClaimedBy, was.Claimant
	next.ApprovalKey, next.Resealing = was.ApprovalKey, was.Resealing
	if was.ApprovalKey != "" {
		next.ApprovalTenant = was.keyTenant()
	}
	return next
}

// slotRecords are the new slots, each with the note of who added the one before.
func (t *takeover) slotRecords(r *store.Tx) (changes []audit.Change, err error) {
	for _, m := range t.slots.moved {
		change, err := slotChange(m.next)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change)
		note, err := load[slotNote](t.from, r, store.Vault, slotNoteKey(m.was.ID))
		if err != nil {
			return nil, err
		}
		if note != nil {
			next := *note
			next.Slot = m.next.ID
			changes = append(changes, put(store.Vault, slotNoteKey(next.Slot), next))
		}
	}
	return changes, nil
}

// bucket takes over the records of a bucket as they are.
func (t *takeover) bucket(ctx context.Context, r *store.Tx, b store.Bucket) error {
	return r.Scan(b, nil, func(k, _ []byte) (bool, error) {
		err := t.record(ctx, r, audit.Object{Bucket: b, Key: string(k)})
		return err == nil, err
	})
}

// record takes over one record as it is, if there is one.
func (t *takeover) record(ctx context.Context, r *store.Tx, o audit.Object) error {
	// A copy, as in fetch.
	content, err := t.from.log.Check(r, o, bytes.Clone(r.Get(o.Bucket, []byte(o.Key))))
	if err != nil || content == nil {
		return err
	}
	return t.add(ctx, audit.Change{Object: o, Content: content})
}

// single takes over the policy that was accepted, and the public half of the approval key.
func (t *takeover) single(ctx context.Context, r *store.Tx) error {
	all := []audit.Object{{Bucket: store.Vault, Key: policyFile.key}, {Bucket: store.Vault, Key: policyFile.textKey()}}
	if id := t.state.ApprovalKey; id != "" {
		all = append(all, audit.Object{Bucket: store.Keys, Key: approvalName(id)})
	}
	for _, o := range all {
		if err := t.record(ctx, r, o); err != nil {
			return err
		}
	}
	return nil
}

// config has the program accepted that opens command slots, and nothing else of assd.toml
// that was: what a vault does by itself, rotate, tell receivers, take backups, another one
// must not do as well because it was made of it.
func (t *takeover) config(ctx context.Context, r *store.Tx) error {
	rec, err := load[acceptedFile](t.from, r, store.Vault, configFile.key)
	if err != nil || rec == nil {
		return err
	}
	text, err := t.from.acceptedText(r, configFile, rec)
	if err != nil {
		return err
	}
	if text = whatOpens(text); text == nil {
		return nil
	}
	for _, c := range configFile.accept(text, t.to.log.Now(), daemonActor.Name) {
		if err := t.add(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// whatOpens is what another vault has of a text of assd.toml: the program that opens command
// slots; nil where there is none, or where another version has accepted the text.
func whatOpens(text []byte) []byte {
	var opens struct {
		SealCommand string `toml:"seal-command"`
	}
	if err := toml.Unmarshal(text, &opens); err != nil || opens.SealCommand == "" {
		return nil
	}
	text, err := toml.Marshal(opens)
	if err != nil {
		return nil
	}
	return text
}

// passphrases wraps what each passphrase opens under the new root key.
func (t *takeover) passphrases(ctx context.Context, r *store.Tx) error {
	holders, err := keysOf(r, store.Passphrases)
	if err != nil {
		return err
	}
	for _, holder := range holders {
		lock, err := load[passphraseLock](t.from, r, store.Passphrases, holder)
		if err != nil {
			return err
		}
		next := *lock
		next.Wrap, err = lock.Wrap.Rewrap(t.from.roots.Load().outer, t.to.roots.Load().outer, t.state.keyTenant(), lock.Key, lock.Holder)
		if err != nil {
			return err
		}
		if err := t.add(ctx, next.change()); err != nil {
			return err
		}
	}
	return nil
}

// secrets takes over each secret with the versions that are kept, and the tombstones.
func (t *takeover) secrets(ctx context.Context, r *store.Tx) error {
	return r.Scan(store.Secrets, nil, func(k, _ []byte) (bool, error) {
		p, err := policy.ParsePath(string(k))
		if err != nil {
			return false, err
		}
		h, err := loadOnce[header](t.from, r, store.Secrets, p.String())
		if err == nil && h != nil {
			err = t.secret(ctx, r, p, *h)
		}
		return err == nil, err
	})
}

func (t *takeover) secret(ctx context.Context, r *store.Tx, p policy.Path, h header) error {
	h.Versions = append([]version(nil), h.Versions...) // those of the record may be read by others
	for i := range h.Versions {
		if err := t.value(ctx, r, p, h.ID, &h.Versions[i]); err != nil {
			return err
		}
	}
	if at := h.due(); h.there() && !at.IsZero() {
		t.due = append(t.due, dueAt{p, at})
	}
	return t.add(ctx, put(store.Secrets, p.String(), h))
}

// value takes over a version: sealed to the new KEK, or as it is, where only the approval
// key opens it.
func (t *takeover) value(ctx context.Context, r *store.Tx, p policy.Path, secretID string, ver *version) error {
	key := valueKey(secretID, ver.N)
	sealed := bytes.Clone(r.Get(store.Values, key))
	by, _ := envelope.SealedBy(sealed) // what is malformed is found below
	if by == "" || by != t.state.ApprovalKey {
		pay, err := t.from.unseal(r, p, secretID, *ver, "")
		if err != nil {
			return fmt.Errorf("%w; to do without it: restore the backup without --as-new, delete the secret, and make another backup", err)
		}
		defer pay.Wipe()
		if sealed, err = t.to.keyring().Seal(t.to.place(secretID, p, ver.N), pay); err != nil {
			return err
		}
		if ver.Digest, err = envelope.Digest(sealed); err != nil {
			return err
		}
	} else if digest, err := envelope.Digest(sealed); err != nil || digest != ver.Digest {
		return foreignValue(p, ver.N)
	}
	t.values = append(t.values, storedValue{key, sealed})
	t.size += len(sealed)
	return t.flushIf(ctx, t.size >= takeOverBytes)
}

// add has a record written.
func (t *takeover) add(ctx context.Context, c audit.Change) error {
	t.changes = append(t.changes, c)
	return t.flushIf(ctx, len(t.changes) >= takeOverAtOnce)
}

// flushIf commits what was collected, if it is time. A value may come a commit before its
// header: nobody reads the file before it is whole.
func (t *takeover) flushIf(ctx context.Context, full bool) error {
	if !full || len(t.changes)+len(t.values) == 0 {
		return nil
	}
	err := t.to.db.Update(ctx, func(tx *store.Tx) error {
		for _, v := range t.values {
			if err := tx.Put(store.Values, v.key, v.sealed); err != nil {
				return err
			}
		}
		for _, d := range t.due {
			if err := t.to.schedule(tx, d.path, time.Time{}, d.at); err != nil {
				return err
			}
		}
		if len(t.changes) == 0 {
			return nil
		}
		ev := audit.Event{Actor: daemonActor, Action: audit.VaultRestore, Outcome: audit.OK}
		ev.Reason = fmt.Sprintf("records of %s, taken over: %d", t.note.Tenant, len(t.changes))
		_, err := t.to.log.Append(tx, ev, t.changes...)
		return err
	})
	t.changes, t.values, t.due, t.size = nil, nil, nil, 0
	return err
}

// end writes what is left, and vault.restore: who comes back, and that the backup's
// lockdown holds.
func (t *takeover) end(ctx context.Context, r *store.Tx) error {
	if err := t.flushIf(ctx, true); err != nil {
		return err
	}
	lock, err := t.from.lockdown(r)
	if err != nil {
		return err
	}
	old := &replacedData{none: true, lockdown: lock}
	return t.to.db.Update(ctx, func(tx *store.Tx) error {
		st, err := t.to.state(tx)
		if err != nil {
			return err
		}
		next := *st
		next.Restored = restoration{At: t.to.log.Now(), Events: t.note.Backup.Seq, Relation: t.note.Relation, Unknown: true}
		return t.to.endAll(tx, t.note, old, put(store.Vault, stateKey, next))
	})
}
