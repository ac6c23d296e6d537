package policy

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/pelletier/go-toml/v2/unstable"
)

// value is one value of the file. What its methods refuse goes on where the
// name of the key ends: "must be …".
type value struct {
	at   int
	kind unstable.Kind
	text string  // what a string says; any other as it is written
	list []value // of an array
}

// valueOf copies a node, which the parser's next step overwrites.
func valueOf(n *unstable.Node, at int) value {
	v := value{at: at, kind: n.Kind, text: string(n.Data)}
	if n.Kind != unstable.Array {
		return v
	}
	for it := n.Children(); it.Next(); {
		one := it.Node()
		where := at
		if one.Raw.Length > 0 {
			where = int(one.Raw.Offset)
		}
		v.list = append(v.list, value{at: where, kind: one.Kind, text: string(one.Data)})
	}
	return v
}

// word is a string.
func (v value) word() (string, error) {
	if v.kind != unstable.String {
		return "", faultAt(v.at, "must be a text in quotes")
	}
	return v.text, nil
}

// each hands the strings of a list to add, which says what is wrong with one.
func (v value) each(add func(string) error) error {
	if v.kind != unstable.Array {
		return faultAt(v.at, "must be a list of texts")
	}
	if len(v.list) == 0 {
		return faultAt(v.at, "must not be an empty list: leave the key out for everything")
	}
	for i, one := range v.list {
		if one.kind != unstable.String {
			return faultAt(one.at, "entry %d must be a text in quotes", i+1)
		}
		if err := add(one.text); err != nil {
			return faultAt(one.at, "entry %d: %v", i+1, err)
		}
	}
	return nil
}

// duration fills in to, within the bounds.
func (v value) duration(to *span, least, most time.Duration) error {
	text, err := v.word()
	if err != nil {
		return faultAt(v.at, `must be a duration in quotes, like "15m", "1h" or "7d"`)
	}
	d, ok := parseDuration(text)
	switch {
	case !ok:
		return faultAt(v.at, `must be a duration like "15m", "1h" or "7d"`)
	case d < 0:
		return faultAt(v.at, "must not be negative")
	case d < least:
		return faultAt(v.at, "must be at least %s", least)
	case d > most:
		return faultAt(v.at, "must be at most %s", hours(most))
	}
	*to = span{d, &v.at}
	return nil
}

// parseDuration reads what [time.ParseDuration] does, and whole days.
func parseDuration(s string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err == nil
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}

// hours prints whole hours as people write them.
func hours(d time.Duration) string {
	return strconv.Itoa(int(d.Hours())) + "h"
}

func (v value) approvals(to *draftTerms) error {
	n, err := strconv.ParseInt(v.text, 0, 64)
	switch {
	case v.kind != unstable.Integer || err != nil:
		return faultAt(v.at, "must be a whole number from 1 to %d", MaxApprovals)
	case n < 1:
		return faultAt(v.at, "must be at least 1: without one nobody would be asked")
	case n > MaxApprovals:
		return faultAt(v.at, "must be at most %d", MaxApprovals)
	}
	to.approvals = int(n)
	return nil
}

// anyone reads who may lock down.
func (v value) anyone() (bool, error) {
	switch text, err := v.word(); {
	case err != nil:
		return false, err
	case text == "owner" || text == "any":
		return text == "any", nil
	}
	return false, faultAt(v.at, "must be owner or any")
}

// parseEach parses each text of a list, up to the first that is refused.
func parseEach[T any](v value, parse func(string) (T, error)) (all []T, err error) {
	err = v.each(func(s string) error {
		one, err := parse(s)
		all = append(all, one)
		return err
	})
	return all, err
}

func (r *draftRule) setAgents(v value) (err error) {
	r.agents, err = parseEach(v, parseAgentGlob)
	return err
}

func (r *draftRule) setPaths(v value) (err error) {
	r.paths, err = parseEach(v, ParsePattern)
	return err
}

func (r *draftRule) setActions(v value) (err error) {
	r.actions, err = parseEach(v, ParseAction)
	return err
}

func (r *draftRule) setNetworks(v value) (err error) {
	r.networks, err = parseEach(v, parseNetwork)
	return err
}

func (r *draftRule) setEffect(v value) error {
	text, err := v.word()
	if err != nil {
		return err
	}
	for _, e := range []Effect{Deny, Allow, Approve} {
		if text == e.String() {
			r.effect, r.hasEffect = e, true
			return nil
		}
	}
	return faultAt(v.at, "must be deny, allow or approve")
}

func (r *draftRule) setReason(v value) error {
	text, err := v.word()
	switch {
	case err != nil:
		return err
	case len(text) > MaxReason:
		return faultAt(v.at, "is longer than %d bytes", MaxReason)
	case strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }):
		return faultAt(v.at, "must be one line without control characters")
	}
	r.reason = text
	return nil
}
