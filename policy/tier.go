package policy

// Tier says what an agent needs besides its scopes. It belongs to a secret
// with all its versions. The zero value is the tier of no secret: nothing is
// stored at the path yet, and nothing has been.
type Tier string

const (
	// Standard secrets need nothing more.
	Standard Tier = "standard"
	// Sensitive secrets need an owner's approval to read.
	Sensitive Tier = "sensitive"
	// Critical secrets need an owner's approval to read and to change.
	Critical Tier = "critical"
)

// ParseTier reads standard, sensitive or critical. Errors wrap [ErrInvalid].
func ParseTier(s string) (Tier, error) {
	if t := Tier(s); t.rank() > 0 {
		return t, nil
	}
	return "", invalid("access_tier must be standard, sensitive or critical")
}

// rank orders tiers: 0 for no secret, -1 for what is no tier.
func (t Tier) rank() int {
	switch t {
	case "":
		return 0
	case Standard:
		return 1
	case Sensitive:
		return 2
	case Critical:
		return 3
	}
	return -1
}

// AtLeast reports whether t is as strict as o or stricter. What is no tier is
// not comparable, and false.
func (t Tier) AtLeast(o Tier) bool {
	return o.rank() >= 0 && t.rank() >= o.rank()
}

// NeedsApproval reports whether an agent needs an owner's approval for a.
// Deleting, rotating and rolling back count as writing. What is no tier needs
// approval for everything.
func (t Tier) NeedsApproval(a Action) bool {
	switch t {
	case "", Standard:
		return false
	case Sensitive:
		return a == Read || !a.concrete()
	}
	return true
}

// NeedsStepUp reports whether an owner needs the approval passphrase for a,
// once the vault has one: for just what an agent needs an owner for, so that
// whoever has an owner's key alone gets no further than an agent.
func (t Tier) NeedsStepUp(a Action) bool { return t.NeedsApproval(a) }
