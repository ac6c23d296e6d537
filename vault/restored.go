package vault

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// restoration is what the state remembers of the last restore. All of it is comparable:
// see wake.
type restoration struct {
	At       time.Time `json:"at"`
	Events   uint64    `json:"events"`             // of the backup
	Replaced uint64    `json:"replaced,omitempty"` // events of what was replaced, as far as known
	Relation Relation  `json:"relation"`
	Unknown  bool      `json:"unknown,omitempty"` // nobody knows who was revoked since the backup
}

// resume compares the database with the head kept beside the key file, or goes on with
// a restore, whose note lies there as well.
func (v *Vault) resume(ctx context.Context) error {
	note, err := readRestoreNote(v.cfg)
	if err != nil {
		return err
	}
	if note == nil {
		return v.compareHead()
	}
	var pending, done bool
	err = v.db.View(func(s *store.Snapshot) error {
		pending, done, err = note.stands(s, v.tenant, v.log.Head().Head)
		return err
	})
	switch {
	case err != nil:
		return err
	case pending:
		err = v.finishRestore(ctx, note)
	case done: // killed before the head file was written
		err = v.headAfter(note)
	default: // killed before the backup was in place, or after all was done
		if err = v.compareHead(); err == nil {
			err = v.dropAside(note)
		}
	}
	if err != nil {
		return err
	}
	return note.remove(v.cfg)
}

// headAfter writes the head file of a vault that is restored. One of another vault that was
// made of a backup is its own: there was none.
func (v *Vault) headAfter(note *restoreNote) error {
	if note.Into != "" && headKept(v.cfg) {
		return v.compareHead()
	}
	return v.heads.Write(v.log.Head())
}

// stands says how far the restore has come, by the trail in r that ends at head: whether
// it is the backup's as it was, or the backup's and what makes it the vault's.
func (n *restoreNote) stands(r store.Reader, tenant string, head audit.Head) (pending, done bool, err error) {
	if n.Into != "" && tenant == n.Into { // it got its name whole
		return false, true, nil
	}
	if tenant != n.Tenant || head.Seq < n.Backup.Seq {
		return false, false, nil
	}
	at, err := audit.HashAt(r, n.Backup.Seq)
	if err != nil || at != n.Backup.Hash {
		return false, false, err
	}
	if head.Seq == n.Backup.Seq {
		return true, false, nil
	}
	next, err := audit.Read(r, n.Backup.Seq+1)
	return false, err == nil && next.Action == audit.VaultRestore && !next.Time.Before(n.At), err
}

// dropAside removes the second name that an interrupted restore has given to the data
// file.
func (v *Vault) dropAside(note *restoreNote) error {
	if note.Replaced == nil || note.Replaced.File == "" {
		return nil
	}
	aside := filepath.Join(v.cfg.Dir, note.Replaced.File)
	kept, err := os.Lstat(aside)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	here, err := os.Lstat(v.cfg.dbFile())
	if err != nil || !os.SameFile(kept, here) {
		return err
	}
	return os.Remove(aside)
}

// finishRestore makes the backup the vault, in one commit: a new epoch, in which nothing
// of before opens anything but the keys of those who are not revoked.
func (v *Vault) finishRestore(ctx context.Context, note *restoreNote) error {
	old := v.readReplaced(ctx, note.Replaced)
	_, signer, _ := ed25519.GenerateKey(rand.Reader)
	_, tokens, _ := ed25519.GenerateKey(rand.Reader)
	defer clear(signer)
	kept := append(ed25519.PrivateKey(nil), signer...) // the log's own
	id := newID("jwk")
	err := v.db.UpdateReserved(ctx, func(tx *store.Tx) error {
		st, err := v.state(tx)
		if err != nil {
			return err
		}
		if err := v.endAll(tx, note, old); err != nil {
			return err
		}
		next := *st
		next.TokenKey, next.OtherTokenKey = id, true
		next.Restored = restoration{v.log.Now(), note.Backup.Seq, note.replacedSeq(), note.Relation, old.unknown()}
		blob, err := v.root().Seal(seal.RoleToken, v.tenant, id, tokens.Seed())
		if err != nil {
			return err
		}
		changes, err := v.newSigner(tx, &next, signer)
		if err != nil {
			return err
		}
		changes = append(changes, put(store.Keys, tokenKeyName(next), sealedKey{blob}), remove(store.Keys, tokenKeyName(*st)))
		ev := audit.Event{Actor: daemonActor, Reason: "after a restore"}
		return v.log.Rotate(tx, ev, kept, changes...)
	})
	if err != nil {
		return fmt.Errorf("finishing the restore: %w", err)
	}
	key, err := newTokenKey(id, v.tenant, tokens)
	if err != nil {
		return err
	}
	v.tokens.Store(key)
	v.cfg.Log.Warn("the vault was restored from a backup", "backup", note.Backup.Seq, "replaced", note.replacedSeq(), "relation", string(note.Relation))
	return v.heads.Write(v.log.Head())
}

