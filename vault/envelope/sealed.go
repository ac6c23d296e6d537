package envelope

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// ErrMalformed means that bytes do not have the form of a sealed value.
var ErrMalformed = errors.New("malformed sealed value")

// digestSize is how much of a SHA-256 names a ciphertext, in bytes.
const digestSize = 16

// sealed is a sealed value, taken apart:
//
//	kek id, len16 ‖ wrapped DEK, len16 ‖ ciphertext (nonce ‖ sealed payload ‖ tag)
type sealed struct {
	kekID      string
	wrapped    []byte
	ciphertext []byte // to the end
}

// parseSealed takes b apart without copying. The form has exactly one spelling:
// what marshal gives for the result is b.
func parseSealed(b []byte) (sealed, error) {
	s := cryptobyte.String(b)
	var id, wrapped cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&id) || !s.ReadUint16LengthPrefixed(&wrapped) {
		return sealed{}, ErrMalformed
	}
	out := sealed{kekID: string(id), wrapped: wrapped, ciphertext: s}
	if !validKeyringID(out.kekID) || len(wrapped) == 0 || len(wrapped) > maxWrapped ||
		len(s) < minCiphertext || len(s) > maxCiphertext {
		return sealed{}, ErrMalformed
	}
	return out, nil
}

func (s sealed) marshal() ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 4+len(s.kekID)+len(s.wrapped)+len(s.ciphertext)))
	addText(b, s.kekID)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s.wrapped) })
	b.AddBytes(s.ciphertext)
	return b.Bytes()
}

// Digest names the ciphertext of a sealed value: the first 16 bytes of its
// SHA-256 in base64url without padding. A new wrap of the DEK leaves it as it
// is. It fails with [ErrMalformed].
func Digest(b []byte) (string, error) {
	s, err := parseSealed(b)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(s.ciphertext)
	return base64.RawURLEncoding.EncodeToString(sum[:digestSize]), nil
}

const (
	keyringPrefix = "kek_"
	keyringRandom = 26 // base32 digits
	base32Lower   = "abcdefghijklmnopqrstuvwxyz234567"
)

func validKeyringID(id string) bool {
	digits, ok := strings.CutPrefix(id, keyringPrefix)
	return ok && len(digits) == keyringRandom && strings.Trim(digits, base32Lower) == ""
}
