package policy

import (
	"slices"
	"strings"
)

// Reach is the most that an identity may do: its namespaces and its scopes,
// both. The zero value reaches nothing. The reach of a token without that of
// its holder is Reach{Scopes: scopes}.
type Reach struct {
	// Owner is a person: everything is within reach.
	Owner bool
	// Namespaces are those allowed, each with all below it; nil is all, and
	// empty but not nil is none.
	Namespaces []Namespace
	// Scopes are those allowed; none is none.
	Scopes []Scope
}

// ParseReachNamespaces reads a list of allowed namespaces, at most
// MaxReachNamespaces. "NS" and "NS/*" mean NS and all below it; a "*" anywhere
// makes the list nil: all namespaces. An empty list is none, not all. An error
// says which entry it is about and wraps [ErrInvalid].
func ParseReachNamespaces(list []string) ([]Namespace, error) {
	if len(list) > MaxReachNamespaces {
		return nil, invalid("more than %d namespaces", MaxReachNamespaces)
	}
	all, out := false, make([]Namespace, 0, len(list))
	for i, s := range list {
		if s == "*" {
			all = true
			continue
		}
		ns, err := ParseNamespace(strings.TrimSuffix(s, "/*"))
		if err != nil {
			return nil, invalid("entry %d: %v", i+1, err)
		}
		out = append(out, ns)
	}
	if all {
		return nil, nil
	}
	return out, nil
}

// Allows reports whether a on p is within reach. It says nothing about tiers;
// [Decide] does.
func (r Reach) Allows(a Action, p Path) bool {
	if !a.concrete() || p.IsZero() {
		return false
	}
	if r.Owner {
		return true
	}
	return r.holds(p.Namespace()) && anyMatches(r.Scopes, a, p)
}

// Covers reports whether all that s allows is within reach; a scope that is
// partly beyond it is not, and is never narrowed. It may be wrong on the side
// of false where only several namespaces together make up what s covers.
//
//   - A relative scope means whatever its holder may, so it is within reach of
//     whoever may do it to anything. It opens no more than the reach at use.
//   - namespaces:read shows no more than what r may list, so it is within
//     reach of whoever reads anything.
//   - What opens nothing is within any reach.
func (r Reach) Covers(s Scope) bool {
	if s.IsZero() {
		return false
	}
	if r.Owner {
		return true
	}
	switch s.kind {
	case scopeAbsolute:
		return r.holdsPattern(s.pattern) && r.allowsAll(s.action, s.pattern)
	case scopeRelative:
		return r.actsSomewhere(s.action)
	case scopeNamespaces:
		return r.listsNamespaces()
	}
	return s.kind == scopeNothing
}

// Lists reports whether the names of secrets may be shown: with whole, all
// that are in ns and below it; without, one or more that could be there.
// Reading is what lists.
func (r Reach) Lists(ns Namespace, whole bool) bool {
	switch {
	case ns.IsZero():
		return false
	case r.Owner:
		return true
	case whole:
		return r.holds(ns) && r.allowsAll(Read, ns.Below())
	}
	return r.readsIn(ns)
}

// holds reports whether ns lies in the namespaces of r.
func (r Reach) holds(ns Namespace) bool {
	for _, one := range r.Namespaces {
		if one.Covers(ns) {
			return true
		}
	}
	return r.Namespaces == nil
}

// holdsPattern reports whether all that p matches lies in the namespaces of r.
func (r Reach) holdsPattern(p Pattern) bool {
	for _, one := range r.Namespaces {
		if one.Below().Covers(p) {
			return true
		}
	}
	return r.Namespaces == nil
}

// allowsAll reports whether the scopes of r allow a on all that p matches;
// each of the actions that a stands for may come from another scope.
func (r Reach) allowsAll(a Action, p Pattern) bool {
	for _, one := range a.Each() {
		if !anyCovers(r.Scopes, one, p) {
			return false
		}
	}
	return true
}

// actsSomewhere reports whether the scopes of r allow each of the actions that a
// stands for on anything at all.
func (r Reach) actsSomewhere(a Action) bool {
	for _, one := range a.Each() {
		if !slices.ContainsFunc(r.Scopes, func(s Scope) bool { return s.acts(one) }) {
			return false
		}
	}
	return r.Namespaces == nil || len(r.Namespaces) > 0
}

// listsNamespaces reports whether r may ask for the names of namespaces.
func (r Reach) listsNamespaces() bool {
	for _, s := range r.Scopes {
		if s.ListsNamespaces() || s.action.covers(Read) {
			return true
		}
	}
	return false
}

// readsIn reports whether some path in ns or below it could be read.
func (r Reach) readsIn(ns Namespace) bool {
	if r.Namespaces == nil {
		return anyOverlaps(r.Scopes, Read, ns)
	}
	for _, one := range r.Namespaces {
		switch {
		case one.Covers(ns):
			if anyOverlaps(r.Scopes, Read, ns) {
				return true
			}
		case ns.Covers(one):
			if anyOverlaps(r.Scopes, Read, one) {
				return true
			}
		}
	}
	return false
}

func anyMatches(scopes []Scope, a Action, p Path) bool {
	for _, s := range scopes {
		if s.Matches(a, p) {
			return true
		}
	}
	return false
}

func anyCovers(scopes []Scope, a Action, p Pattern) bool {
	for _, s := range scopes {
		if s.coversAct(a, p) {
			return true
		}
	}
	return false
}

func anyOverlaps(scopes []Scope, a Action, ns Namespace) bool {
	for _, s := range scopes {
		if s.overlapsAct(a, ns) {
			return true
		}
	}
	return false
}
