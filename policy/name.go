package policy

// idPrefix and idRandom are the lengths of the two halves of an id: three
// letters and an underscore, and random base32 characters.
const (
	idPrefix = 4
	idRandom = 26
)

// CheckName refuses what cannot be the name of an agent or owner: names are
// [A-Za-z0-9][A-Za-z0-9._-]{0,63} and never look like an id, in any case, so
// that a name can never be taken for someone else's id. Errors wrap
// [ErrInvalid].
func CheckName(s string) error {
	switch {
	case s == "":
		return invalid("name is empty")
	case len(s) > MaxName:
		return invalid("name is longer than %d bytes", MaxName)
	case !isAlphanumeric(s[0]):
		return invalid("name must begin with a letter or digit")
	case segmentFault(s) != "":
		return invalid("name %s", segmentFault(s))
	case looksLikeID(s):
		return invalid("name has the form of an id")
	}
	return nil
}

// looksLikeID goes by the shape and not by a list of prefixes, so that a name
// given today cannot be an id of a kind that comes later.
func looksLikeID(s string) bool {
	if len(s) != idPrefix+idRandom || s[idPrefix-1] != '_' {
		return false
	}
	for i := range len(s) {
		if i != idPrefix-1 && !isAlphanumeric(s[i]) {
			return false
		}
	}
	return true
}
