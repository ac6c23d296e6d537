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
)

// String returns deny, allow or approve.
func (e Effect) String() string {
	switch e {
	case Allow:
		return "allow"
	case Approve:
		return "approve"
	}
	return "deny"
}

// Decision is an effect and the reason for it, which the caller and the audit
// trail may show.
type Decision struct {
	Effect Effect
	Reason string
}

// Decide says whether a request may go ahead: when it is within the caller's
// reach, within the token's scopes, and either the caller is an owner, the
// tier asks for nothing, or an approval has been granted. Everything else is
// denied or waits for approval. Reach is settled before the tier is looked at,
// so a caller who may not see a path is told the same whether it exists or
// not.
func Decide(r Request) Decision {
	switch {
	case !r.Action.concrete():
		return Decision{Deny, "the action is none of read, write, delete, rotate"}
	case r.Path.IsZero():
		return Decision{Deny, "no path is named"}
	case !r.Caller.Allows(r.Action, r.Path):
		return Decision{Deny, fmt.Sprintf("to %s this path is beyond the caller's namespaces and scopes", r.Action)}
	case !r.tokenAllows():
		return Decision{Deny, fmt.Sprintf("no scope of the token allows to %s this path", r.Action)}
	case r.Tier.rank() < 0:
		return Decision{Deny, "the secret's tier is unknown"}
	case r.Caller.Owner:
		return Decision{Allow, "an owner may"}
	case !r.Tier.NeedsApproval(r.Action):
		return Decision{Allow, "within the caller's namespaces and scopes"}
	case r.Granted:
		return Decision{Allow, "an owner has approved it"}
	}
	return Decision{Approve, fmt.Sprintf("to %s a %s secret needs an owner's approval", r.Action, r.Tier)}
}

func (r Request) tokenAllows() bool {
	if r.Direct && len(r.Token) == 0 {
		return true
	}
	return anyMatches(r.Token, r.Action, r.Path)
}
