package vault

import (
	"context"
	"fmt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// Claim gives the vault its first owner and returns the owner's key, once in
// the vault's life. by says where the claim came from; name is the owner's.
func (v *Vault) Claim(ctx context.Context, name string, from Origin) (api.Claim, error) {
	var out api.Claim
	err := v.db.UpdateReserved(ctx, func(tx *store.Tx) error {
		st, err := v.claimable(tx)
		if err != nil {
			return err
		}
		owner, key, changes := newIdentity(kindOwner, name, v.log.Now())
		next := *st
		next.ClaimedAt, next.ClaimedBy, next.Claimant = v.log.Now(), from.Source.String(), name
		actor := audit.Actor{ID: owner.ID, Kind: string(kindOwner), Name: name}
		changes = append(changes, put(store.Vault, stateKey, next))
		ev := from.event(audit.OwnerCreate, actor)
		ev.Subject = &audit.Subject{ID: owner.ID, Name: name}
		if _, err := v.log.Append(tx, ev, changes...); err != nil {
			return err
		}
		_, err = v.log.Append(tx, from.event(audit.AuthLogin, actor))
		out = api.Claim{OwnerKey: key, OwnerID: owner.ID, Name: name, Tenant: v.tenant, VerifyKey: v.VerifyKey()}
		return err
	})
	if err != nil {
		return api.Claim{}, asAPI(err)
	}
	v.claimed.Store(true)
	return out, nil
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
