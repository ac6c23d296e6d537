package generate

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// Make makes a value. An RSA key takes seconds, anything else none.
func (r Recipe) Make() ([]byte, error) {
	switch r.format {
	case text:
		return randomText(r.chars, r.length), nil
	case uuid:
		return newUUID(), nil
	case hexOf:
		return encoded(r.length, hex.AppendEncode), nil
	case base64Of:
		return encoded(r.length, base64.StdEncoding.AppendEncode), nil
	case ed25519Key:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return openSSH(key, err)
	case rsaKey:
		key, err := rsa.GenerateKey(rand.Reader, r.bits)
		return openSSH(key, err)
	}
	return nil, fmt.Errorf("making a value: no recipe")
}

// randomText is length characters, each any of those in chars.
func randomText(chars string, length int) []byte {
	out := make([]byte, 0, length)
	// What is beyond the last whole multiple would make some likelier than others.
	fair := 256 - 256%len(chars)
	for buf := make([]byte, length); len(out) < length; {
		rand.Read(buf)
		for _, b := range buf {
			if int(b) < fair && len(out) < length {
				out = append(out, chars[int(b)%len(chars)])
			}
		}
		clear(buf)
	}
	return out
}

// encoded is length random bytes as text.
func encoded(length int, encode func(dst, src []byte) []byte) []byte {
	raw := make([]byte, length)
	rand.Read(raw)
	defer clear(raw)
	return encode(nil, raw)
}

// newUUID is a random UUID, version 4 of RFC 9562.
func newUUID() []byte {
	var u [16]byte
	rand.Read(u[:])
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return fmt.Appendf(nil, "%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// openSSH is a private key as ssh keeps it in a file, without a comment.
func openSSH(key crypto.PrivateKey, err error) ([]byte, error) {
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	defer clear(block.Bytes)
	return pem.EncodeToMemory(block), nil
}
