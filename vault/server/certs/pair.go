package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Errors of what files hold. The parsers of the standard library say more, and
// some of it is what the file says.
var (
	errNoCertificate = errors.New("it holds no certificate in PEM")
	errCertificate   = errors.New("it holds a certificate that is damaged")
	errDamaged       = errors.New("it is cut short or damaged")
	errNoKey         = errors.New("it holds no private key in PEM")
	errKey           = errors.New("it holds a private key that is damaged or of an unknown kind")
	errEncrypted     = errors.New("the key in it is encrypted: give it without a passphrase, in a file that only its owner can read")
	errWeak          = errors.New("the key in it is too weak: RSA needs 2048 bits, ECDSA P-256")
)

const minRSA = 2048 // bits

// blocks are the PEM blocks of b; text between them is passed over, a block that
// is not whole is an error.
func blocks(b []byte) ([]*pem.Block, error) {
	begun := bytes.Count(b, []byte("-----BEGIN "))
	var out []*pem.Block
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		out = append(out, block)
	}
	if len(out) != begun {
		return nil, errDamaged
	}
	return out, nil
}

// parseCertificates reads 1 to most certificates.
func parseCertificates(b []byte, most int) ([]*x509.Certificate, error) {
	all, err := blocks(b)
	if err != nil {
		return nil, err
	}
	var out []*x509.Certificate
	for _, block := range all {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errCertificate
		}
		if out = append(out, c); len(out) > most {
			return nil, fmt.Errorf("it holds more than %d certificates", most)
		}
	}
	if len(out) == 0 {
		return nil, errNoCertificate
	}
	return out, nil
}

// parseKey reads the first private key.
func parseKey(b []byte) (crypto.Signer, error) {
	all, err := blocks(b)
	if err != nil {
		return nil, err
	}
	for _, block := range all {
		defer clear(block.Bytes)
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, errEncrypted
		case block.Type == "PRIVATE KEY" || strings.HasSuffix(block.Type, " PRIVATE KEY"):
			return decodeKey(block.Bytes)
		}
	}
	return nil, errNoKey
}

func decodeKey(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		key, err = x509.ParseECPrivateKey(der)
	}
	if err != nil {
		key, err = x509.ParsePKCS1PrivateKey(der)
	}
	if err != nil {
		return nil, errKey
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < minRSA {
			return nil, errWeak
		}
		return k, nil
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P224() {
			return nil, errWeak
		}
		return k, nil
	case ed25519.PrivateKey:
		return k, nil
	}
	return nil, errKey
}

// matches reports whether key is the key of c.
func matches(c *x509.Certificate, key crypto.Signer) bool {
	pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && pub.Equal(c.PublicKey)
}

// pairOf is chain with its key, for a handshake.
func pairOf(chain []*x509.Certificate, key crypto.Signer) tls.Certificate {
	pair := tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		pair.Certificate = append(pair.Certificate, c.Raw)
	}
	return pair
}

// encode is chain in PEM: what was parsed, and nothing else of the file.
func encode(chain []*x509.Certificate) string {
	var b strings.Builder
	for _, c := range chain {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return b.String()
}
