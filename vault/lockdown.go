package vault

import (
	"context"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// lockdown is the record at vault/lockdown. Tokens, requests and grants carry the
// count they were made under; under another one they have ended, for good.
type lockdown struct {
	Count  int       `json:"count"` // lockdowns so far, this one among them
	Since  time.Time `json:"since"`
	By     string    `json:"by"`    // name of who pulled the switch
	ByID   string    `json:"by_id"` // and id
	Reason string    `json:"reason,omitempty"`
	Lifted time.Time `json:"lifted,omitzero"`
}

const lockdownKey = "lockdown"

// lockdown is the record of the last lockdown, nil when there never was one.
func (v *Vault) lockdown(r store.Reader) (*lockdown, error) {
	return load[lockdown](v, r, store.Vault, lockdownKey)
}

func (l *lockdown) locked() bool { return l != nil && l.Lifted.IsZero() }

// count is how many lockdowns there were.
func (l *lockdown) count() int {
	if l == nil {
		return 0
	}
	return l.Count
}

func (l *lockdown) describe() api.Lockdown {
	if !l.locked() {
		return api.Lockdown{}
	}
	return api.Lockdown{Locked: true, Since: &l.Since, By: l.By, Reason: l.Reason}
}

// lockedDown is the refusal of what a lockdown stops.
func (l *lockdown) lockedDown() *api.Error {
	return api.New(api.CodeLockedDown, "the vault is locked down since "+l.Since.Format("2006-01-02 15:04:05 MST")+" by "+l.By+": no value leaves and no secret changes").
		WithHint("an owner lifts it with: ass vault lift")
}

// Lockdown stops everything at once: tokens, grants and requests end, no value
// leaves and no secret changes until an owner lifts it. Owners pull it, agents
// where the policy says so. To pull it again changes nothing.
func (v *Vault) Lockdown(ctx context.Context, req Request, want api.LockdownRequest) (out api.Lockdown, err error) {
	if err := checkReason(want.Reason); err != nil {
		return out, err
	}
	err = v.doReserved(ctx, on("vault.lockdown"), req, func(a *act) error {
		if err := a.mayLockDown(); err != nil {
			return err
		}
		old := a.lockdown
		if old.locked() {
			out = old.describe()
			return nil
		}
		next := &lockdown{Count: old.count() + 1, Since: v.log.Now(), By: a.caller.Name, ByID: a.caller.ID, Reason: want.Reason}
		out = next.describe()
		ev := a.event(audit.VaultLockdown)
		ev.Reason = want.Reason
		a.news = true
		return a.record(ev, put(store.Vault, lockdownKey, next))
	})
	if err == nil {
		v.keys.dropAll()
	}
	return out, err
}

func (a *act) mayLockDown() error {
	if a.caller.token == nil && (a.caller.owner() || a.policy.AnyoneLocksDown()) {
		return nil
	}
	if !a.caller.owner() && a.caller.token == nil {
		const reason = "only an owner may lock the vault down"
		return refuse(a.event(audit.VaultLockdown), api.New(api.CodeScopeDenied, reason).
			WithHint(`where agents are to: [lockdown] by = "any" in `+api.PolicyFile), reason)
	}
	return a.keyOnly(audit.VaultLockdown)
}

// Lift ends a lockdown. What it has ended stays ended.
func (v *Vault) Lift(ctx context.Context, req Request, want api.LiftRequest) (out api.Lockdown, err error) {
	if err := checkReason(want.Reason); err != nil {
		return out, err
	}
	if req, err = v.stepUp(ctx, req, want.Passphrase); err != nil {
		return out, err
	}
	err = v.doReserved(ctx, on("vault.lift"), req, func(a *act) error {
		if err := a.ownerOnly(audit.VaultLift); err != nil {
			return err
		}
		if !a.lockdown.locked() {
			return api.New(api.CodeConflict, "the vault is not locked down").WithHint("ass status shows how it stands")
		}
		next := *a.lockdown
		next.Lifted = v.log.Now()
		out = next.describe()
		ev := a.event(audit.VaultLift)
		ev.Reason = want.Reason
		a.news = true
		return a.record(ev, put(store.Vault, lockdownKey, next))
	})
	return out, err
}
