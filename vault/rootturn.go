package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// rootTurn is a new root key, with the slots that it lies in.
type rootTurn struct {
	under *seal.RootKey // the one it comes in place of
	key   *seal.RootKey
	outer tink.AEAD
	moved []movedSlot
	lost  []*seal.Slot // those whose secret is not at hand
}

// movedSlot is a slot and what comes in its place, for the same secret.
type movedSlot struct {
	was  *seal.Slot
	next seal.Slot
}

// slotAfter is the slot in the place of one; where that is lost, the first there is.
func (r *rootTurn) slotAfter(was seal.SlotID) seal.SlotID {
	for _, m := range r.moved {
		if m.was.ID == was {
			return m.next.ID
		}
	}
	return r.moved[0].next.ID
}

// newRoot makes a root key and wraps it for each slot whose secret is at hand, which
// takes time, before the transaction; nil where none is wanted, or where the guard of
// the act is going to refuse it.
func (v *Vault) newRoot(ctx context.Context, req Request, want api.KEKRotation) (*rootTurn, error) {
	if !want.Root {
		return nil, withoutRoot(want)
	}
	if len(want.SlotPassphrases) > maxSlots {
		return nil, invalid("slot_passphrases", fmt.Sprintf("at most %d", maxSlots))
	}
	if may, err := v.likely(req); err != nil || !may {
		return nil, err
	}
	var all []*seal.Slot
	if err := v.db.View(func(s *store.Snapshot) (err error) {
		all, err = v.slotsIn(s)
		return err
	}); err != nil {
		return nil, err
	}
	typed, err := passphrasesOf(want)
	defer wipeAll(typed)
	if err != nil {
		return nil, err
	}
	found := v.atHand(ctx, v.cfg.configured(), kindsOfAll(all))
	defer wipeAll(found)
	leave, err := v.tries.enter(ctx, "slots "+req.Class())
	if err != nil {
		return nil, err
	}
	r, err := v.wrapRoot(all, typed, found, v.tenant)
	leave(err)
	if errors.Is(err, seal.ErrWrongPassphrase) {
		return nil, invalid("slot_passphrases", "one of them opens no slot of this vault")
	}
	return r, err
}

// withoutRoot refuses what goes with another root key only.
func withoutRoot(want api.KEKRotation) error {
	switch {
	case want.SlotPassphrases != nil:
		return invalid("slot_passphrases", "it goes with root")
	case want.DropOthers:
		return invalid("drop_others", "it goes with root")
	}
	return nil
}

func passphrasesOf(want api.KEKRotation) (all []seal.Secret, err error) {
	for _, text := range want.SlotPassphrases {
		p, err := seal.NewPassphrase([]byte(text))
		if err != nil {
			return all, invalid("slot_passphrases", err.Error())
		}
		all = append(all, p)
	}
	return all, nil
}

func kindsOfAll(slots []*seal.Slot) (kinds []seal.Kind) {
	for _, s := range slots {
		kinds = append(kinds, s.Kind)
	}
	return kinds
}

// atHand are the secrets that open slots of these kinds and that can be had now. What
// cannot be had is told by the slots that would be lost.
func (v *Vault) atHand(ctx context.Context, openers []Opener, kinds []seal.Kind) (all []seal.Secret) {
	command := v.slotCommand.Load()
	for _, o := range openers {
		if !slices.Contains(kinds, o.Kind) || command != nil && o.Kind == seal.KindCommand {
			continue
		}
		if secret, err := o.Secret(ctx, v.tenant); err == nil {
			all = append(all, secret)
		}
	}
	if command != nil && slices.Contains(kinds, seal.KindCommand) { // the configuration that is in force
		if secret, err := (*command)(ctx); err == nil {
			all = append(all, secret)
		}
	}
	return all
}

// wrapRoot wraps a new root key, of that tenant, for each slot that one of the secrets
// opens. One that was typed and opens none is a mistake, and [seal.ErrWrongPassphrase].
func (v *Vault) wrapRoot(slots []*seal.Slot, typed, found []seal.Secret, tenant string) (*rootTurn, error) {
	r := &rootTurn{under: v.root(), key: seal.NewRootKey()}
	var err error
	if r.outer, err = r.key.ApprovalAEAD(); err != nil {
		return nil, err
	}
	used := make([]bool, len(typed))
	secrets := append(slices.Clone(typed), found...)
	for _, s := range slots {
		at := slices.IndexFunc(secrets, func(secret seal.Secret) bool { return opens(s, v.tenant, secret) })
		if at < 0 {
			r.lost = append(r.lost, s)
			continue
		}
		if at < len(typed) {
			used[at] = true
		}
		cost := v.cfg.argon2()
		if s.Argon2 != nil {
			cost = *s.Argon2
		}
		next, err := seal.NewSlot(r.key, tenant, secrets[at], cost)
		if err != nil {
			return nil, err
		}
		r.moved = append(r.moved, movedSlot{s, next})
	}
	if slices.Contains(used, false) {
		return nil, seal.ErrWrongPassphrase
	}
	return r, nil
}

func opens(s *seal.Slot, tenant string, secret seal.Secret) bool {
	if s.Kind != secret.Kind() {
		return false
	}
	root, err := s.Unlock(tenant, secret)
	if err == nil {
		root.Wipe()
	}
	return err == nil
}

