package policy

import "fmt"

// Request is one act on one secret, with what is true of it now. The zero
// value is denied.
type Request struct {
	// Caller is who acts: the reach of the identity, also behind a token.
	Caller Reach
	// Token is what the token carries. Nothing else passes, so a token
	// without scopes passes nothing.
	Token []Scope
	// Direct says that the identity's own key acts and no token. Scopes in
	// Token bind then too, if there are any.
	Direct bool
	// Action is what is done; never [ActionAny].
	Action Action
	// Path is the secret it is done to.
	Path Path
	// Tier is that of the secret, of its tombstone once deleted, or "" when
	// there never was one.
	Tier Tier
	// Granted says that an owner has approved just this and it still holds.
	Granted bool
	// Rules are those of the policy file that bind the caller now. They bind
	// agents, never owners.
	Rules Bound
	// StepUp says that the vault has an approval passphrase.
	StepUp bool
	// SteppedUp says that it was given for just this act.
	SteppedUp bool
}

// Effect is the outcome of a decision; the zero value is [Deny].
type Effect uint8

const (
	// Deny: it must not happen.
	Deny Effect = iota
	// Allow: it may happen.
	Allow
	// Approve: it may happen once an owner approves.
	Approve
	// StepUp: it may happen once the owner gives the approval passphrase.
	StepUp
)

// String returns deny, allow, approve or step_up.
func (e Effect) String() string {
	switch e {
	case Allow:
		return "allow"
	case Approve:
		return "approve"
	case StepUp:
		return "step_up"
	}
	return "deny"
}

// Decision is an effect and the reason for it, which the caller and the audit
// trail may show.
type Decision struct {
	Effect Effect
	Reason string
	// Rule is the rule of the policy file that made it so, or nil. Where only
	// the tier asks for approval, it is nil.
	Rule *Rule
}

// Decide says whether a request may go ahead: when it is within the caller's
// reach and within the token's scopes, and
//
//   - for an owner: the tier asks for no passphrase, or it was given;
//   - for an agent: the first rule about it does not deny it, and neither that
//     rule nor the tier asks for approval, or it has been granted. A rule that
//     allows only keeps later rules from being looked at.
//
// Everything else is denied or waits. Reach is settled before rules and tier
// are looked at, so a caller who may not see a path is told the same whatever
// is there.
func Decide(r Request) Decision {
	switch {
	case !r.Action.concrete():
		return Decision{Reason: "the action is none of read, write, delete, rotate"}
	case r.Path.IsZero():
		return Decision{Reason: "no path is named"}
	case !r.Caller.Allows(r.Action, r.Path):
		return Decision{Reason: fmt.Sprintf("to %s this path is beyond the caller's namespaces and scopes", r.Action)}
	case !r.tokenAllows():
		return Decision{Reason: fmt.Sprintf("no scope of the token allows to %s this path", r.Action)}
	case r.Tier.rank() < 0:
		return Decision{Reason: "the secret's tier is unknown"}
	case r.Caller.Owner:
		return r.decideOwner()
	}
	return r.decideAgent()
}

func (r Request) decideOwner() Decision {
	if r.StepUp && !r.SteppedUp && r.Tier.NeedsStepUp(r.Action) {
		return Decision{Effect: StepUp, Reason: fmt.Sprintf("to %s a %s secret needs the approval passphrase", r.Action, r.Tier)}
	}
	return Decision{Effect: Allow, Reason: "an owner may"}
}

func (r Request) decideAgent() Decision {
	rule := r.Rules.First(r.Action, r.Path)
	if rule != nil && rule.effect == Deny {
		return Decision{Deny, rule.why("is denied", r.Action), rule}
	}
	asks := rule != nil && rule.effect == Approve
	if !asks && !r.Tier.NeedsApproval(r.Action) {
		return Decision{Allow, "within the caller's namespaces and scopes", rule}
	}
	if !asks {
		rule = nil // one that allows does not lift the tier
	}
	switch {
	case r.Granted:
		return Decision{Allow, "an owner has approved it", rule}
	case asks:
		return Decision{Approve, rule.why("needs an owner's approval", r.Action), rule}
	}
	return Decision{Effect: Approve, Reason: fmt.Sprintf("to %s a %s secret needs an owner's approval", r.Action, r.Tier)}
}

func (r Request) tokenAllows() bool {
	if r.Direct && len(r.Token) == 0 {
		return true
	}
	return anyMatches(r.Token, r.Action, r.Path)
}
