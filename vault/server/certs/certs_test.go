package certs_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/vault/server/certs"
)

// journal is a log that can be read while it is written.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// keeping is a configuration for a pair made in a folder of its own.
func keeping(t *testing.T) (certs.Config, *journal) {
	j := &journal{}
	return certs.Config{
		Dir: filepath.Join(t.TempDir(), "tls"), Host: "127.0.0.1", Bound: netip.MustParseAddr("127.0.0.1"),
		Log: hclog.New(&hclog.LoggerOptions{Output: j, Level: hclog.Trace}),
	}, j
}

// given is a configuration for an operator's pair, which is there.
func given(t *testing.T) (certs.Config, *journal) {
	cfg, j := keeping(t)
	dir := t.TempDir()
	cfg.CertFile, cfg.KeyFile = filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	newPair(t, "vault.example.com").put(t, cfg.CertFile, cfg.KeyFile)
	return cfg, j
}

func open(t *testing.T, cfg certs.Config) *certs.Keeper {
	t.Helper()
	k, err := certs.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// leafOf is the certificate that k shows.
func leafOf(t *testing.T, k *certs.Keeper) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(k.Certificate().Certificate))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// pair is a certificate with its key, as a test makes it.
type pair struct {
	cert    *x509.Certificate
	key     crypto.Signer
	certPEM []byte
	keyPEM  []byte
}

func newPair(t testing.TB, name string) *pair {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signedPair(t, name, key, nil)
}

// signedPair is a certificate for key by signer, or by itself.
func signedPair(t testing.TB, name string, key crypto.Signer, signer *pair) *pair {
	t.Helper()
	now := time.Now()
	return timedPair(t, name, key, signer, now.Add(-time.Hour), now.Add(365*24*time.Hour))
}

// agedPair is a certificate by itself, good between two times from now.
func agedPair(t testing.TB, name string, from, to time.Duration) *pair {
	t.Helper()
	p := newPair(t, name)
	return timedPair(t, name, p.key, nil, time.Now().Add(from), time.Now().Add(to))
}

func timedPair(t testing.TB, name string, key crypto.Signer, signer *pair, from, to time.Time) *pair {
	t.Helper()
	tmpl := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: from, NotAfter: to,
		BasicConstraintsValid: true, IsCA: signer == nil,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, by := tmpl, key
	if signer != nil {
		parent, by = signer.cert, signer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &pair{
		cert: cert, key: key, certPEM: block("CERTIFICATE", der), keyPEM: block("PRIVATE KEY", pkcs8),
	}
}

func block(kind string, b []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b})
}

// put writes the pair as a careful program would: by rename.
func (p *pair) put(t testing.TB, certPath, keyPath string) {
	t.Helper()
	replace(t, certPath, p.certPEM, 0o644)
	replace(t, keyPath, p.keyPEM, 0o600)
}

func replace(t testing.TB, path string, b []byte, mode os.FileMode) {
	t.Helper()
	write(t, path+".tmp", b, mode)
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path string, b []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, b, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// eventually waits until ok.
func eventually(t *testing.T, what string, j *journal, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("not within a minute: %s\n%s", what, j)
		}
	}
}

// watching runs k's watch until the test ends.
func watching(t *testing.T, k *certs.Keeper) (again chan os.Signal) {
	again = make(chan os.Signal)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.Watch(ctx, again)
	}()
	t.Cleanup(func() { cancel(); <-done })
	time.Sleep(50 * time.Millisecond) // so that the watch is there before the change
	return again
}

// shake does a handshake and returns the server's certificate and both errors.
func shake(t *testing.T, k *certs.Keeper, client *tls.Config) (leaf *x509.Certificate, clientErr, serverErr error) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", k.TLSConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	failed := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			c.SetDeadline(time.Now().Add(time.Minute))
			err = errors.Join(c.(*tls.Conn).Handshake(), c.Close())
		}
		failed <- err
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	secure := tls.Client(c, client)
	if clientErr = secure.Handshake(); clientErr != nil {
		c.Close()
		return nil, clientErr, <-failed
	}
	io.Copy(io.Discard, secure) // the server's last word, with a ticket if there is one
	return secure.ConnectionState().PeerCertificates[0], nil, <-failed
}

// lines counts the log's lines with s.
func (j *journal) lines(s string) int { return strings.Count(j.String(), s) }