// rootChanges puts the new root key in place of the one there was: the records of its
// slots, of the passphrases, of the keyring that is replaced, and of the old root key,
// which has to authenticate what is not written anew yet. From here on all is sealed
// under the new one.
func (a *act) rootChanges(r *rootTurn, next *state, drop bool) (changes []audit.Change, err error) {
	v := a.v
	if err := a.mayTurnRoot(r, drop); err != nil {
		return nil, err
	}
	if changes, err = a.slotChanges(r); err != nil {
		return nil, err
	}
	locks, err := a.lockChanges(r)
	if err != nil {
		return nil, err
	}
	next.Turn.Root, next.Turn.RootSince, next.Turn.Stage = newID("rot"), v.log.Next(), stageRecords
	before, err := r.key.SealRoot(v.tenant, next.Turn.Root, r.under)
	if err != nil {
		return nil, err
	}
	kek, err := v.keyring().Marshal(r.key, v.tenant)
	if err != nil {
		return nil, err
	}
	v.takeRoot(a.tx, r)
	return append(append(changes, locks...),
		put(store.Keys, rootRecord(next.Turn.Root), sealedKey{before}), put(store.Keys, kekRecord(next.Turn.Old), sealedKey{kek})), nil
}

// mayTurnRoot refuses to lose a slot that nobody has agreed to lose.
func (a *act) mayTurnRoot(r *rootTurn, drop bool) error {
	if r == nil { // it looked as if the guard would not let this pass
		return errRetry
	}
	if err := a.v.current(r.under); err != nil {
		return err
	}
	all, err := a.v.slotsIn(a.tx)
	if err != nil {
		return err
	}
	for _, s := range all {
		if !slices.ContainsFunc(r.moved, func(m movedSlot) bool { return m.was.ID == s.ID }) &&
			!slices.ContainsFunc(r.lost, func(l *seal.Slot) bool { return l.ID == s.ID }) {
			return api.New(api.CodeConflict, "the slots have just changed").WithHint("try again")
		}
	}
	switch {
	case len(r.moved) == 0:
		return api.New(api.CodeConflict, "what opens the slots is not at hand, and nothing would open the vault any more").
			WithHint("name the passphrase of a slot with --slot-passphrase-file FILE, or put the key file where assd looks for it; nothing was changed")
	case len(r.lost) > 0 && !drop:
		return api.New(api.CodeConflict, "what opens these slots is not at hand, and they would be lost: "+strings.Join(namesOf(r.lost), ", ")).
			WithHint("name their passphrases with --slot-passphrase-file FILE, or let them go with --drop-others; nothing was changed")
	}
	return nil
}

// describe says for the trail what becomes of the slots.
func (r *rootTurn) describe() string {
	text := fmt.Sprintf("in %d slots", len(r.moved))
	if len(r.lost) > 0 {
		text += "; dropped: " + strings.Join(namesOf(r.lost), ", ")
	}
	return text
}

func idsOf(slots []*seal.Slot) (ids []string) {
	for _, s := range slots {
		ids = append(ids, string(s.ID))
	}
	return ids
}

func namesOf(slots []*seal.Slot) (names []string) {
	for _, s := range slots {
		names = append(names, fmt.Sprintf("%s (%s)", s.ID, s.Kind))
	}
	return names
}

// slotChanges puts the new slots in place of those there are, each with the note of who
// added it.
func (a *act) slotChanges(r *rootTurn) (changes []audit.Change, err error) {
	gone := slices.Clone(r.lost)
	for _, m := range r.moved {
		gone = append(gone, m.was)
		change, err := slotChange(m.next)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change)
		note, err := load[slotNote](a.v, a.tx, store.Vault, slotNoteKey(m.was.ID))
		if err != nil {
			return nil, err
		}
		if note != nil {
			next := *note
			next.Slot = m.next.ID
			changes = append(changes, put(store.Vault, slotNoteKey(next.Slot), next))
		}
	}
	for _, s := range gone {
		here, err := load[seal.Slot](a.v, a.tx, store.Slots, string(s.ID))
		if err != nil {
			return nil, err
		}
		if here == nil {
			return nil, api.New(api.CodeConflict, "the slots have just changed").WithHint("try again")
		}
		changes = append(changes, remove(store.Slots, string(s.ID)))
		if a.tx.Get(store.Vault, []byte(slotNoteKey(s.ID))) != nil {
			changes = append(changes, remove(store.Vault, slotNoteKey(s.ID)))
		}
	}
	return changes, nil
}

// lockChanges wraps what each passphrase opens under the new root key.
func (a *act) lockChanges(r *rootTurn) (changes []audit.Change, err error) {
	v := a.v
	st, err := v.state(a.tx)
	if err != nil {
		return nil, err
	}
	holders, err := keysOf(a.tx, store.Passphrases)
	if err != nil {
		return nil, err
	}
	for _, holder := range holders {
		lock, err := load[passphraseLock](v, a.tx, store.Passphrases, holder)
		if err != nil || lock == nil {
			return nil, err
		}
		next := *lock
		if next.Wrap, err = lock.Wrap.Rewrap(v.roots.Load().outer, r.outer, st.keyTenant(), lock.Key, lock.Holder); err != nil {
			return nil, err
		}
		changes = append(changes, next.change())
	}
	return changes, nil
}
