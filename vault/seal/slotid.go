package seal

import (
	"crypto/rand"
	"strings"
)

const (
	slotIDPrefix = "slt_"
	slotIDRandom = 26 // base32 digits, 130 bits
	base32Lower  = "abcdefghijklmnopqrstuvwxyz234567"
)

// SlotID names a slot: "slt_" and 26 lower-case base32 digits, never reused.
type SlotID string

func newSlotID() SlotID { return SlotID(slotIDPrefix + strings.ToLower(rand.Text())) }

// Valid reports whether id has the form of a slot id.
func (id SlotID) Valid() bool {
	digits, ok := strings.CutPrefix(string(id), slotIDPrefix)
	return ok && len(digits) == slotIDRandom && strings.Trim(digits, base32Lower) == ""
}
