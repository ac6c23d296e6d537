package policy

import (
	"fmt"
	"strings"
)

// Path names one secret: a namespace and a key, "production/openai/API_KEY".
// [ParsePath] is the only function that makes one; the zero value names
// nothing. Paths can be compared with ==, and two that differ name different
// secrets.
type Path struct{ s string }

// ParsePath reads a namespace, a slash, and a key of one segment of at most
// MaxKey bytes that is not the name of a sub-resource (versions, rotate,
// rollback). Errors wrap [ErrInvalid].
func ParsePath(s string) (Path, error) {
	if len(s) > MaxPath {
		return Path{}, invalid("path is longer than %d bytes", MaxPath)
	}
	slash := strings.LastIndexByte(s, '/')
	if slash < 0 {
		return Path{}, invalid("path has no key: write NAMESPACE/KEY")
	}
	if _, err := ParseNamespace(s[:slash]); err != nil {
		return Path{}, err
	}
	if fault := keyFault(s[slash+1:]); fault != "" {
		return Path{}, invalid("key %s", fault)
	}
	return Path{s}, nil
}

// keyFault says what keeps s from being a key, or "" when it is one.
func keyFault(s string) string {
	if len(s) > MaxKey {
		return fmt.Sprintf("is longer than %d bytes", MaxKey)
	}
	if isSub(s) {
		return "must not be versions, rotate or rollback"
	}
	return segmentFault(s)
}

// String returns the text that [ParsePath] reads, "" for the zero value.
func (p Path) String() string { return p.s }

// IsZero reports whether p names nothing.
func (p Path) IsZero() bool { return p.s == "" }

// Namespace returns all segments but the last.
func (p Path) Namespace() Namespace {
	if p.IsZero() {
		return Namespace{}
	}
	return Namespace{p.s[:strings.LastIndexByte(p.s, '/')]}
}

// Key returns the last segment.
func (p Path) Key() string {
	return p.s[strings.LastIndexByte(p.s, '/')+1:]
}

// MarshalText returns [Path.String]; the zero value is an error.
func (p Path) MarshalText() ([]byte, error) {
	if p.IsZero() {
		return nil, invalid("path is empty")
	}
	return []byte(p.s), nil
}

// UnmarshalText is [ParsePath].
func (p *Path) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePath(string(text))
	return err
}
