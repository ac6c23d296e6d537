package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/envelope"
)

// Rollback stores the value of an older version of the secret at p anew, as its next
// version, with the metadata and the expiry of that. It is a write: type and tier stay
// as they are.
func (v *Vault) Rollback(ctx context.Context, req Request, p policy.Path, want api.SecretRollback) (api.SecretInfo, error) {
	if want.Version == nil || *want.Version == 0 {
		return api.SecretInfo{}, invalid("version", "a whole number from 1 is expected")
	}
	return v.write(ctx, req, p, draft{back: *want.Version})
}

// why is what the trail says of the write.
func (d draft) why() string {
	switch {
	case d.made:
		return "made by its rotator"
	case d.back == 0:
		return ""
	}
	return fmt.Sprintf("to version %d", d.back)
}

// takeBack gives d the payload of the version that it goes back to, if the caller has
// what opens it; otherwise it is shut. What else stands against it, the transaction
// says.
func (v *Vault) takeBack(r store.Reader, p policy.Path, at *target, d *draft) (ready, shut bool, err error) {
	if !at.exists() {
		return false, false, nil
	}
	ver := at.versionFor(at.by, d.back, v.now(r))
	if ver == nil {
		return false, false, nil
	}
	d.payload, err = v.unseal(r, p, at.ID, *ver, at.by.opener(nil))
	if errors.Is(err, errNoKey) {
		return false, true, nil
	}
	return err == nil, false, err
}

// goesBack is d with the expiry of the version that it goes back to, if that is kept,
// is another one than the current, and was opened.
func (a *act) goesBack(p policy.Path, h *header, d draft, s sealedDraft) (draft, error) {
	ver := h.versionFor(a.caller, d.back, a.now)
	switch {
	case ver == nil:
		return d, versionNotFound()
	case ver.N == h.Current:
		return d, api.New(api.CodeConflict, fmt.Sprintf("version %d is the current one already", ver.N)).
			WithHint("ass secrets history " + p.String() + " shows the others")
	case ver.expired(a.now):
		return d, api.New(api.CodeConflict, fmt.Sprintf("version %d has expired, and would be expired anew", ver.N)).
			WithHint(fmt.Sprintf("to bring its value back: ass secrets get %s --version %d | ass secrets set %s", p, ver.N, p))
	case s.shut:
		return d, a.refuseShut(p, d)
	case s.sealed == nil:
		return d, errStale
	}
	d.expires = ver.Expires
	return d, nil
}

// mayOpenBack refuses an agent that goes back to what is sealed to the approval key,
// before it asks for an approval that would not help it.
func (a *act) mayOpenBack(p policy.Path, d draft) error {
	if d.back == 0 || a.caller.owner() || policy.Decide(a.caller.request(policy.Write, p, policy.Standard)).Effect == policy.Deny {
		return nil // what else stands against it is said later
	}
	h, err := a.v.header(a.tx, p)
	if err != nil {
		return err
	}
	h = h.seenBy(a.caller, a.now)
	if !h.exists() {
		return nil
	}
	ver := h.versionFor(a.caller, d.back, a.now)
	if ver == nil {
		return nil
	}
	by, _ := envelope.SealedBy(a.tx.Get(store.Values, valueKey(h.ID, ver.N))) // what is malformed does not open either
	if by == "" || by != a.keyed {
		return nil
	}
	return a.refuseShut(p, d)
}

// refuseShut refuses to go back to a value that only the approval key opens.
func (a *act) refuseShut(p policy.Path, d draft) error {
	ev := a.about(audit.SecretRollback, p)
	if a.caller.owner() {
		const reason = "to roll back opens the old value, which needs the approval passphrase, with a token for just this write"
		return refuse(ev, stepUpRequired(reason), reason)
	}
	const reason = "only an owner can roll this back: the old value opens with the approval passphrase alone"
	return refuse(ev, api.New(api.CodeScopeDenied, reason).
		WithHint(fmt.Sprintf("ask an owner to run: ass secrets rollback %s --to %d", p, d.back)), reason)
}
