package policy

import "strings"

// Scope is one thing that an agent or a token may do:
//
//	secrets:{read|write|delete|rotate|*}:PATTERN   the action on matching paths
//	secrets:{read|write|delete|rotate|*}           the action, relative
//	read:secrets write:secrets delete:secrets      the same in short
//	rotate:secrets import:secrets (write)
//	namespaces:read                                the names of namespaces
//	manage:agents                                  accepted, opens nothing
//
// A relative scope is the action wherever its holder may do it. Scopes
// come from [ParseScope], keep the spelling they were sent in and can be
// compared with ==; the zero value allows nothing.
type Scope struct {
	s       string
	kind    scopeKind
	action  Action  // of absolute and relative scopes
	pattern Pattern // of absolute scopes
}

type scopeKind uint8

const (
	scopeNone scopeKind = iota
	scopeAbsolute
	scopeRelative
	scopeNamespaces
	scopeNothing
)

// fixedScopes are the scopes that are one word.
var fixedScopes = map[string]Scope{
	"read:secrets":    {kind: scopeRelative, action: Read},
	"write:secrets":   {kind: scopeRelative, action: Write},
	"import:secrets":  {kind: scopeRelative, action: Write},
	"delete:secrets":  {kind: scopeRelative, action: Delete},
	"rotate:secrets":  {kind: scopeRelative, action: Rotate},
	"namespaces:read": {kind: scopeNamespaces},
	"manage:agents":   {kind: scopeNothing},
}

// ParseScope reads one scope, exactly as the grammar at [Scope] has it. Errors
// wrap [ErrInvalid].
func ParseScope(s string) (Scope, error) {
	if scope, ok := fixedScopes[s]; ok {
		scope.s = s
		return scope, nil
	}
	rest, ok := strings.CutPrefix(s, "secrets:")
	if !ok {
		return Scope{}, invalid("scope must be secrets:ACTION:PATTERN, namespaces:read or a short form such as read:secrets")
	}
	verb, pattern, absolute := strings.Cut(rest, ":")
	action, err := ParseAction(verb)
	if err != nil {
		return Scope{}, invalid("scope %v", err)
	}
	if !absolute {
		return Scope{s: s, kind: scopeRelative, action: action}, nil
	}
	p, err := ParsePattern(pattern)
	if err != nil {
		return Scope{}, invalid("scope %v", err)
	}
	return Scope{s: s, kind: scopeAbsolute, action: action, pattern: p}, nil
}

// ParseScopes reads a list of at most MaxScopes; an error says which entry it is
// about. Errors wrap [ErrInvalid].
func ParseScopes(list []string) ([]Scope, error) {
	if len(list) > MaxScopes {
		return nil, invalid("more than %d scopes", MaxScopes)
	}
	scopes := make([]Scope, len(list))
	for i, s := range list {
		var err error
		if scopes[i], err = ParseScope(s); err != nil {
			return nil, invalid("entry %d: %v", i+1, err)
		}
	}
	return scopes, nil
}

// String returns the text that [ParseScope] read, "" for the zero value.
func (s Scope) String() string { return s.s }

// IsZero reports whether s is no scope.
func (s Scope) IsZero() bool { return s.kind == scopeNone }

// ListsNamespaces reports whether s is namespaces:read.
func (s Scope) ListsNamespaces() bool { return s.kind == scopeNamespaces }

// Literal returns the action and the path of a scope for one action on one
// secret.
func (s Scope) Literal() (Action, Path, bool) {
	path, ok := s.pattern.Literal()
	if !ok || !s.action.concrete() {
		return "", Path{}, false
	}
	return s.action, path, true
}

// Pattern returns the action and the pattern of a scope that has one.
func (s Scope) Pattern() (Action, Pattern, bool) {
	return s.action, s.pattern, s.kind == scopeAbsolute
}

// Matches reports whether s allows a on p. A relative scope allows its action
// on every path: where its holder may do it is for the holder's [Reach] to say.
func (s Scope) Matches(a Action, p Path) bool {
	if !a.concrete() || p.IsZero() || !s.action.covers(a) {
		return false
	}
	return s.kind == scopeRelative || s.pattern.Matches(p)
}

// acts reports whether s allows a on anything.
func (s Scope) acts(a Action) bool {
	return (s.kind == scopeAbsolute || s.kind == scopeRelative) && s.action.covers(a)
}

// coversAct reports whether s allows a on all that p matches.
func (s Scope) coversAct(a Action, p Pattern) bool {
	if !s.action.covers(a) {
		return false
	}
	return s.kind == scopeRelative || s.pattern.Covers(p)
}

// overlapsAct reports whether s allows a on some path in ns or below it.
func (s Scope) overlapsAct(a Action, ns Namespace) bool {
	if !s.action.covers(a) {
		return false
	}
	return s.kind == scopeRelative || s.pattern.Overlaps(ns)
}

// MarshalText returns [Scope.String]; the zero value is an error.
func (s Scope) MarshalText() ([]byte, error) {
	if s.IsZero() {
		return nil, invalid("scope is empty")
	}
	return []byte(s.s), nil
}

// UnmarshalText is [ParseScope].
func (s *Scope) UnmarshalText(text []byte) (err error) {
	*s, err = ParseScope(string(text))
	return err
}
