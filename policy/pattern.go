package policy

import "strings"

// Pattern matches paths, segment by segment: "production/*", "*/DB_*".
//
//   - "*" as the last segment, or alone, matches one or more segments:
//     everything below.
//   - "*" as another whole segment matches exactly one.
//   - "*" inside a segment matches any run of characters in it.
//
// Patterns come from [ParsePattern] and can be compared with ==; the zero
// value matches nothing.
type Pattern struct{ s string }

// ParsePattern reads a pattern. One that is too long, has more than MaxStars
// asterisks or two in a row, or could match no path at all is refused. Errors
// wrap [ErrInvalid].
func ParsePattern(s string) (Pattern, error) {
	switch {
	case s == "":
		return Pattern{}, invalid("pattern is empty")
	case s == "*":
		return Pattern{s}, nil
	case len(s) > MaxPattern:
		return Pattern{}, invalid("pattern is longer than %d bytes", MaxPattern)
	case strings.Count(s, "*") > MaxStars:
		return Pattern{}, invalid("pattern has more than %d asterisks", MaxStars)
	case strings.Contains(s, "**"):
		return Pattern{}, invalid(`pattern has "**": one "*" as the last segment covers everything below`)
	}
	if err := checkPatternSegments(s); err != nil {
		return Pattern{}, err
	}
	if err := checkPatternMatchable(s); err != nil {
		return Pattern{}, err
	}
	return Pattern{s}, nil
}

func checkPatternSegments(s string) error {
	for n, rest, more := 1, s, true; more; n++ {
		var seg string
		seg, rest, more = cutSegment(rest)
		// An asterisk may stand for any one character, "x" for instance.
		if fault := segmentFault(strings.ReplaceAll(seg, "*", "x")); fault != "" {
			return invalid("pattern segment %d %s", n, fault)
		}
	}
	return nil
}

// checkPatternMatchable refuses a pattern that no path can match.
func checkPatternMatchable(s string) error {
	slash := strings.LastIndexByte(s, '/')
	if slash < 0 {
		return invalid("pattern can match no key, which has a namespace before it: write %s", belowHint(s))
	}
	if least(s[:slash]) > MaxNamespace {
		return invalid("pattern needs a namespace longer than %d bytes", MaxNamespace)
	}
	if least(s[slash+1:]) > MaxKey {
		return invalid("pattern needs a key longer than %d bytes", MaxKey)
	}
	if isSub(s[slash+1:]) {
		return invalid("pattern can match no key: keys must not be versions, rotate or rollback")
	}
	return nil
}

// belowHint is what someone who wrote "production" or "production*" meant.
func belowHint(s string) string {
	s = strings.TrimSuffix(s, "*")
	if len(s) > maxHint || segmentFault(s) != "" {
		return "NAMESPACE/*"
	}
	return s + "/*"
}

// least is the length of the shortest text that the pattern's segments match.
func least(s string) int {
	n := 0
	for rest, more := s, true; more; {
		var seg string
		seg, rest, more = cutSegment(rest)
		n += max(1, len(seg)-strings.Count(seg, "*"))
		if more {
			n++
		}
	}
	return n
}

// String returns the text that [ParsePattern] reads, "" for the zero value.
func (p Pattern) String() string { return p.s }

// IsZero reports whether p matches nothing.
func (p Pattern) IsZero() bool { return p.s == "" }

// Literal returns the one path that p matches, if it has no asterisk.
func (p Pattern) Literal() (Path, bool) {
	path, err := ParsePath(p.s) // an asterisk is no character of a path
	return path, err == nil
}

// Matches reports whether p matches path.
func (p Pattern) Matches(path Path) bool { return covers(p.s, path.s) }

// Covers reports whether every path that o matches is matched by p too.
func (p Pattern) Covers(o Pattern) bool { return covers(p.s, o.spelled()) }

// spelled returns p with "*" as "*/*": a path has two segments at least, so
// both match the same.
func (p Pattern) spelled() string {
	if p.s == "*" {
		return "*/*"
	}
	return p.s
}

// covers reports whether pattern a matches all that b does, where b is a path
// or a pattern.
func covers(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	if a == "*" {
		return true
	}
	for {
		segA, restA, moreA := cutSegment(a)
		segB, restB, moreB := cutSegment(b)
		if segA == "*" && !moreA {
			return true // everything below, and b has at least this segment
		}
		if segB == "*" && !moreB {
			return false // b goes on below, a ends or asks for certain segments
		}
		if !glob(segA, segB) {
			return false
		}
		if !moreA || !moreB {
			return moreA == moreB
		}
		a, b = restA, restB
	}
}

// Overlaps reports whether p could match a path in ns or below it.
func (p Pattern) Overlaps(ns Namespace) bool {
	if p.IsZero() || ns.IsZero() {
		return false
	}
	a, b := p.s, ns.s
	for {
		segA, restA, moreA := cutSegment(a)
		segB, restB, moreB := cutSegment(b)
		if !moreA {
			return segA == "*" // otherwise p ends where ns still needs a key
		}
		if !glob(segA, segB) {
			return false
		}
		if !moreB {
			return true // ns is used up, what is left of p matches below it
		}
		a, b = restA, restB
	}
}

// meets reports whether some path could be matched by p and by o.
func (p Pattern) meets(o Pattern) bool {
	if p.IsZero() || o.IsZero() {
		return false
	}
	a, b := p.s, o.s
	for {
		segA, restA, moreA := cutSegment(a)
		segB, restB, moreB := cutSegment(b)
		if segA == "*" && !moreA || segB == "*" && !moreB {
			return true // one takes all that the other goes on with
		}
		if !globsMeet(segA, segB) {
			return false
		}
		if !moreA || !moreB {
			return moreA == moreB
		}
		a, b = restA, restB
	}
}

// MarshalText returns [Pattern.String]; the zero value is an error.
func (p Pattern) MarshalText() ([]byte, error) {
	if p.IsZero() {
		return nil, invalid("pattern is empty")
	}
	return []byte(p.s), nil
}

// UnmarshalText is [ParsePattern].
func (p *Pattern) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePattern(string(text))
	return err
}
