package policy

import (
	"slices"
	"strings"
)

// Bound is the rules that bind one agent at one place, in the order of the
// file. It comes from [Policy.For]; the zero value has none.
type Bound struct{ rules []*Rule }

// For returns the rules that bind the agent of this name, called from there.
// Owners are bound by none: do not ask for theirs.
func (p *Policy) For(agent string, from Place) Bound {
	if p == nil {
		return Bound{}
	}
	var b Bound
	agent = strings.ToLower(agent)
	for _, r := range p.rules {
		if r.binds(agent, from) {
			b.rules = append(b.rules, r)
		}
	}
	return b
}

// First returns the first rule about a on path, nil when there is none: the
// one that counts.
func (b Bound) First(a Action, path Path) *Rule {
	for _, r := range b.rules {
		if r.matches(a, path) {
			return r
		}
	}
	return nil
}

// Refuses returns a rule that denies a on something that pat matches, or nil
// when no such path is denied; with [ActionAny], one of the four. It may name
// a rule that earlier ones, each about a part, leave nothing to deny.
func (b Bound) Refuses(a Action, pat Pattern) *Rule {
	for _, one := range a.Each() {
		if r := b.refuses(one, pat); r != nil {
			return r
		}
	}
	return nil
}

func (b Bound) refuses(a Action, pat Pattern) *Rule {
	for _, r := range b.rules {
		switch {
		case r.effect == Deny && r.overlaps(a, pat):
			return r
		case r.effect != Deny && r.covers(a, pat):
			return nil // nothing is left for those below
		}
	}
	return nil
}

// Overlapping returns the rules about a on something that pat matches, in
// order; with [ActionAny], about any of the four. An explanation may show
// them; they decide nothing.
func (b Bound) Overlapping(a Action, pat Pattern) []*Rule {
	var found []*Rule
	for _, r := range b.rules {
		if slices.ContainsFunc(a.Each(), func(one Action) bool { return r.overlaps(one, pat) }) {
			found = append(found, r)
		}
	}
	return found
}
