package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/envelope"
	"github.com/agent-secret-store/assd/vault/seal"
)

// proof says that an owner's passphrase came with a request and opened the private
// half of the approval key. It is worth something for that request alone, while
// the record that was opened is the one in force.
type proof struct {
	owner  string // id
	digest string // of the record
	key    *envelope.ApprovalKey
}

// stepUp checks the passphrase that came with req; without one it returns req as
// it is, and the act that needs one is refused by its guard. It is done before the
// transaction: Argon2 is slow on purpose. Whoever does not pass leaves an event.
func (v *Vault) stepUp(ctx context.Context, req Request, text *string) (Request, error) {
	if text == nil {
		return req, nil
	}
	lock, err := v.lockOf(req)
	if refused, ok := errors.AsType[*api.Error](err); ok && refused.Code != api.CodeValidation {
		return req, v.refuseStepUp(ctx, req, refused)
	}
	if err != nil {
		return req, asAPI(err)
	}
	p, err := seal.NewPassphrase([]byte(*text))
	if err != nil { // so it cannot be the right one
		return req, v.refuseStepUp(ctx, req, wrongPassphrase())
	}
	defer p.Wipe()
	leave, err := v.tries.enter(ctx, lock.Holder+" "+req.Class())
	if err != nil {
		return req, err
	}
	key, err := v.openWith(lock, p)
	leave(err)
	switch {
	case errors.Is(err, seal.ErrWrongPassphrase):
		return req, v.refuseStepUp(ctx, req, wrongPassphrase())
	case err != nil:
		return req, asAPI(err)
	}
	req.proof = &proof{lock.Holder, lock.digest(), key}
	return req, nil
}

// lockOf is the passphrase record of the owner whose key req bears, on a snapshot.
func (v *Vault) lockOf(req Request) (lock *passphraseLock, err error) {
	err = v.db.View(func(s *store.Snapshot) error {
		m, err := v.momentOf(s)
		if err != nil {
			return err
		}
		c, err := v.resolveAt(s, m, req.Credential, req.Origin)
		if reason, failed := asUnauthorized(err); failed {
			return unauthorized(reason) // nobody gets as far as Argon2
		}
		switch {
		case err != nil:
			return err
		case !c.owner() || c.token != nil:
			return api.New(api.CodeScopeDenied, "a passphrase goes with an owner's own key").WithHint("leave it out")
		case m.keyed == "":
			return invalid("passphrase", "this vault has no approval passphrase")
		}
		lock, err = load[passphraseLock](v, s, store.Passphrases, c.ID)
		if err == nil && lock == nil {
			err = api.New(api.CodeConflict, "you have no approval passphrase of your own yet").
				WithHint("with the daemon stopped, on its machine: assd passphrase set --owner NAME")
		}
		return err
	})
	return lock, err
}

func wrongPassphrase() *api.Error { return stepUpRequired("the approval passphrase is wrong") }

// refuseStepUp records a passphrase that is refused.
func (v *Vault) refuseStepUp(ctx context.Context, req Request, refused *api.Error) error {
	return v.do(ctx, on("passphrase.try"), req, func(a *act) error {
		ev := a.event(audit.StepUpFailed)
		ev.Outcome, ev.Reason = audit.Denied, refused.Message
		return &refusal{refused, []audit.Event{ev}}
	})
}

// takeProof makes the caller one who has stepped up, if the proof that came with
// the request is good in this transaction.
func (a *act) takeProof(o op) error {
	p := a.req.proof
	if p == nil {
		return nil
	}
	lock, err := load[passphraseLock](a.v, a.tx, store.Passphrases, p.owner)
	if err != nil {
		return err
	}
	if p.owner != a.caller.ID || a.caller.token != nil || lock == nil || lock.digest() != p.digest || lock.Key != a.keyed {
		return a.refuseGuarded(o, stepUpRequired("the approval passphrase was just changed"))
	}
	a.caller.steppedUp = true
	return nil
}

// openWith opens the private half with a passphrase.
func (v *Vault) openWith(lock *passphraseLock, p seal.Passphrase) (*envelope.ApprovalKey, error) {
	tenant, err := v.tenantNow(lock.Key)
	if err != nil {
		return nil, err
	}
	held := v.roots.Load()
	private, err := lock.Wrap.Unwrap(held.outer, tenant, lock.Key, lock.Holder, p)
	if held.outerBefore != nil && errors.Is(err, seal.ErrOpen) { // read before another root key came
		private, err = lock.Wrap.Unwrap(held.outerBefore, tenant, lock.Key, lock.Holder, p)
	}
	switch {
	case errors.Is(err, seal.ErrWrongPassphrase):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("opening the approval key for %s: %w", lock.Holder, err)
	}
	defer clear(private)
	return envelope.OpenApprovalKey(lock.Key, private)
}

// opener is the id of what the approval key is kept for, where the caller reads with
// it: the request that an agent's grant answers, or an owner's token. "": nothing.
func (c *caller) opener(g *grant) string {
	switch {
	case g != nil:
		return g.Approval
	case c.token != nil && c.token.StepUp:
		return c.token.ID
	}
	return ""
}

// mayLower refuses to lower a tier without what that needs.
func (a *act) mayLower(ev audit.Event, h *header, d draft) error {
	if !d.lower || !h.lowers(d) {
		return nil
	}
	if !a.caller.stepUp || a.caller.token != nil && a.caller.token.StepUp {
		return nil
	}
	const reason = "lowering the tier of a secret needs the approval passphrase, with a token for just this write"
	return refuse(ev, stepUpRequired(reason), reason)
}

// lowers reports whether d would lower the tier in force.
func (h *header) lowers(d draft) bool {
	return h != nil && d.tier != "" && !d.tier.AtLeast(h.Tier)
}
