package api

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"time"
)

// The kinds of slot.
const (
	SlotFile       = "file"
	SlotPassphrase = "passphrase"
	SlotCommand    = "command"
	SlotKeyring    = "keyring"
)

// Slot describes one secret that opens the vault, never the secret.
type Slot struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	AddedAt time.Time `json:"added_at"`
	AddedBy *string   `json:"added_by"`         // name of the owner; null: it was made with the vault
	Argon2  *SlotCost `json:"argon2,omitempty"` // absent where the secret is random
	Opened  bool      `json:"opened"`           // it opened the vault that is served now
}

// SlotCost is what a try of a secret costs: Argon2id (RFC 9106).
type SlotCost struct {
	MemoryKiB int `json:"memory_kib"`
	Time      int `json:"time"`
	Threads   int `json:"threads"`
}

// Slots answers GET /v1/vault/slots, oldest first.
type Slots struct {
	Items []Slot `json:"items"`
}

// SlotAdd is the body of POST /v1/vault/slots.
type SlotAdd struct {
	Kind          string  `json:"kind"`
	Key           *string `json:"key,omitempty"`            // of a file or keyring slot, as [NewSlotKey] makes it
	NewPassphrase *string `json:"new_passphrase,omitempty"` // of a passphrase slot
	Passphrase    *string `json:"passphrase,omitempty"`     // the approval passphrase
}

// SlotRemove is the body of POST /v1/vault/slots/{id}/remove.
type SlotRemove struct {
	Passphrase *string `json:"passphrase,omitempty"`
}

// SlotRemoved is its answer: what is gone, and the kinds of those that are left.
type SlotRemoved struct {
	ID   string   `json:"id"`
	Kind string   `json:"kind"`
	Left []string `json:"left"` // each once, sorted
}

// NewSlotKey makes a random key of 256 bits in the form that a key file has, to be
// cleared by the caller.
func NewSlotKey() []byte {
	var key [32]byte
	defer clear(key[:])
	rand.Read(key[:])
	return append(base64.RawURLEncoding.AppendEncode([]byte("assd-key-1:"), key[:]), '\n')
}

// NewSlotPassphrase makes a passphrase of 140 random bits, lower-case base32 in groups of
// four with dashes between: to be written down, and to be cleared by the caller.
func NewSlotPassphrase() []byte {
	digits := strings.ToLower(rand.Text() + rand.Text())[:28]
	var text []byte
	for i := 0; i < len(digits); i += 4 {
		if i > 0 {
			text = append(text, '-')
		}
		text = append(text, digits[i:i+4]...)
	}
	return text
}
