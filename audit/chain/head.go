package chain

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
)

const headLabel = "ass-head-v1\n"

// Head is how far a chain has come.
type Head struct {
	Epoch uint64 `json:"epoch"` // of the key that signs it
	Seq   uint64 `json:"seq"`
	Hash  Hash   `json:"hash"`
}

// Message is what the audit key signs, and the only thing it signs.
func (h Head) Message(tenant string) []byte {
	b := append([]byte(headLabel), tenant...)
	b = binary.BigEndian.AppendUint64(b, h.Epoch)
	b = binary.BigEndian.AppendUint64(b, h.Seq)
	return append(b, h.Hash[:]...)
}

// Sign is the signature of h by key.
func Sign(h Head, tenant string, key ed25519.PrivateKey) Signature {
	return Signature{h.Epoch, ed25519.Sign(key, h.Message(tenant))}
}

// Verify reports whether signature is key's of h.
func (h Head) Verify(tenant string, key Key, signature []byte) bool {
	return len(key) == ed25519.PublicKeySize && ed25519.Verify(ed25519.PublicKey(key), h.Message(tenant), signature)
}

// Signature is one of a head; its epoch says by which key.
type Signature struct {
	Epoch uint64
	Bytes []byte
}

// maxSignatures: a head has one, and where the key changes, the old one's and the new one's.
const maxSignatures = 2

const signatureSize = 8 + ed25519.SignatureSize

var errHead = errors.New("malformed signed head")

// FormatSignatures is how they are stored: epoch ‖ signature, one after the other.
func FormatSignatures(signatures ...Signature) (b []byte) {
	for _, s := range signatures {
		b = append(binary.BigEndian.AppendUint64(b, s.Epoch), s.Bytes...)
	}
	return b
}

// ParseSignatures reads what FormatSignatures made. They share memory with b.
func ParseSignatures(b []byte) (signatures []Signature, err error) {
	if len(b) == 0 || len(b)%signatureSize != 0 || len(b) > maxSignatures*signatureSize {
		return nil, errHead
	}
	for ; len(b) > 0; b = b[signatureSize:] {
		signatures = append(signatures, Signature{binary.BigEndian.Uint64(b), b[8:signatureSize:signatureSize]})
	}
	return signatures, nil
}
