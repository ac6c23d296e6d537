package envelope

// WithWrap is b, its DEK replaced by whatever content, wrapped by k for p.
func (k *Keyring) WithWrap(p Place, b []byte, content func(dek []byte) []byte) ([]byte, error) {
	s, err := parseSealed(b)
	if err != nil {
		return nil, err
	}
	dek, _, err := k.wrap().unwrap(k.kek, p, s)
	if err != nil {
		return nil, err
	}
	ad, err := p.associatedData(dekLabel, k.id)
	if err != nil {
		return nil, err
	}
	if s.wrapped, err = k.kek.Encrypt(content(dek), ad); err != nil {
		return nil, err
	}
	return s.marshal()
}
