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

// Link is hash(seq) = SHA-256(label ‖ seq ‖ prev ‖ event bytes).
func Link(seq uint64, prev Hash, event []byte) (h Hash) {
	d := sha256.New()
	var head [len(chainLabel) + 8]byte
	copy(head[:], chainLabel)
	binary.BigEndian.PutUint64(head[len(chainLabel):], seq)
	d.Write(head[:])
	d.Write(prev[:])
	d.Write(event)
	d.Sum(h[:0])
	return h
}
