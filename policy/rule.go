package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Rule is one [[rule]] of a policy file. A list that was left out matches
// everything. Rules come from [Parse].
type Rule struct {
	line   int
	id     string
	effect Effect
	reason string

	agents   []agentGlob
	paths    []Pattern
	actions  []Action
	networks []network
}

// Line is where in the file the rule begins, from 1.
func (r *Rule) Line() int { return r.line }

// Effect is Deny, Allow or Approve.
func (r *Rule) Effect() Effect { return r.effect }

// Reason is what the file says for people, "" when nothing.
func (r *Rule) Reason() string { return r.reason }

// ID names the rule by what it matches and does: an approval that rests on it
// counts as long as the file holds just this rule, wherever it stands and
// whatever its reason says. It is "sha256:" and 32 hexadecimal digits.
func (r *Rule) ID() string { return r.id }

// ruleLabel keeps what is hashed here apart from everything hashed elsewhere.
const ruleLabel = "ass-rule-v1\n"

// fingerprint is the ID. None of the texts has a blank or a newline in it.
func (r *Rule) fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s%s\n%s\n%s\n%s\n%s\n", ruleLabel, r.effect,
		sorted(r.agents), sorted(r.paths), sorted(r.actions), sorted(r.networks))
	return "sha256:" + hex.EncodeToString(h.Sum(nil)[:16])
}

// sorted prints a list so that its order and repetitions do not count.
func sorted[T any](list []T) string {
	texts := make([]string, len(list))
	for i, one := range list {
		texts[i] = fmt.Sprint(one)
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), " ")
}

// binds reports whether the rule is about this agent, in lower case, there.
func (r *Rule) binds(agent string, from Place) bool {
	return anyOf(r.agents, func(g agentGlob) bool { return g.matches(agent) }) &&
		anyOf(r.networks, func(n network) bool { return n.holds(from) })
}

// matches reports whether the rule is about a on path.
func (r *Rule) matches(a Action, path Path) bool {
	return !path.IsZero() && r.acts(a) && anyOf(r.paths, func(p Pattern) bool { return p.Matches(path) })
}

// covers reports whether the rule is about a on all that pat matches. It may
// be wrong on the side of false where only several of its paths together are.
func (r *Rule) covers(a Action, pat Pattern) bool {
	return !pat.IsZero() && r.acts(a) && anyOf(r.paths, func(p Pattern) bool { return p.Covers(pat) })
}

// overlaps reports whether the rule is about a on something that pat matches.
func (r *Rule) overlaps(a Action, pat Pattern) bool {
	return !pat.IsZero() && r.acts(a) && anyOf(r.paths, func(p Pattern) bool { return p.meets(pat) })
}

func (r *Rule) acts(a Action) bool {
	return a.concrete() && anyOf(r.actions, func(one Action) bool { return one.covers(a) })
}

// anyOf reports whether one of the list is as asked, or the list was left out.
func anyOf[T any](list []T, is func(T) bool) bool {
	return len(list) == 0 || slices.ContainsFunc(list, is)
}

// why is the reason for a decision that the rule makes. It names no path: the
// caller may see it.
func (r *Rule) why(otherwise string, a Action) string {
	if r.reason != "" {
		return fmt.Sprintf("policy, line %d: %s", r.line, r.reason)
	}
	return fmt.Sprintf("policy, line %d: to %s this path %s", r.line, a, otherwise)
}
