package api

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"strings"
)

// ErrFingerprint says how a fingerprint is written.
var ErrFingerprint = errors.New("a fingerprint is sha256: and 64 hexadecimal digits")

const fingerprintPrefix = "sha256:"

// Fingerprint names the public key of a certificate: "sha256:" and the SHA-256
// of its SubjectPublicKeyInfo in hexadecimal. A renewed certificate with the same
// key has the same one.
func Fingerprint(c *x509.Certificate) string {
	h := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return fingerprintPrefix + hex.EncodeToString(h[:])
}

// ParseFingerprint reads what Fingerprint prints, whatever the case of its
// digits, and returns it in that form. The error is ErrFingerprint.
func ParseFingerprint(s string) (string, error) {
	digits, ok := strings.CutPrefix(strings.ToLower(s), fingerprintPrefix)
	if b, err := hex.DecodeString(digits); !ok || err != nil || len(b) != sha256.Size {
		return "", ErrFingerprint
	}
	return fingerprintPrefix + digits, nil
}
