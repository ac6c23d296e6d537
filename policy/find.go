package policy

// RuleByID returns the rule of this [Rule.ID], nil when the policy has none: what
// an approval rested on is not there any more.
func (p *Policy) RuleByID(id string) *Rule {
	if p == nil || id == "" {
		return nil
	}
	for _, r := range p.rules {
		if r.id == id {
			return r
		}
	}
	return nil
}
