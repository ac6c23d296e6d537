package policy

import (
	"bytes"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
)

// Policy is a policy file as it counts. It comes from [Parse] and never
// changes; nil and the zero value have no rules and say nothing, so that the
// defaults count.
type Policy struct {
	defaultTTL, maxTTL  time.Duration // 0: not said
	sensitive, critical Terms         // 0 in a field: not said
	anyoneLocksDown     bool
	rules               []*Rule
}

// Parse reads the text of a policy file, TOML of these keys and no others:
//
//	[tokens]              default_ttl max_ttl
//	[tiers.sensitive]     approvals request_ttl grant_ttl delay
//	[tiers.critical]      the same
//	[[rule]]              agents paths actions networks effect reason
//	[lockdown]            by
//
// A text without any is a policy without rules. Errors are a [*FileError].
func Parse(text []byte) (*Policy, error) {
	text = slices.Clip(text) // the parser finds offsets by capacity
	d := draft{text: text}
	err := checkText(text)
	if err == nil {
		err = d.read()
	}
	if err == nil {
		err = checkTOML(text)
	}
	if err == nil {
		err = d.check()
	}
	if f := (*fault)(nil); errors.As(err, &f) {
		return nil, f.fileError(text)
	}
	if err != nil {
		return nil, err
	}
	return d.policy(), nil
}

// checkText refuses what is no text, before anything looks into it.
func checkText(text []byte) error {
	if len(text) > MaxFile {
		return faultAt(MaxFile, "the file is larger than %d bytes", MaxFile)
	}
	if bytes.HasPrefix(text, []byte("\uFEFF")) {
		return faultAt(0, "the file begins with a byte order mark: save it as UTF-8 without one")
	}
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			return faultAt(at, "the file is not UTF-8 here")
		}
		at += size
	}
	return nil
}

// checkTOML refuses what the walk over the text does not notice: a key or a
// table that is there twice, in any of the ways that TOML has to say so. It
// comes after the walk, because it takes long over many keys, and the walk
// lets only ours through.
func checkTOML(text []byte) error {
	err := toml.Unmarshal(text, &map[string]any{})
	if de := (*toml.DecodeError)(nil); errors.As(err, &de) {
		line, column := de.Position()
		return &FileError{line, column, "this key or table is already in the file, further up"}
	}
	if err != nil {
		return faultAt(0, "not TOML")
	}
	return nil
}

// DefaultTTL is how long a token lives that was not asked for any other time:
// the file's, or the constant of this name, and never over [Policy.MaxTTL].
func (p *Policy) DefaultTTL() time.Duration {
	if p == nil || p.defaultTTL == 0 {
		return min(DefaultTTL, p.MaxTTL())
	}
	return p.defaultTTL
}

// MaxTTL is the longest that a token may live: the constant of this name,
// unless the file says less.
func (p *Policy) MaxTTL() time.Duration {
	if p == nil || p.maxTTL == 0 {
		return MaxTTL
	}
	return p.maxTTL
}

// Terms are those of approvals for secrets of tier t. A standard secret has
// those of a sensitive one, for when a rule asks for approval.
func (p *Policy) Terms(t Tier) Terms {
	switch {
	case p == nil:
		return Terms{}.orDefault()
	case t.rank() >= 0 && t != Critical:
		return p.sensitive.orDefault()
	}
	return p.critical.orDefault()
}

// AnyoneLocksDown reports whether agents too may lock the vault down.
func (p *Policy) AnyoneLocksDown() bool { return p != nil && p.anyoneLocksDown }

// MostApprovals is the largest number of owners that any tier asks for, at
// least 1.
func (p *Policy) MostApprovals() int {
	return max(p.Terms(Sensitive).Approvals, p.Terms(Critical).Approvals)
}

// RuleCount is how many rules the file has.
func (p *Policy) RuleCount() int {
	if p == nil {
		return 0
	}
	return len(p.rules)
}

// AsksForLess reports whether some tier asks for fewer approvals here than in
// the other policy.
func (p *Policy) AsksForLess(than *Policy) bool {
	for _, t := range []Tier{Sensitive, Critical} {
		if p.Terms(t).Approvals < than.Terms(t).Approvals {
			return true
		}
	}
	return false
}
