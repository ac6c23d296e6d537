package policy

import "strings"

// agentGlob matches names of agents, which are unique regardless of case; it
// is kept in lower case.
type agentGlob string

// parseAgentGlob reads a name in which each asterisk stands for any run of
// characters.
func parseAgentGlob(s string) (agentGlob, error) {
	switch {
	case s == "":
		return "", invalid("agent is empty")
	case len(s) > MaxName:
		return "", invalid("agent is longer than %d bytes", MaxName)
	case strings.Count(s, "*") > MaxStars:
		return "", invalid("agent has more than %d asterisks", MaxStars)
	}
	for i := range len(s) {
		if s[i] != '*' && !isSegmentByte(s[i]) {
			return "", invalid("agent has a character outside A-Z a-z 0-9 _ . - *")
		}
	}
	return agentGlob(strings.ToLower(s)), nil
}

// matches takes a name in lower case.
func (g agentGlob) matches(name string) bool { return glob(string(g), name) }