func (n *restoreNote) replacedSeq() uint64 {
	if n.Replaced == nil {
		return 0
	}
	return n.Replaced.Head.Seq
}

// endAll writes vault.restore, with which all tokens, grants and requests end, and
// revokes who was revoked in what was replaced.
func (v *Vault) endAll(tx *store.Tx, note *restoreNote, old *replacedData, changes ...audit.Change) error {
	lock, err := v.lockdownAfter(tx, old)
	if err != nil {
		return err
	}
	changes = append(changes, put(store.Vault, lockdownKey, lock))
	wishes, err := keysOf(tx, store.Wishes)
	for _, k := range wishes {
		changes = append(changes, remove(store.Wishes, k))
	}
	if err != nil {
		return err
	}
	reason, err := v.restoreReason(tx, note, old)
	if err != nil {
		return err
	}
	if _, err := v.log.Append(tx, audit.Event{
		Actor: daemonActor, Action: audit.VaultRestore, Outcome: audit.OK, Reason: reason,
	}, changes...); err != nil {
		return err
	}
	if err := v.dropVoid(tx); err != nil {
		return err
	}
	return v.keepRevoked(tx, old)
}

// lockdownAfter is the lockdown record after a restore: locked if either side was, and
// counted on, so that what either has issued has ended, also where a record of it were
// put back.
func (v *Vault) lockdownAfter(r store.Reader, old *replacedData) (lockdown, error) {
	here, err := v.lockdown(r)
	if err != nil {
		return lockdown{}, err
	}
	now := v.log.Now()
	next := lockdown{Since: now, By: daemonActor.Name, ByID: daemonActor.ID, Reason: "restored from a backup", Lifted: now}
	for _, l := range []*lockdown{old.lockdown, here} {
		if l.locked() {
			next = *l
		}
	}
	next.Count = max(here.count(), old.lockdown.count()) + 1
	return next, nil
}

// dropVoid removes what has ended with the restore, and opens nothing, present or
// absent.
func (v *Vault) dropVoid(tx *store.Tx) error {
	for _, b := range []store.Bucket{store.Tokens, store.Grants, store.Approvals} {
		keys, err := keysOf(tx, b)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if err := v.log.Drop(tx, audit.Object{Bucket: b, Key: k}); err != nil {
				return err
			}
		}
	}
	hints, err := keysOf(tx, store.Expiry)
	for _, k := range hints {
		err = errors.Join(err, tx.Delete(store.Expiry, []byte(k)))
	}
	return err
}

func keysOf(r store.Reader, b store.Bucket) (keys []string, err error) {
	err = r.Scan(b, nil, func(k, _ []byte) (bool, error) {
		keys = append(keys, string(k))
		return true, nil
	})
	return keys, err
}

