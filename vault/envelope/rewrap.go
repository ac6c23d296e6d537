package envelope

import "fmt"

// A keyring wraps a DEK in one of two forms:
//
//	of a value that it has sealed:         DEK, 32 bytes
//	of one that another keyring sealed:    DEK, 32 bytes ‖ id of that keyring
//
// The ciphertext stays bound to the keyring that sealed it, so the second form says
// which that was. There is one spelling: the second never has the wrapping keyring's id.

// Rewrap returns what from has sealed or wrapped for p, with its DEK wrapped by k. The
// ciphertext stays byte for byte, and with it the [Digest]. It is not decrypted, so
// one that does not open fails as late as in Open. Whatever is wrong, the error is
// [ErrDecrypt].
func (k *Keyring) Rewrap(p Place, b []byte, from *Keyring) ([]byte, error) {
	s, err := parseSealed(b)
	if err != nil || s.keyID != from.id || p.check() != nil {
		return nil, ErrDecrypt
	}
	dek, under, err := from.wrap().unwrap(from.kek, p, s)
	if err != nil {
		return nil, ErrDecrypt
	}
	defer clear(dek)
	if s.wrapped, err = k.wrap().rewrap(k.kek, p, dek, under); err != nil {
		return nil, fmt.Errorf("wrapping a DEK anew: %w", err)
	}
	s.keyID = k.id
	return s.marshal()
}

// rewrap wraps a DEK whose value was sealed under the keyring of that id.
func (w dekWrap) rewrap(kek encrypter, p Place, dek []byte, under string) ([]byte, error) {
	ad, err := p.associatedData(w.label, w.keyID)
	if err != nil {
		return nil, err
	}
	content := append(make([]byte, 0, dekSize+len(under)), dek...)
	defer func() { clear(content) }()
	if under != w.keyID {
		content = append(content, under...)
	}
	return kek.Encrypt(content, ad)
}

// unwrap is the DEK of s, to be cleared by the caller, and the id of the keyset that
// its value is bound to.
func (w dekWrap) unwrap(kek decrypter, p Place, s sealed) (dek []byte, under string, err error) {
	ad, err := p.associatedData(w.label, w.keyID)
	if err != nil {
		return nil, "", err
	}
	content, err := kek.Decrypt(s.wrapped, ad)
	if err != nil {
		return nil, "", err
	}
	under = w.keyID
	if w.takesOver && len(content) > dekSize {
		under, content = string(content[dekSize:]), content[:dekSize]
		if under == w.keyID || !validID(keyringPrefix, under) {
			clear(content)
			return nil, "", ErrDecrypt
		}
	}
	if len(content) != dekSize {
		clear(content)
		return nil, "", ErrDecrypt
	}
	return content, under, nil
}
