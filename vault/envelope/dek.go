package envelope

import (
	"crypto/rand"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

// dekWrap says how one keyset wraps the DEKs of values: its id, the label that keeps
// this way of wrapping apart from every other, and whether it takes over DEKs that
// another keyset has wrapped.
type dekWrap struct {
	keyID, label string
	takesOver    bool
}

// What a keyset must do with DEKs. An AEAD of Tink's binds the second argument
// as associated data, a hybrid cipher as context info.
type (
	encrypter interface {
		Encrypt(dek, bound []byte) ([]byte, error)
	}
	decrypter interface {
		Decrypt(wrapped, bound []byte) ([]byte, error)
	}
)

// seal encrypts pay for p under a fresh DEK that it wraps with kek.
func (w dekWrap) seal(kek encrypter, p Place, pay Payload) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("sealing value: %w", err)
	}
	plain, err := pay.marshal()
	if err != nil {
		return nil, fmt.Errorf("sealing value: %w", err)
	}
	defer clear(plain)
	dek := make([]byte, dekSize)
	rand.Read(dek)
	defer clear(dek)
	out, err := w.encrypt(kek, p, dek, plain)
	if err != nil {
		return nil, fmt.Errorf("sealing value: %w", err)
	}
	return out.marshal()
}

func (w dekWrap) encrypt(kek encrypter, p Place, dek, plain []byte) (sealed, error) {
	dekAD, valueAD, err := w.associatedData(p)
	if err != nil {
		return sealed{}, err
	}
	wrapped, err := kek.Encrypt(dek, dekAD)
	if err != nil {
		return sealed{}, err
	}
	value, err := subtle.NewAESGCM(dek)
	if err != nil {
		return sealed{}, err
	}
	ciphertext, err := value.Encrypt(plain, valueAD)
	return sealed{keyID: w.keyID, wrapped: wrapped, ciphertext: ciphertext}, err
}

// open decrypts what seal gave; whatever is wrong, the error is ErrDecrypt.
func (w dekWrap) open(kek decrypter, p Place, b []byte) (Payload, error) {
	s, err := parseSealed(b)
	if err != nil || s.keyID != w.keyID {
		return Payload{}, ErrDecrypt
	}
	plain, err := w.decrypt(kek, p, s)
	if err != nil {
		return Payload{}, ErrDecrypt
	}
	pay, ok := parsePayload(plain)
	if !ok {
		clear(plain)
		return Payload{}, ErrDecrypt
	}
	return pay, nil
}

func (w dekWrap) decrypt(kek decrypter, p Place, s sealed) ([]byte, error) {
	dek, under, err := w.unwrap(kek, p, s)
	if err != nil {
		return nil, err
	}
	defer clear(dek)
	valueAD, err := p.associatedData(valueLabel, under)
	if err != nil {
		return nil, err
	}
	value, err := subtle.NewAESGCM(dek)
	if err != nil {
		return nil, err
	}
	return value.Decrypt(s.ciphertext, valueAD)
}

// associatedData returns what the wrapped DEK and the value are bound to.
func (w dekWrap) associatedData(p Place) (dek, value []byte, err error) {
	if dek, err = p.associatedData(w.label, w.keyID); err != nil {
		return nil, nil, err
	}
	value, err = p.associatedData(valueLabel, w.keyID)
	return dek, value, err
}
