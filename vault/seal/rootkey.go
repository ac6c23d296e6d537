package seal

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
	"golang.org/x/crypto/cryptobyte"
)

// ErrOpen means that a blob did not open: another root key, role, tenant or
// id, or changed bytes. It says no more on purpose.
var ErrOpen = errors.New("sealed key does not open")

// Labels that keep the uses of the root key apart.
const (
	derivePrefix = "ass-v1/"
	wrapLabel    = "wrap"
	keyLabel     = "ass-key-v1"
)

// maxPlain bounds a key that Seal takes and Open gives, in bytes.
const maxPlain = 64 << 10

// Role is what a sealed key is for; a blob of one role does not open as another.
type Role string

// The roles of keys sealed under the root key.
const (
	RoleKEK      Role = "kek"      // a keyset that wraps the keys of values
	RoleAudit    Role = "audit"    // the key that signs the heads of the audit chain
	RoleToken    Role = "token"    // the key that signs tokens
	RoleApproval Role = "approval" // a keyset that opens only with a passphrase, see PassphraseWrap
	RoleRoot     Role = "root"     // the root key before, as long as it authenticates records
)

// RootKey is the key above all others. It prints as [REDACTED]; the zero value
// is no key and fails with [ErrWiped].
type RootKey struct{ material }

// NewRootKey makes a random root key.
func NewRootKey() *RootKey { return &RootKey{newMaterial()} }

// Derive returns the 32-byte key for label: HKDF-SHA256 (RFC 5869) without
// salt, info "ass-v1/" and label. It panics after Wipe, since a key derived
// from nothing must never be used.
func (r *RootKey) Derive(label string) []byte {
	key, err := r.derive(label)
	if err != nil {
		panic("seal: Derive: " + err.Error())
	}
	return key
}

func (r *RootKey) derive(label string) ([]byte, error) {
	root, err := r.bytes()
	if err != nil {
		return nil, err
	}
	return hkdf.Key(sha256.New, root, nil, derivePrefix+label, keySize)
}

// AEAD returns AES-256-GCM under the key that Derive gives for label.
func (r *RootKey) AEAD(label string) (tink.AEAD, error) {
	key, err := r.derive(label)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return subtle.NewAESGCM(key)
}

// WrapAEAD returns the AEAD of Seal and Open, for a caller that must hand
// Tink an AEAD; its associated data is that of [AssociatedData].
func (r *RootKey) WrapAEAD() (tink.AEAD, error) { return r.AEAD(wrapLabel) }

// Seal encrypts a key of the given role, tenant and id, all bound as
// associated data. plaintext is 1 byte to 64 KiB.
func (r *RootKey) Seal(role Role, tenant, id string, plaintext []byte) ([]byte, error) {
	if len(plaintext) == 0 || len(plaintext) > maxPlain {
		return nil, fmt.Errorf("sealing %s key %q: not 1 to %d bytes", role, id, maxPlain)
	}
	ad, err := AssociatedData(role, tenant, id)
	if err != nil {
		return nil, fmt.Errorf("sealing %s key %q: %w", role, id, err)
	}
	aead, err := r.WrapAEAD()
	if err != nil {
		return nil, fmt.Errorf("sealing %s key %q: %w", role, id, err)
	}
	return aead.Encrypt(plaintext, ad)
}

// Open returns what Seal was given, to be cleared by the caller. It fails with
// [ErrOpen] when blob was sealed for anything else.
func (r *RootKey) Open(role Role, tenant, id string, blob []byte) ([]byte, error) {
	ad, err := AssociatedData(role, tenant, id)
	if err != nil {
		return nil, fmt.Errorf("opening %s key %q: %w", role, id, err)
	}
	aead, err := r.WrapAEAD()
	if err != nil {
		return nil, fmt.Errorf("opening %s key %q: %w", role, id, err)
	}
	if len(blob) > maxPlain+subtle.AESGCMIVSize+subtle.AESGCMTagSize {
		return nil, fmt.Errorf("opening %s key %q: %w", role, id, ErrOpen)
	}
	plaintext, err := aead.Decrypt(blob, ad)
	if err != nil {
		return nil, fmt.Errorf("opening %s key %q: %w", role, id, ErrOpen)
	}
	return plaintext, nil
}

// SealRoot is Seal for the root key before r.
func (r *RootKey) SealRoot(tenant, id string, before *RootKey) ([]byte, error) {
	plain, err := before.bytes()
	if err != nil {
		return nil, fmt.Errorf("sealing %s key %q: %w", RoleRoot, id, err)
	}
	return r.Seal(RoleRoot, tenant, id, plain)
}

// OpenRoot opens what SealRoot gave, to be wiped by the caller.
func (r *RootKey) OpenRoot(tenant, id string, blob []byte) (*RootKey, error) {
	plain, err := r.Open(RoleRoot, tenant, id, blob)
	if err != nil {
		return nil, err
	}
	if len(plain) != keySize {
		clear(plain)
		return nil, fmt.Errorf("opening %s key %q: %w", RoleRoot, id, ErrOpen)
	}
	return &RootKey{materialOf(plain)}, nil
}

// AssociatedData is what binds a sealed key to its place: the label
// "ass-key-v1", role, tenant and id, each behind its length in 2 bytes. None
// may be empty.
func AssociatedData(role Role, tenant, id string) ([]byte, error) {
	return lengthPrefixed(keyLabel, string(role), tenant, id).Bytes()
}

var errEmptyField = errors.New("empty name in associated data")

// lengthPrefixed starts a builder with fields, each behind its length in 2
// bytes; the builder's Bytes fails when one is empty or too long for that.
func lengthPrefixed(fields ...string) *cryptobyte.Builder {
	b := cryptobyte.NewBuilder(nil)
	for _, f := range fields {
		if f == "" {
			b.SetError(errEmptyField)
		}
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(f)) })
	}
	return b
}
