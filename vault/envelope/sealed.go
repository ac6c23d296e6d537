package envelope

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"golang.org/x/crypto/cryptobyte"
)

// ErrMalformed means that bytes do not have the form of a sealed value.
var ErrMalformed = errors.New("malformed sealed value")

// digestSize is how much of a SHA-256 names a ciphertext, in bytes.
const digestSize = 16

// sealed is a sealed value, taken apart:
//
//	keyset id, len16 ‖ wrapped DEK, len16 ‖ ciphertext (nonce ‖ sealed payload ‖ tag)
//
// The id is a keyring's or an approval key's. The DEK is wrapped by
//
//	kek_…: Tink prefix, 5 bytes ‖ nonce ‖ sealed DEK, or DEK ‖ id of the keyring that sealed the value ‖ tag
//	apk_…: Tink prefix, 5 bytes ‖ encapsulated key, 32 bytes ‖ sealed DEK ‖ tag   (HPKE, RFC 9180, base mode)
type sealed struct {
	keyID      string
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
	out := sealed{keyID: string(id), wrapped: wrapped, ciphertext: s}
	if !validKeysetID(out.keyID) || len(wrapped) == 0 || len(wrapped) > maxWrapped ||
		len(s) < minCiphertext || len(s) > maxCiphertext {
		return sealed{}, ErrMalformed
	}
	return out, nil
}

func (s sealed) marshal() ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 4+len(s.keyID)+len(s.wrapped)+len(s.ciphertext)))
	addText(b, s.keyID)
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

// PayloadSize is how long value and metadata of a sealed value are together, in bytes.
// It fails with [ErrMalformed]. Nothing is decrypted, so it is what the bytes say.
func PayloadSize(b []byte) (int, error) {
	s, err := parseSealed(b)
	return max(len(s.ciphertext)-minCiphertext, 0), err
}

// SealedBy returns the id of the keyset that wrapped the DEK of a sealed value:
// a keyring's or an approval key's. It fails with [ErrMalformed]. Nothing is
// decrypted, so the answer is what the bytes say.
func SealedBy(b []byte) (id string, err error) {
	s, err := parseSealed(b)
	return s.keyID, err
}
