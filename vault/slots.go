package vault

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// slotChange is the change that stores a slot.
func slotChange(s seal.Slot) (audit.Change, error) {
	content, err := s.Marshal()
	return audit.Change{Object: audit.Object{Bucket: store.Slots, Key: string(s.ID)}, Content: content}, err
}

// slotNote is the record of where a slot came from, in bucket vault. A slot that was
// made with the vault has none.
type slotNote struct {
	Slot  seal.SlotID `json:"slot"`
	Added time.Time   `json:"added"`
	By    string      `json:"by"` // name of the owner
	ByID  string      `json:"by_id"`
}

func slotNoteKey(id seal.SlotID) string { return "slot/" + string(id) }

// SetSlotCommand says how the operator's command, whose output opens command slots, is
// run for a new one; nil: there is none.
func (v *Vault) SetSlotCommand(run func(context.Context) (seal.Secret, error)) {
	if run == nil {
		v.slotCommand.Store(nil)
		return
	}
	v.slotCommand.Store(&run)
}

// slotsIn are the slots, checked, in the order of their ids.
func (v *Vault) slotsIn(r store.Reader) (all []*seal.Slot, err error) {
	err = r.Scan(store.Slots, nil, func(k, _ []byte) (bool, error) {
		s, err := loadOnce[seal.Slot](v, r, store.Slots, string(k))
		if err == nil && s != nil {
			all = append(all, s)
		}
		return err == nil, err
	})
	return all, err
}

// Slots lists what opens the vault, oldest first, for owners.
func (v *Vault) Slots(ctx context.Context, req Request) ([]api.Slot, error) {
	list := []api.Slot{}
	err := v.look(ctx, req, audit.VaultSlotList, true, func(r store.Reader, _ *caller) error {
		all, err := v.slotsIn(r)
		if err != nil {
			return err
		}
		for _, s := range all {
			one, err := v.describeSlot(r, s)
			if err != nil {
				return err
			}
			list = append(list, one)
		}
		return nil
	})
	slices.SortStableFunc(list, func(a, b api.Slot) int { return a.AddedAt.Compare(b.AddedAt) })
	return list, err
}

func (v *Vault) describeSlot(r store.Reader, s *seal.Slot) (out api.Slot, err error) {
	out = api.Slot{ID: string(s.ID), Kind: string(s.Kind), Opened: s.ID == v.roots.Load().slot}
	if c := s.Argon2; c != nil {
		out.Argon2 = &api.SlotCost{MemoryKiB: int(c.MemoryKiB), Time: int(c.Time), Threads: int(c.Threads)}
	}
	note, err := load[slotNote](v, r, store.Vault, slotNoteKey(s.ID))
	if err != nil {
		return out, err
	}
	if note != nil {
		out.AddedAt, out.AddedBy = note.Added, &note.By
		return out, nil
	}
	st, err := v.state(r)
	if err == nil {
		out.AddedAt = st.Created
	}
	return out, err
}

// AddSlot has another secret open the vault, for owners.
func (v *Vault) AddSlot(ctx context.Context, req Request, want api.SlotAdd) (out api.Slot, err error) {
	secret, err := slotSecret(want)
	if err != nil {
		return out, err
	}
	if secret != nil {
		defer secret.Wipe()
	}
	if req, err = v.stepUp(ctx, req, want.Passphrase); err != nil {
		return out, err
	}
	slot, under, err := v.newSlot(ctx, req, secret)
	if err != nil {
		return out, asAPI(err)
	}
	err = v.do(ctx, on("vault.slot_add"), req, func(a *act) error {
		if err := a.ownerOnly(audit.VaultSlotAdd); err != nil {
			return err
		}
		if slot == nil { // it looked as if the guard would not let this pass
			return errRetry
		}
		if err := cmp.Or(v.current(under), a.roomForSlot()); err != nil {
			return err
		}
		note := slotNote{Slot: slot.ID, Added: v.log.Now(), By: a.caller.Name, ByID: a.caller.ID}
		change, err := slotChange(*slot)
		if err != nil {
			return err
		}
		if err := a.record(a.aboutSlot(audit.VaultSlotAdd, slot), change, put(store.Vault, slotNoteKey(slot.ID), note)); err != nil {
			return err
		}
		out, err = v.describeSlot(a.tx, slot)
		return err
	})
	return out, err
}

// slotSecret is the secret that came with a request; nil for a command, which is run
// later.
func slotSecret(want api.SlotAdd) (seal.Secret, error) {
	keyed := want.Kind == api.SlotFile || want.Kind == api.SlotKeyring
	switch {
	case keyed == (want.Key == nil):
		return nil, invalid("key", "it goes with the kinds file and keyring, and has to be there")
	case (want.Kind == api.SlotPassphrase) == (want.NewPassphrase == nil):
		return nil, invalid("new_passphrase", "it goes with the kind passphrase, and has to be there")
	case want.Kind == api.SlotPassphrase:
		p, err := seal.NewPassphrase([]byte(*want.NewPassphrase))
		if err != nil {
			return nil, invalid("new_passphrase", err.Error())
		}
		return p, nil
	case keyed:
		return slotKey(want.Kind, []byte(*want.Key))
	case want.Kind != api.SlotCommand:
		return nil, invalid("kind", "it is file, passphrase, command or keyring")
	}
	return nil, nil
}

