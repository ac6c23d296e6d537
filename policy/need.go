package policy

import "time"

// Need is what an approval of one act on one secret has to satisfy. It is kept
// with the approval, and compared with what is needed when it is used.
type Need struct {
	Tier Tier `json:"tier"`
	// Rule is the [Rule.ID] of the rule that asks, "" when the tier alone does.
	Rule string `json:"rule,omitempty"`
	// Approvals is how many different owners must agree.
	Approvals int `json:"approvals"`
	// Delay is the wait after the last of them, in nanoseconds.
	Delay time.Duration `json:"delay,omitempty"`
}

// Need says what an approval for a secret of tier t takes; r is the rule that
// asks for it, or nil.
func (p *Policy) Need(t Tier, r *Rule) Need {
	terms := p.Terms(t)
	n := Need{Tier: t, Approvals: terms.Approvals, Delay: terms.Delay}
	if r != nil && r.effect == Approve {
		n.Rule = r.id
	}
	return n
}

// Satisfies reports whether an approval that was given for n counts for what
// is needed now: the tier is the same, and nothing more is asked for, by no
// other rule. The zero value satisfies nothing.
func (n Need) Satisfies(now Need) bool {
	return n.Approvals > 0 && n.Tier == now.Tier &&
		now.Approvals <= n.Approvals && now.Delay <= n.Delay &&
		(now.Rule == "" || now.Rule == n.Rule)
}
