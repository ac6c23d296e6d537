package audit

import (
	"errors"
	"fmt"
	"strings"
)

// Pattern is an action, or all that begin alike: "approval.request", "approval.*",
// "*". It never means the events of webhooks themselves, of which there would be no
// end.
type Pattern string

// ErrUnknownAction says that no event is like that.
var ErrUnknownAction = errors.New("there is no such action")

const webhooks = "webhook"

// ParsePattern checks that s can match something.
func ParsePattern(s string) (Pattern, error) {
	if room := Action(s).Room(); room == webhooks {
		return "", fmt.Errorf("%q: of webhooks themselves no webhook tells", s)
	}
	p := Pattern(s)
	for _, a := range actions {
		if p.Matches(a) || p.Matches(a.Denied()) {
			return p, nil
		}
	}
	return "", ErrUnknownAction
}

// Matches reports whether p means a.
func (p Pattern) Matches(a Action) bool {
	if a.Room() == webhooks {
		return false
	}
	if prefix, ok := strings.CutSuffix(string(p), "*"); ok && (prefix == "" || strings.HasSuffix(prefix, ".")) {
		return strings.HasPrefix(string(a), prefix)
	}
	return string(p) == string(a)
}
