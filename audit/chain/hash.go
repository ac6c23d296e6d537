package chain

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
)

const chainLabel = "ass-audit-v1\n"

// Hash is one link of the chain.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes h in hex.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads 64 hex digits.
func (h *Hash) UnmarshalText(b []byte) error {
	if len(b) != hex.EncodedLen(len(h)) {
		return errors.New("reading hash: not 64 hex digits")
	}
	if _, err := hex.Decode(h[:], b); err != nil {
		return errors.New("reading hash: not 64 hex digits")
	}
	return nil
}

// linkRoom is enough for nearly every event, so that its link needs no memory.
const linkRoom = 1 << 10

// Link is hash(seq) = SHA-256(label ‖ seq ‖ prev ‖ event bytes).
func Link(seq uint64, prev Hash, event []byte) Hash {
	b := append(make([]byte, 0, linkRoom), chainLabel...)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = append(b, prev[:]...)
	return sha256.Sum256(append(b, event...))
}