func slotKey(kind string, text []byte) (seal.Secret, error) {
	defer clear(text)
	var err error
	if kind == api.SlotKeyring {
		var key *seal.KeyringKey
		if key, err = seal.ParseKeyringKey(text); err == nil {
			return key, nil
		}
	} else {
		var key *seal.FileKey
		if key, err = seal.ParseFileKey(text); err == nil {
			return key, nil
		}
	}
	return nil, invalid("key", err.Error())
}

// newSlot wraps the root key, which takes time, before the transaction; nil where the
// guard of the act is going to refuse it.
func (v *Vault) newSlot(ctx context.Context, req Request, secret seal.Secret) (slot *seal.Slot, under *seal.RootKey, err error) {
	if may, err := v.likely(req); err != nil || !may {
		return nil, nil, err
	}
	if secret == nil {
		if secret, err = v.runSlotCommand(ctx); err != nil {
			return nil, nil, err
		}
		defer secret.Wipe()
	}
	leave, err := v.tries.alone(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer leave()
	under = v.root()
	made, err := seal.NewSlot(under, v.tenant, secret, v.cfg.argon2())
	return &made, under, err
}

// likely reports whether the guard of an owner's act that takes the passphrase may let
// req pass.
func (v *Vault) likely(req Request) (bool, error) {
	st, err := v.stateNow()
	return err == nil && v.byOwner(req) && (st.ApprovalKey == "" || req.proof != nil), err
}

// runSlotCommand is what the operator's command prints.
func (v *Vault) runSlotCommand(ctx context.Context) (seal.Secret, error) {
	run := v.slotCommand.Load()
	if run == nil {
		return nil, api.New(api.CodeConflict, "no command is named whose output could open the vault").
			WithHint(`on the daemon's machine: seal-command = "/path/to/program" in assd.toml, then restart assd`)
	}
	secret, err := (*run)(ctx)
	if err != nil && ctx.Err() == nil {
		return nil, api.New(api.CodeConflict, err.Error()).WithHint("no slot was added; " + api.ConfigFile + " on the daemon's machine names the command")
	}
	return secret, err
}

// roomForSlot refuses one slot too many.
func (a *act) roomForSlot() error {
	all, err := a.v.slotsIn(a.tx)
	if err == nil && len(all) >= maxSlots {
		err = api.New(api.CodeConflict, fmt.Sprintf("the vault has %d slots, and can have no more", len(all))).
			WithHint("remove one first: ass vault slots list, ass vault slots remove ID")
	}
	return err
}

func (a *act) aboutSlot(action audit.Action, s *seal.Slot) audit.Event {
	ev := a.event(action)
	ev.Subject = &audit.Subject{ID: string(s.ID), Name: string(s.Kind)}
	return ev
}

// RemoveSlot has a secret open the vault no more, for owners. The last one cannot go;
// older copies of the data file still open with it.
func (v *Vault) RemoveSlot(ctx context.Context, req Request, id string, want api.SlotRemove) (out api.SlotRemoved, err error) {
	if req, err = v.stepUp(ctx, req, want.Passphrase); err != nil {
		return out, err
	}
	err = v.doReserved(ctx, on("vault.slot_remove"), req, func(a *act) error {
		if err := a.ownerOnly(audit.VaultSlotRemove); err != nil {
			return err
		}
		gone, left, err := a.slotToGo(id)
		if err != nil {
			return err
		}
		out = api.SlotRemoved{ID: id, Kind: string(gone.Kind), Left: left}
		changes := []audit.Change{remove(store.Slots, id)}
		note, err := load[slotNote](v, a.tx, store.Vault, slotNoteKey(gone.ID))
		if err != nil {
			return err
		}
		if note != nil {
			changes = append(changes, remove(store.Vault, slotNoteKey(gone.ID)))
		}
		return a.record(a.aboutSlot(audit.VaultSlotRemove, gone), changes...)
	})
	return out, err
}

// slotToGo is the slot with that id, with the kinds of the others.
func (a *act) slotToGo(id string) (gone *seal.Slot, left []string, err error) {
	all, err := a.v.slotsIn(a.tx)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range all {
		if string(s.ID) == id {
			gone = s
		} else {
			left = append(left, string(s.Kind))
		}
	}
	switch {
	case gone == nil:
		return nil, nil, api.New(api.CodeNotFound, "no such slot").WithHint("ass vault slots list shows them")
	case left == nil:
		return nil, nil, api.New(api.CodeConflict, "the last slot cannot be removed: nothing would open the vault any more").
			WithHint("add another one first: ass vault slots add --seal passphrase")
	}
	slices.Sort(left)
	return gone, slices.Compact(left), nil
}
