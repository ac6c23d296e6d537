package vault

import (
	"context"
	"fmt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// Claim gives the vault its first owner and returns the owner's key, once in
// the vault's life. from says where the claim came from; name is the owner's. A
// passphrase that comes with it becomes the approval passphrase; then the answer
// has the recovery passphrase too.
func (v *Vault) Claim(ctx context.Context, name string, from Origin, want api.ClaimRequest) (api.Claim, error) {
	owner, key, identity := newIdentity(kindOwner, name, v.cfg.Now().UTC())
	first, err := v.claimPassphrase(ctx, owner, want)
	if err != nil {
		return api.Claim{}, asAPI(err)
	}
	err = v.db.UpdateReserved(ctx, func(tx *store.Tx) error {
		st, err := v.claimable(tx)
		if err != nil {
			return err
		}
		next := *st
		next.ClaimedAt, next.ClaimedBy, next.Claimant = v.log.Now(), from.Source.Place(), name
		actor := audit.Actor{ID: owner.ID, Kind: string(kindOwner), Name: name}
		ev := from.event(audit.OwnerCreate, actor)
		ev.Subject = &audit.Subject{ID: owner.ID, Name: name}
		if first != nil {
			next.ApprovalKey = first.key.ID()
			if err := v.recordFirst(tx, from.event(audit.PassphraseSet, actor), first); err != nil {
				return err
			}
		}
		if _, err := v.log.Append(tx, ev, append(identity[:len(identity):len(identity)], put(store.Vault, stateKey, next))...); err != nil {
			return err
		}
		_, err = v.log.Append(tx, from.event(audit.AuthLogin, actor))
		return err
	})
	if err != nil {
		return api.Claim{}, asAPI(err)
	}
	v.claimed.Store(true)
	out := api.Claim{OwnerKey: key, OwnerID: owner.ID, Name: name, Tenant: v.tenant, VerifyKey: v.VerifyKey()}
	if first != nil {
		out.RecoveryPassphrase = first.text
	}
	return out, nil
}

// claimLine is the line of those who claim with a passphrase; no owner's id.
const claimLine = "claim"

// claimPassphrase makes the approval key of a claim that brings a passphrase. It is
// done before the transaction, for one claim at a time, and only while the vault can
// be claimed: nobody else makes the daemon compute.
func (v *Vault) claimPassphrase(ctx context.Context, owner identity, want api.ClaimRequest) (*firstPassphrase, error) {
	if want.Passphrase == nil || v.claimed.Load() {
		return nil, nil
	}
	_, leave, err := v.tries.first(ctx, claimLine)
	if err != nil {
		return nil, err
	}
	defer leave()
	if v.claimed.Load() { // by the one before
		return nil, nil
	}
	p, err := seal.NewPassphrase([]byte(*want.Passphrase))
	if err != nil {
		return nil, api.New(api.CodeValidation, err.Error()).WithHint("choose another one, of eight characters or more")
	}
	defer p.Wipe()
	return v.newPassphrase(owner.ID, owner.Name, p)
}

// recordFirst writes the event of the first passphrase with its records.
func (v *Vault) recordFirst(tx *store.Tx, ev audit.Event, f *firstPassphrase) error {
	ev.Subject, ev.Reason = &audit.Subject{ID: f.owner.Holder, Name: f.owner.Name}, "the first one, with a recovery passphrase"
	_, err := v.log.Append(tx, ev, f.changes()...)
	return err
}

// claimable is the state of a vault that has never been claimed.
func (v *Vault) claimable(tx *store.Tx) (*state, error) {
	st, err := v.state(tx)
	if err != nil {
		return nil, err
	}
	if !st.ClaimedAt.IsZero() {
		return nil, api.New(api.CodeConflict, fmt.Sprintf("this vault was claimed on %s by %s, from %s",
			st.ClaimedAt.Format("2006-01-02 15:04:05 MST"), st.Claimant, st.ClaimedBy)).
			WithHint("log in with an owner's or an agent's key: ASS_AGENT_KEY=ask_live_... ass login")
	}
	before, err := everClaimed(tx)
	if err == nil && (before || v.claimed.Load()) {
		err = &audit.TamperError{What: "record vault/state", Problem: "it says unclaimed, the trail says claimed"}
	}
	return st, err
}
