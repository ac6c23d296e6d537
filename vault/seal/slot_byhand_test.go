package seal_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/agent-secret-store/assd/vault/seal"
)

// TestPassphraseSlotByHand opens a slot as its drawing says, without the code that made it:
// each of the costs counts, and all that the slot says is bound.
func TestPassphraseSlotByHand(t *testing.T) {
	const text = "ten wild horses"
	p, err := seal.NewPassphrase([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	root := seal.NewRootKey()
	s, err := seal.NewSlot(root, tenantA, p, seal.Argon2Params{MemoryKiB: 64 << 10, Time: 2, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	key, err := hkdf.Key(sha256.New, argon2.IDKey([]byte(text), s.Salt, 2, 64<<10, 2, 32), s.Salt, "ass-slot-v1/passphrase", 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	var ad []byte
	for _, part := range [][]byte{[]byte("ass-slot-v1"), []byte(tenantA), []byte(s.ID), []byte("passphrase"), s.Salt} {
		ad = append(binary.BigEndian.AppendUint16(ad, uint16(len(part))), part...)
	}
	ad = append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(ad, 64<<10), 2), 2)
	got, err := gcm.Open(nil, s.Wrapped[:12], s.Wrapped[12:], ad)
	if err != nil {
		t.Fatalf("opening it by hand: %v", err)
	}
	if len(got) != 32 {
		t.Errorf("what it holds has %d bytes", len(got))
	}
	if again, err := s.Unlock(tenantA, p); err != nil || !bytes.Equal(again.Derive("x"), root.Derive("x")) {
		t.Errorf("with the code that made it: %v", err)
	}
}
