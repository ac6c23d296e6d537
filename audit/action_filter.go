package audit

import (
	"slices"
	"strings"
)

// maxNearest is how many actions are proposed in the place of an unknown one.
const maxNearest = 3

// UnknownActionError is a text that means no action. It is an [ErrUnknownAction].
type UnknownActionError struct {
	Nearest []string // what may have been meant; never empty
}

func (e *UnknownActionError) Error() string { return ErrUnknownAction.Error() }

func (e *UnknownActionError) Unwrap() error { return ErrUnknownAction }

// ParseActionFilter reads what the events of a query are to be: an action with its
// refusals ("secret.read"), refusals alone ("secret.read.denied"), or what begins alike
// up to a dot ("secret", "secret.*"). It returns what belongs into [Filter.Action]; the
// error is an *UnknownActionError.
func ParseActionFilter(s string) (string, error) {
	root, _ := strings.CutSuffix(s, ".*")
	for _, a := range slices.Concat(actions, toCome) {
		if root != "" && below(string(a), root, ".") || s == string(a.Denied()) {
			return root, nil
		}
	}
	return "", &UnknownActionError{nearest(s)}
}

// nearest are the actions that differ least from s, or, where all differ much, what
// they begin with.
func nearest(s string) []string {
	s = strings.ToLower(s)
	var all, rooms []string
	for _, a := range slices.Concat(actions, toCome) {
		all = append(all, string(a), string(a.Denied()))
		rooms = append(rooms, a.Room())
	}
	slices.Sort(rooms)
	rooms = slices.Compact(rooms)
	all = slices.DeleteFunc(append(all, rooms...), func(a string) bool { return 2*apart(a, s) > max(len(a), len(s)) })
	slices.SortStableFunc(all, func(a, b string) int { return apart(a, s) - apart(b, s) })
	if len(all) == 0 {
		return rooms
	}
	return all[:min(len(all), maxNearest)]
}

// apart is how many bytes a and b have between what they begin and end with alike.
func apart(a, b string) int {
	n, most := 0, min(len(a), len(b))
	for n < most && a[n] == b[n] {
		n++
	}
	for end := 0; n < most && a[len(a)-1-end] == b[len(b)-1-end]; end++ {
		n++
	}
	return max(len(a), len(b)) - n
}
