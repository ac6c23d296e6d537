package chain

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

const keyPrefix = "ed25519:"

// Key is a verification key: the public half of what signs heads.
type Key ed25519.PublicKey

// ParseKey reads what Key prints.
func ParseKey(s string) (Key, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(strings.TrimPrefix(s, keyPrefix))
	if err != nil || !strings.HasPrefix(s, keyPrefix) || len(b) != ed25519.PublicKeySize || strings.ContainsAny(s, "\r\n") {
		return nil, errors.New(`reading verification key: want "ed25519:" and 44 characters of base64`)
	}
	return b, nil
}

// String is "ed25519:" and base64.
func (k Key) String() string { return keyPrefix + base64.StdEncoding.EncodeToString(k) }

// Sum is "sha256:" and the hash of the key in hex.
func (k Key) Sum() string {
	sum := sha256.Sum256(k)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Equal reports whether they are the same key.
func (k Key) Equal(other Key) bool { return string(k) == string(other) }

// MarshalText writes k as String does.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (k *Key) UnmarshalText(b []byte) (err error) {
	*k, err = ParseKey(string(b))
	return err
}
