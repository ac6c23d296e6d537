package vault

import (
	"context"
	"sort"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// owners are the living ones.
func (v *Vault) owners(r store.Reader) (living []*identity, err error) {
	err = r.Scan(store.Owners, nil, func(k, _ []byte) (bool, error) {
		id, err := load[identity](v, r, store.Owners, string(k))
		if err == nil && id.Revoked.IsZero() {
			living = append(living, id)
		}
		return err == nil, err
	})
	sort.SliceStable(living, func(i, j int) bool { return living[i].Created.Before(living[j].Created) })
	return living, err
}

// Owners lists the living owners, oldest first, for owners.
func (v *Vault) Owners(ctx context.Context, req Request) ([]api.Owner, error) {
	list := []api.Owner{}
	err := v.look(ctx, req, audit.OwnerList, true, func(r store.Reader, _ *caller) error {
		living, err := v.owners(r)
		for _, id := range living {
			lock, locked := load[passphraseLock](v, r, store.Passphrases, id.ID)
			if locked != nil {
				return locked
			}
			list = append(list, v.describeOwner(id, lock != nil))
		}
		return err
	})
	return list, err
}

func (v *Vault) describeOwner(id *identity, hasPassphrase bool) api.Owner {
	return api.Owner{
		ID: id.ID, Name: id.Name, APIKeyPrefix: id.KeyPrefix, HasPassphrase: hasPassphrase,
		CreatedAt: id.Created, LastActiveAt: v.active.last(id.ID),
	}
}

// CreateOwner makes another owner, for owners. Where there is an approval
// passphrase the new one gets a passphrase of its own, which is told once and is
// to be changed.
func (v *Vault) CreateOwner(ctx context.Context, req Request, want api.OwnerCreate) (out api.OwnerCreated, err error) {
	if err := policy.CheckName(want.Name); err != nil {
		return out, invalid("name", err.Error())
	}
	if req, err = v.stepUp(ctx, req, want.Passphrase); err != nil {
		return out, err
	}
	id, key, changes := newIdentity(kindOwner, want.Name, v.cfg.Now().UTC())
	lock, initial, err := v.initialPassphrase(req, &id)
	if err != nil {
		return out, asAPI(err)
	}
	err = v.do(ctx, on("owner.create"), req, func(a *act) error {
		if err := a.ownerOnly(audit.OwnerCreate); err != nil {
			return err
		}
		if err := v.nameFree(a.tx, want.Name); err != nil {
			return err
		}
		if err := a.twoOwners("owner.create", want.Name, ""); err != nil {
			return err
		}
		used, err := a.settleGrants()
		if err != nil {
			return err
		}
		id.Created = v.log.Now()
		all := append(used, put(store.Owners, id.ID, id))
		all = append(all, changes[1:]...)
		if lock != nil {
			if err := v.current(lock.under); err != nil {
				return err
			}
			all = append(all, lock.change())
		}
		ev := a.event(audit.OwnerCreate)
		ev.Subject = &audit.Subject{ID: id.ID, Name: id.Name}
		return a.record(ev, all...)
	})
	if err != nil {
		return out, err
	}
	return api.OwnerCreated{Owner: v.describeOwner(&id, lock != nil), APIKey: key, InitialPassphrase: initial}, nil
}

// initialPassphrase is the passphrase that a new owner begins with, where the
// maker has proved one.
func (v *Vault) initialPassphrase(req Request, id *identity) (*passphraseLock, *string, error) {
	if req.proof == nil {
		return nil, nil, nil
	}
	p, text := seal.GeneratePassphrase()
	defer p.Wipe()
	lock, err := v.newLock(req.proof.key, id.ID, id.Name, p)
	return lock, &text, err
}

// RevokeOwner ends an owner, found by id or name, with its key, tokens and
// passphrase. The last one cannot be ended.
func (v *Vault) RevokeOwner(ctx context.Context, req Request, idOrName string, want api.OwnerRevoke) (err error) {
	if req, err = v.stepUp(ctx, req, want.Passphrase); err != nil {
		return err
	}
	return v.doReserved(ctx, on("owner.revoke"), req, func(a *act) error {
		if err := a.ownerOnly(audit.OwnerRevoke); err != nil {
			return err
		}
		who, err := a.livingOwner(idOrName)
		if err != nil {
			return err
		}
		if err := a.someoneHasPassphrase(who.ID); err != nil {
			return err
		}
		if err := a.twoOwners("owner.revoke", who.Name, who.ID); err != nil {
			return err
		}
		changes, err := a.settleGrants()
		if err != nil {
			return err
		}
		next := *who
		next.Revoked = v.log.Now()
		changes = append(changes, put(store.Owners, who.ID, next), remove(store.Names, nameKey(kindOwner, who.Name)))
		lock, err := load[passphraseLock](v, a.tx, store.Passphrases, who.ID)
		if err != nil {
			return err
		}
		if lock != nil {
			changes = append(changes, remove(store.Passphrases, who.ID))
		}
		a.ends = true
		ev := a.event(audit.OwnerRevoke)
		ev.Subject = &audit.Subject{ID: who.ID, Name: who.Name}
		return a.record(ev, changes...)
	})
}

// someoneHasPassphrase refuses to let the last owner go who has an approval
// passphrase: nobody could approve anything any more.
func (a *act) someoneHasPassphrase(without string) error {
	if a.keyed == "" {
		return nil
	}
	living, err := a.v.owners(a.tx)
	if err != nil {
		return err
	}
	for _, one := range living {
		lock, err := load[passphraseLock](a.v, a.tx, store.Passphrases, one.ID)
		if err != nil || lock != nil && one.ID != without {
			return err
		}
	}
	return api.New(api.CodeConflict, "no other owner has an approval passphrase: nobody could approve anything any more").
		WithHint("make another owner first: ass agents create --owner --name NAME")
}

// livingOwner is the owner with that id or name, if it is not the last.
func (a *act) livingOwner(idOrName string) (*identity, error) {
	id, err := a.v.idOf(a.tx, kindOwner, idOrName)
	if err != nil {
		return nil, err
	}
	living, err := a.v.owners(a.tx)
	if err != nil {
		return nil, err
	}
	for _, one := range living {
		if one.ID != id {
			continue
		}
		if len(living) == 1 {
			return nil, api.New(api.CodeConflict, "the last owner cannot be revoked: nobody could do anything here any more").
				WithHint("make another one first: ass agents create --owner --name NAME")
		}
		return one, nil
	}
	return nil, api.New(api.CodeNotFound, "no such living owner").WithHint("ass agents list --owners shows them")
}
