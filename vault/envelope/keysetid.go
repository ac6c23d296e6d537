package envelope

import "strings"

// What the id of a keyset starts with; 26 lower-case base32 digits follow.
const (
	keyringPrefix  = "kek_"
	approvalPrefix = "apk_"

	idDigits    = 26
	base32Lower = "abcdefghijklmnopqrstuvwxyz234567"
)

func validID(prefix, id string) bool {
	digits, ok := strings.CutPrefix(id, prefix)
	return ok && len(digits) == idDigits && strings.Trim(digits, base32Lower) == ""
}

// validKeysetID reports whether id has the form of a keyset's, of either kind.
func validKeysetID(id string) bool {
	return validID(keyringPrefix, id) || validID(approvalPrefix, id)
}
