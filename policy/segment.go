package policy

import "strings"

// segmentFault says what keeps s from being a segment, as the end of a
// sentence, or "" when it is one: [A-Za-z0-9_.-]+, but not "." or "..".
func segmentFault(s string) string {
	switch s {
	case "":
		return "is empty"
	case ".", "..":
		return `must not be "." or ".."`
	}
	for i := range len(s) {
		if !isSegmentByte(s[i]) {
			return "has a character outside A-Z a-z 0-9 _ . -"
		}
	}
	if looksLikeKey(s) {
		return "looks like an owner's or an agent's key, which belongs in ASS_AGENT_KEY"
	}
	return ""
}

// keyPrefixes are what keys begin with, and keyRandom the fewest characters that come
// then: the random half of one that was cut. A key that stands where a name belongs
// would be in the trail for good, and is told to whoever reads it.
var keyPrefixes = [...]string{"ask_live_", "ask_agent_"}

const keyRandom = 22

// looksLikeKey reports whether s has a part of the form of an owner's or an agent's
// key.
func looksLikeKey(s string) bool {
	for _, prefix := range keyPrefixes {
		_, rest, ok := strings.Cut(s, prefix)
		if ok && len(rest) >= keyRandom && strings.IndexFunc(rest[:keyRandom], func(r rune) bool { return !isAlphanumeric(byte(r)) }) < 0 {
			return true
		}
	}
	return false
}

func isSegmentByte(c byte) bool {
	return isAlphanumeric(c) || c == '_' || c == '.' || c == '-'
}

func isAlphanumeric(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
}

// cutSegment splits s after its first segment and reports whether more follow.
func cutSegment(s string) (first, rest string, more bool) {
	return strings.Cut(s, "/")
}
