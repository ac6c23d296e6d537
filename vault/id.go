package vault

import (
	"crypto/rand"
	"encoding/base32"
)

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newID is a random id that is never used again: a prefix that names its kind,
// and 128 bits as 26 characters.
func newID(prefix string) string {
	var b [16]byte
	rand.Read(b[:])
	return prefix + "_" + idEncoding.EncodeToString(b[:])
}

func newEventID() string { return newID("evt") }

// NewRequestID is a fresh id for one request.
func NewRequestID() string { return newID("req") }