// keepRevoked revokes who was revoked in what was replaced, with an event each, and
// takes keys away that did not count there any more.
func (v *Vault) keepRevoked(tx *store.Tx, old *replacedData) error {
	for _, k := range []kind{kindOwner, kindAgent} {
		ids, err := keysOf(tx, k.bucket())
		if err != nil {
			return err
		}
		for _, id := range ids {
			who, err := load[identity](v, tx, k.bucket(), id)
			if err != nil {
				return err
			}
			if was := old.identities[id]; was != nil && who.Revoked.IsZero() {
				if err := v.keepAs(tx, k, who, was); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// keepAs has who be no more than it was in what was replaced.
func (v *Vault) keepAs(tx *store.Tx, k kind, who, was *identity) error {
	if was.Revoked.IsZero() && !was.Recovered.After(who.Recovered) {
		return nil
	}
	changes, err := v.withoutKeys(tx, k, who.ID)
	if err != nil {
		return err
	}
	ev := audit.Event{Actor: daemonActor, Action: audit.AgentRevoke, Outcome: audit.OK, Reason: "it was revoked in what the backup replaced"}
	if k == kindOwner {
		ev.Action = audit.OwnerRevoke
	}
	ev.Subject = &audit.Subject{ID: who.ID, Name: who.Name}
	last, err := v.lastOwner(tx, k)
	switch {
	case err != nil:
		return err
	case was.Revoked.IsZero():
		ev.Action, ev.Reason = audit.OwnerRecover, "its key was made anew in what the backup replaced; the backup's does not count (assd recover-owner makes another)"
	case last: // or there were nobody to make a key for
		ev.Action, ev.Reason = audit.OwnerRecover, "it was revoked in what the backup replaced, and is the last owner: its key does not count (assd recover-owner makes another)"
	default:
		changes = append(changes, v.revoked(tx, k, who, was.Revoked)...)
	}
	_, err = v.log.Append(tx, ev, changes...)
	return err
}

// lastOwner reports whether an identity of that kind is the last living owner.
func (v *Vault) lastOwner(r store.Reader, k kind) (bool, error) {
	if k != kindOwner {
		return false, nil
	}
	living, err := v.owners(r)
	return len(living) == 1, err
}

// revoked are the records of an identity that is revoked since.
func (v *Vault) revoked(r store.Reader, k kind, who *identity, since time.Time) []audit.Change {
	next := *who
	next.Revoked = since
	changes := []audit.Change{put(k.bucket(), who.ID, next), remove(store.Names, nameKey(k, who.Name))}
	if r.Get(store.Passphrases, []byte(who.ID)) != nil {
		changes = append(changes, remove(store.Passphrases, who.ID))
	}
	return changes
}

// maxReturning is how many names one event lists.
const maxReturning = 100

// restoreReason says what came in the place of what.
func (v *Vault) restoreReason(r store.Reader, note *restoreNote, old *replacedData) (string, error) {
	text := fmt.Sprintf("a backup up to event %d (%s) ", note.Backup.Seq, note.Backup.Hash)
	switch {
	case note.Into != "":
		text += "of " + note.Tenant + ", which is another vault"
	case note.Replaced == nil:
		text += "where no data was"
	default:
		text += fmt.Sprintf("in place of data up to event %d (%s), which %s", note.Replaced.Head.Seq, note.Replaced.Head.Hash, note.Relation.phrase())
	}
	if !old.unknown() {
		return text, nil
	}
	if old.problem != "" {
		text += "; who was revoked there cannot be told: " + old.problem
	}
	var names []string
	for _, k := range []kind{kindOwner, kindAgent} {
		ids, err := keysOf(r, k.bucket())
		if err != nil {
			return "", err
		}
		for _, id := range ids {
			who, err := load[identity](v, r, k.bucket(), id)
			if err != nil {
				return "", err
			}
			if who.Revoked.IsZero() && old.identities[id] == nil {
				names = append(names, Returning{Kind: string(k), Name: who.Name}.Command())
			}
		}
	}
	more := ""
	if len(names) > maxReturning {
		more = fmt.Sprintf("; and %d more", len(names)-maxReturning)
		names = names[:maxReturning]
	}
	return text + "; these come back, to revoke them: " + strings.Join(names, "; ") + more, nil
}

// phrase says it after "which".
func (r Relation) phrase() string {
	switch r {
	case RelationNewer:
		return "goes on from the backup"
	case RelationOlder:
		return "the backup goes on from"
	case RelationFork:
		return "is a fork: it parts from the backup before that"
	}
	return "could not be held against it"
}

// replacedData is what counts of the data that a backup has replaced.
type replacedData struct {
	identities map[string]*identity
	lockdown   *lockdown
	problem    string // what of it could not be read
	none       bool   // there was no data
}

// unknown reports whether somebody may have been revoked there of whom it is not known.
func (d *replacedData) unknown() bool { return d.none || d.problem != "" }

// readReplaced reads who was what in the data that was replaced. Its records have to be
// authentic, by the root key that is the backup's as well: where another one has come in
// between, nobody knows who was what.
func (v *Vault) readReplaced(ctx context.Context, was *replacedNote) *replacedData {
	d := &replacedData{identities: map[string]*identity{}}
	if was == nil || was.File == "" {
		d.none = was == nil
		if was != nil {
			d.problem = "only its head file was there"
		}
		return d
	}
	path := filepath.Join(v.cfg.Dir, was.File)
	db, err := openCopy(path, false)
	if err == nil {
		err = errors.Join(v.readIdentities(ctx, db, was, d), db.Close())
	}
	if err != nil {
		d.problem = fmt.Sprintf("reading %q: %s", path, plainly(err))
	} else if was.Problem != "" {
		d.problem = was.Problem
	}
	return d
}

func (v *Vault) readIdentities(ctx context.Context, db *store.DB, was *replacedNote, d *replacedData) error {
	if was.whole() { // then it must be so still
		rep, err := audit.Verify(ctx, db)
		if err != nil || rep.Problem != "" || rep.Head.Seq != was.Head.Seq || rep.Head.Hash != was.Head.Hash {
			return errors.Join(err, errors.New("it was changed since it was put aside"))
		}
	}
	return db.View(func(s *store.Snapshot) (err error) {
		if d.lockdown, err = v.lockdown(s); err != nil {
			return err
		}
		for _, k := range []kind{kindOwner, kindAgent} {
			err = errors.Join(err, s.Scan(k.bucket(), nil, func(key, _ []byte) (bool, error) {
				who, err := loadOnce[identity](v, s, k.bucket(), string(key))
				if err == nil {
					d.identities[string(key)] = who
				}
				return err == nil, err
			}))
		}
		return err
	})
}

// tellRestored says whether the vault was restored lately.
func (v *Vault) tellRestored(r store.Reader, m moment, p *api.Protection) error {
	st, err := v.state(r)
	if err != nil || st.Restored.At.IsZero() || m.now.Sub(st.Restored.At) >= RestoreShown {
		return err
	}
	d := st.Restored
	p.Restored = &api.Restored{At: d.At, Events: d.Events, ReplacedEvents: d.Replaced, Relation: string(d.Relation), RevocationsUnknown: d.Unknown}
	return nil
}
