package envelope

import (
	"errors"

	"golang.org/x/crypto/cryptobyte"
)

// Labels that keep a wrapped DEK, either kind of it, and a value from opening in
// each other's stead.
const (
	dekLabel         = "ass-dek-v1"
	approvalDEKLabel = "ass-approval-dek-v1"
	valueLabel       = "ass-value-v1"
)

var errPlace = errors.New("place of a secret is incomplete")

// Place is where a version of a secret belongs; a sealed value opens nowhere
// else. Every field must be set.
type Place struct {
	Tenant   string // id of the vault
	SecretID string // random, never used again for another secret
	Path     string // NS/KEY
	Version  uint64 // from 1
}

func (p Place) check() error {
	if p.Tenant == "" || p.SecretID == "" || p.Path == "" || p.Version == 0 {
		return errPlace
	}
	return nil
}

// associatedData binds label, place and keyset id; every text stands behind its
// length in 2 bytes, the version is 8 bytes. It fails when a text is longer
// than that length can say.
func (p Place) associatedData(label, keyID string) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 256))
	for _, s := range []string{label, p.Tenant, p.SecretID, p.Path} {
		addText(b, s)
	}
	b.AddUint64(p.Version)
	addText(b, keyID)
	return b.Bytes()
}

func addText(b *cryptobyte.Builder, s string) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
}
