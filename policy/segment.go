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
	return ""
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
