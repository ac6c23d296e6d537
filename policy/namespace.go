package policy

import "strings"

// Namespace is where secrets live: one or more segments, "production/openai".
// It is made by [ParseNamespace] or taken from a [Path]; the zero value names
// nothing. Namespaces can be compared with ==.
type Namespace struct{ s string }

// ParseNamespace reads segments [A-Za-z0-9_.-]+ with single slashes between
// them, at most MaxNamespace bytes in all. Errors wrap [ErrInvalid].
func ParseNamespace(s string) (Namespace, error) {
	if s == "" {
		return Namespace{}, invalid("namespace is empty")
	}
	if len(s) > MaxNamespace {
		return Namespace{}, invalid("namespace is longer than %d bytes", MaxNamespace)
	}
	for n, rest, more := 1, s, true; more; n++ {
		var seg string
		seg, rest, more = cutSegment(rest)
		if fault := segmentFault(seg); fault != "" {
			return Namespace{}, invalid("namespace segment %d %s", n, fault)
		}
	}
	return Namespace{s}, nil
}

// String returns the text that [ParseNamespace] reads, "" for the zero value.
func (n Namespace) String() string { return n.s }

// IsZero reports whether n names nothing.
func (n Namespace) IsZero() bool { return n.s == "" }

// Covers reports whether o is n or lies below it. It goes by whole segments:
// "prod" does not cover "production".
func (n Namespace) Covers(o Namespace) bool {
	if n.IsZero() {
		return false
	}
	rest, ok := strings.CutPrefix(o.s, n.s)
	return ok && (rest == "" || rest[0] == '/')
}

// Below is the pattern of all paths in n and under it.
func (n Namespace) Below() Pattern {
	if n.IsZero() {
		return Pattern{}
	}
	return Pattern{n.s + "/*"}
}

// MarshalText returns [Namespace.String]; the zero value is an error.
func (n Namespace) MarshalText() ([]byte, error) {
	if n.IsZero() {
		return nil, invalid("namespace is empty")
	}
	return []byte(n.s), nil
}

// UnmarshalText is [ParseNamespace].
func (n *Namespace) UnmarshalText(text []byte) (err error) {
	*n, err = ParseNamespace(string(text))
	return err
}
