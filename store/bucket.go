package store

import "encoding/binary"

// Format is the version of the disk format that this package writes. It reads all from 1
// on, and Open for writing makes of an older file one of this format:
//
//	1 the first
//	2 a wrapped DEK may be longer, where a KEK has taken over what another one has sealed;
//	  the approval key may be bound to another tenant
const Format = 2

// A Bucket is a part of the file with keys of its own. Its name is what stands
// on the disk.
type Bucket string

// The buckets. What their keys and values are is drawn in ARCHITECTURE.md, "The
// disk format".
const (
	Meta        Bucket = "meta"
	Audit       Bucket = "audit"
	Vault       Bucket = "vault"
	Slots       Bucket = "slots"
	Keys        Bucket = "keys"
	Owners      Bucket = "owners"
	Agents      Bucket = "agents"
	Names       Bucket = "names"
	Credentials Bucket = "credentials"
	Secrets     Bucket = "secrets"
	Values      Bucket = "values"
	Tokens      Bucket = "tokens"
	Expiry      Bucket = "expiry"
	Namespaces  Bucket = "namespaces"
	Approvals   Bucket = "approvals"
	Wishes      Bucket = "wishes"
	Grants      Bucket = "grants"
	Passphrases Bucket = "passphrases"
	Due         Bucket = "due"
	Outbox      Bucket = "outbox"
	Trail       Bucket = "trail"
)

// buckets are those that exist in every vault file.
var buckets = []Bucket{
	Meta, Audit, Vault, Slots, Keys, Owners, Agents, Names, Credentials,
	Secrets, Values, Tokens, Expiry, Namespaces,
}

// later are those that came after the first files of this format were written.
// Opening a file for writing makes the missing ones; read-only they are empty.
var later = []Bucket{Approvals, Wishes, Grants, Passphrases, Due, Outbox, Trail}

// formatKey is the key in Meta whose value is the format, a uint32.
var formatKey = []byte("format")

func encodeFormat(format uint32) []byte {
	return binary.BigEndian.AppendUint32(nil, format)
}

// decodeFormat reports ok=false when value is not a format at all.
func decodeFormat(value []byte) (format uint32, ok bool) {
	if len(value) != 4 {
		return 0, false
	}
	format = binary.BigEndian.Uint32(value)
	return format, format > 0
}
