package vault

import (
	"fmt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
)

// op names an act as the table of guards does, and the secret that it is about.
type op struct {
	act  string
	path policy.Path
}

func on(act string) op { return op{act: act} }

func (o op) at(p policy.Path) op {
	o.path = p
	return o
}

// refused is the action in the trail of an act that its guard refuses.
func (o op) refused() audit.Action {
	if as, ok := otherNames[o.act]; ok {
		return as
	}
	return audit.Action(o.act)
}

// otherNames are the acts that the trail calls otherwise.
var otherNames = map[string]audit.Action{
	"token.issue": audit.TokenCreate, "secret.get": audit.SecretRead, "secret.put": audit.SecretWrite,
	"namespaces": audit.SecretList, "policy.accept": audit.PolicyReload, "policy.get": audit.PolicyRead, "me": audit.MeRead,
	"audit": audit.AuditRead, "approval.get": audit.ApprovalList,
}

// guard is what an act needs besides the caller's rights, by the table of package
// policy. An act that is not in the table cannot run.
func (a *act) guard(o op) error {
	g, ok := policy.GuardOf(o.act)
	if !ok {
		return fmt.Errorf("the act %q has no guard", o.act)
	}
	if a.lockdown.locked() && !g.InLockdown {
		return a.refuseGuarded(o, a.lockdown.lockedDown())
	}
	if err := a.takeProof(o); err != nil {
		return err
	}
	if g.StepUp == policy.StepUpAlways && a.caller.owner() && a.caller.token == nil && a.caller.stepUp && !a.caller.steppedUp {
		return a.refuseGuarded(o, stepUpRequired(stepUpReason))
	}
	return nil
}

// refuseGuarded ends an act that its guard stops.
func (a *act) refuseGuarded(o op, err *api.Error) error {
	ev := a.event(o.refused())
	if !o.path.IsZero() {
		ev = a.about(o.refused(), o.path)
	}
	return refuse(ev, err, err.Message)
}

const stepUpReason = "this needs the approval passphrase, in this very request"

func stepUpRequired(reason string) *api.Error {
	return api.New(api.CodeStepUpRequired, reason).
		WithHint("give it on the terminal that ass asks on, or with --passphrase-file FILE")
}

// keyOnly refuses a token.
func (a *act) keyOnly(action audit.Action) error {
	if a.caller.token == nil {
		return nil
	}
	const reason = "a token does not open this; the key does"
	return refuse(a.event(action), api.New(api.CodeScopeDenied, reason), reason)
}
