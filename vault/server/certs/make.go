package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/agent-secret-store/assd/internal/durable"
	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/vault/api"
)

// The names in the folder of a pair that assd makes.
const (
	certName = "cert.pem"
	keyName  = "key.pem"
)

// makePair makes what is missing of the pair in cfg.Dir. A certificate without
// its key is refused: what clients trust must not change unseen.
func (cfg Config) makePair() error {
	if err := makeDir(cfg.Dir); err != nil {
		return fmt.Errorf("making the folder of the TLS certificate: %w", err)
	}
	certPath, keyPath := filepath.Join(cfg.Dir, certName), filepath.Join(cfg.Dir, keyName)
	haveCert, err := exists(certPath)
	if err != nil {
		return fmt.Errorf("looking for the TLS certificate: %w", err)
	}
	haveKey, err := exists(keyPath)
	switch {
	case err != nil:
		return fmt.Errorf("looking for the TLS key: %w", err)
	case haveCert && haveKey:
		return nil
	case haveCert:
		return fmt.Errorf("TLS certificate %q has no key beside it: put key.pem back%s", certPath, cfg.newPair())
	case !haveKey:
		if err := makeKey(keyPath); err != nil {
			return fmt.Errorf("making TLS key %q: %w", keyPath, err)
		}
	}
	key, err := cfg.key()
	if err != nil {
		return err
	}
	leaf, err := cfg.makeCertificate(certPath, key)
	if err != nil {
		return fmt.Errorf("making TLS certificate %q: %w", certPath, err)
	}
	// A warning, for whoever logs no more than that: clients are to pin it.
	what := "a TLS key and certificate are made"
	if haveKey {
		what = "a TLS certificate is made for the key that is there: the fingerprint stays"
	}
	cfg.Log.Warn(what, "file", certPath, "fingerprint", api.Fingerprint(leaf))
	return nil
}

func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return peer.CheckPrivate(dir, true)
	}
	if err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(dir))
}

func makeKey(path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	b := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	defer clear(der)
	defer clear(b)
	return write(path, b)
}

func (cfg Config) makeCertificate(path string, key crypto.Signer) (*x509.Certificate, error) {
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	leaf := template(cfg.wanted(), cfg.now())
	// OpenSSL looks an anchor up by its subject: two daemons' must differ.
	leaf.Subject.CommonName = fmt.Sprintf("assd %.8x", sha256.Sum256(public))
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if err := write(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// template is a leaf and no CA: whoever takes it as an anchor trusts this one
// certificate, and what its key signs is no certificate of anybody else.
func template(names []Name, now time.Time) *x509.Certificate {
	t := &x509.Certificate{ // without a serial number it gets a random one
		Subject:               pkix.Name{Organization: []string{"Agent Secret Store"}},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, n := range names {
		if n.ip.IsValid() {
			t.IPAddresses = append(t.IPAddresses, n.ip.AsSlice())
		} else {
			t.DNSNames = append(t.DNSNames, n.host)
		}
	}
	return t
}
