package certs_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-secret-store/assd/vault/server/certs"
)

func keyOf[K crypto.Signer](t testing.TB) func(K, error) crypto.Signer {
	return func(k K, err error) crypto.Signer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
}

// TestGivenPair: an operator's pair, of each kind and in each encoding, is shown
// with the certificates above it.
func TestGivenPair(t *testing.T) {
	ec := keyOf[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)).(*ecdsa.PrivateKey)
	rs := keyOf[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048)).(*rsa.PrivateKey)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	ca := newPair(t, "a CA")
	for name, tc := range map[string]struct {
		key crypto.Signer
		pem []byte // nil: PKCS #8
	}{
		"P-384":              {ec, nil},
		"P-384, SEC 1":       {ec, append([]byte("text before\n-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n"), block("EC PRIVATE KEY", sec1)...)},
		"RSA, PKCS #1":       {rs, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rs))},
		"Ed25519, CRLF ends": {ed, nil},
	} {
		cfg, j := given(t)
		p := signedPair(t, "vault.example.com", tc.key, ca)
		if tc.pem != nil {
			p.keyPEM = tc.pem
		}
		if strings.Contains(name, "CRLF") {
			p.keyPEM = bytes.ReplaceAll(p.keyPEM, []byte("\n"), []byte("\r\n"))
		}
		p.certPEM = append(p.certPEM, ca.certPEM...)
		p.put(t, cfg.CertFile, cfg.KeyFile)
		if err := os.Chmod(cfg.KeyFile, 0o640); err != nil { // as a service manager may
			t.Fatal(err)
		}
		k, err := certs.Open(cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		roots := x509.NewCertPool()
		roots.AddCert(ca.cert)
		if _, client, srv := shake(t, k, &tls.Config{RootCAs: roots, ServerName: "vault.example.com"}); client != nil || srv != nil {
			t.Errorf("%s: %v, %v", name, client, srv)
		}
		if got := k.Certificate().Certificate; got != string(p.certPEM) || j.String() != "" {
			t.Errorf("%s: told\n%s\n%s", name, got, j)
		}
		if _, err := os.Lstat(cfg.Dir); err == nil {
			t.Errorf("%s: a folder was made", name)
		}
	}
}

// TestCertificateTellsNoKey: a file with certificate and key in one serves, and
// only the certificate is told.
func TestCertificateTellsNoKey(t *testing.T) {
	cfg, _ := given(t)
	p := newPair(t, "x")
	write(t, cfg.KeyFile, append(append([]byte("a note\n"), p.keyPEM...), p.certPEM...), 0o600)
	cfg.CertFile = cfg.KeyFile
	if got := open(t, cfg).Certificate().Certificate; got != string(p.certPEM) {
		t.Errorf("told:\n%s", got)
	}
}

// TestGivenFilesRefused: each error is one line that names the file and holds
// nothing of what is in it.
func TestGivenFilesRefused(t *testing.T) {
	weak := keyOf[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	other := newPair(t, "x")
	big := bytes.Repeat([]byte("#"), certs.MaxFile+1)
	for name, tc := range map[string]struct {
		damage func(t *testing.T, cfg *certs.Config)
		want   string
	}{
		"no certificate file": {func(t *testing.T, c *certs.Config) { os.Remove(c.CertFile) }, "c.pem: no such file or directory; --tls-cert says where it is"},
		"no key file":         {func(t *testing.T, c *certs.Config) { os.Remove(c.KeyFile) }, "k.pem: no such file or directory; --tls-key says where it is"},
		"certificate empty":   {func(t *testing.T, c *certs.Config) { write(t, c.CertFile, nil, 0o644) }, `c.pem": it holds no certificate`},
		"certificate is text": {func(t *testing.T, c *certs.Config) { write(t, c.CertFile, []byte("MARKED"), 0o644) }, "no certificate"},
		"key for certificate": {func(t *testing.T, c *certs.Config) { write(t, c.CertFile, []byte(read(t, c.KeyFile)), 0o644) }, "no certificate"},
		"certificate for key": {func(t *testing.T, c *certs.Config) { write(t, c.KeyFile, other.certPEM, 0o600) }, `k.pem": it holds no private key`},
		"certificate damaged": {func(t *testing.T, c *certs.Config) {
			write(t, c.CertFile, block("CERTIFICATE", []byte("MARKED")), 0o644)
		}, "damaged"},
		"chain cut": {func(t *testing.T, c *certs.Config) {
			write(t, c.CertFile, append([]byte(read(t, c.CertFile)), other.certPEM[:90]...), 0o644)
		}, "cut short"},
		"chain long": {func(t *testing.T, c *certs.Config) {
			write(t, c.CertFile, bytes.Repeat(other.certPEM, certs.MaxChain+1), 0o644)
		}, "more than 16"},
		"key damaged": {func(t *testing.T, c *certs.Config) {
			write(t, c.KeyFile, block("PRIVATE KEY", []byte("MARKED")), 0o600)
		}, "damaged"},
		"key cut": {func(t *testing.T, c *certs.Config) { write(t, c.KeyFile, other.keyPEM[:90], 0o600) }, "cut short"},
		"key encrypted": {func(t *testing.T, c *certs.Config) {
			write(t, c.KeyFile, block("ENCRYPTED PRIVATE KEY", []byte("MARKED")), 0o600)
		}, "without a passphrase"},
		"key encrypted, old": {func(t *testing.T, c *certs.Config) {
			write(t, c.KeyFile, []byte("-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nTUFSS0VE\n-----END EC PRIVATE KEY-----\n"), 0o600)
		}, "without a passphrase"},
		"marked block": {func(t *testing.T, c *certs.Config) { write(t, c.KeyFile, block("MARKED", []byte("MARKED")), 0o600) }, "no private key"},
		"key weak":     {func(t *testing.T, c *certs.Config) { signedPair(t, "x", weak, nil).put(t, c.CertFile, c.KeyFile) }, "too weak"},
		"another's":    {func(t *testing.T, c *certs.Config) { write(t, c.KeyFile, other.keyPEM, 0o600) }, "do not belong together"},
		"key open": {func(t *testing.T, c *certs.Config) { write(t, c.KeyFile, []byte(read(t, c.KeyFile)), 0o644) },
			"chmod g-w,o-rwx "},
		"key group-writable":  {func(t *testing.T, c *certs.Config) { os.Chmod(c.KeyFile, 0o620) }, "chmod g-w,o-rwx "},
		"key too long":        {func(t *testing.T, c *certs.Config) { write(t, c.KeyFile, big, 0o600) }, "longer than"},
		"certificate long":    {func(t *testing.T, c *certs.Config) { write(t, c.CertFile, big, 0o600) }, "longer than"},
		"certificate, folder": {func(t *testing.T, c *certs.Config) { c.CertFile = filepath.Dir(c.CertFile) }, "no regular file"},
		"key is a fifo": {func(t *testing.T, c *certs.Config) {
			os.Remove(c.KeyFile)
			if err := syscall.Mkfifo(c.KeyFile, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "no regular file"},
		"client CA missing": {func(t *testing.T, c *certs.Config) { c.ClientCAFile = "nosuch.pem" }, "nosuch.pem: no such file or directory; --client-ca says where it is"},
		"client CA empty":   {func(t *testing.T, c *certs.Config) { c.ClientCAFile = ca(t, c, []byte("MARKED"), 0o644) }, "no certificate"},
		"client CA cut": {func(t *testing.T, c *certs.Config) {
			c.ClientCAFile = ca(t, c, append(other.certPEM, other.certPEM[:90]...), 0o644)
		}, "cut short"},
		"client CA open": {func(t *testing.T, c *certs.Config) { c.ClientCAFile = ca(t, c, other.certPEM, 0o664) }, "chmod go-w "},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, _ := given(t)
			tc.damage(t, &cfg)
			_, err := certs.Open(cfg)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "MARKED") || strings.ContainsAny(err.Error(), "\n#") {
				t.Errorf("got %.300v; want %q", err, tc.want)
			}
			if check := cfg.Check(); check == nil || check.Error() != err.Error() {
				t.Errorf("Check: %v; Open: %v", check, err)
			}
		})
	}
}

// ca writes a client CA file beside the pair.
func ca(t *testing.T, cfg *certs.Config, b []byte, mode os.FileMode) string {
	path := filepath.Join(filepath.Dir(cfg.CertFile), "ca.pem")
	write(t, path, b, mode)
	return path
}

// TestCheckMakesNothing: not where the pair is to be made, either.
func TestCheckMakesNothing(t *testing.T) {
	cfg, _ := keeping(t)
	if err := cfg.Check(); err != nil {
		t.Error(err)
	}
	cfg.ClientCAFile = "nosuch.pem"
	if err := cfg.Check(); err == nil {
		t.Error("a client CA that is missing was not seen")
	}
	if _, err := os.Lstat(cfg.Dir); err == nil {
		t.Error("a folder was made")
	}
}

// TestClientCA: only a client with a certificate from the CA gets in, and none
// with an older version of TLS.
func TestClientCA(t *testing.T) {
	cfg, _ := given(t)
	mine, foreign := newPair(t, "mine"), newPair(t, "foreign")
	cfg.ClientCAFile = ca(t, &cfg, mine.certPEM, 0o644)
	k := open(t, cfg)
	for name, tc := range map[string]struct {
		client *tls.Config
		ok     bool
	}{
		"mine":    {withCertificate(t, mine), true},
		"foreign": {withCertificate(t, foreign), false},
		"none":    {&tls.Config{InsecureSkipVerify: true}, false},
		"TLS 1.2": {&tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, Certificates: withCertificate(t, mine).Certificates}, false},
	} {
		if _, _, err := shake(t, k, tc.client); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// withCertificate is a client with a certificate from ca, which it shows
// whatever the server asks for.
func withCertificate(t *testing.T, ca *pair) *tls.Config {
	p := signedPair(t, "client", keyOf[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), ca)
	return &tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &tls.Certificate{Certificate: [][]byte{p.cert.Raw}, PrivateKey: p.key}, nil
	}, Certificates: []tls.Certificate{{Certificate: [][]byte{p.cert.Raw}, PrivateKey: p.key}}}
}

// TestNoResumption: a client that comes back shows its certificate again.
func TestNoResumption(t *testing.T) {
	cfg, _ := given(t)
	k := open(t, cfg)
	cache := &sessions{}
	for range 2 {
		if _, client, srv := shake(t, k, &tls.Config{InsecureSkipVerify: true, ServerName: "vault.example.com", ClientSessionCache: cache}); client != nil || srv != nil {
			t.Fatal(client, srv)
		}
	}
	if cache.put {
		t.Error("the server gave a session ticket")
	}
}

type sessions struct{ put bool }

func (s *sessions) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
func (s *sessions) Put(_ string, cs *tls.ClientSessionState)   { s.put = s.put || cs != nil }

// FuzzPair: whatever the files hold, reading them neither panics nor repeats it.
func FuzzPair(f *testing.F) {
	p := newPair(f, "x")
	f.Add(p.certPEM, p.keyPEM)
	f.Add(p.certPEM[:90], p.keyPEM[:90])
	f.Add(append(p.certPEM, p.certPEM...), append(p.certPEM, p.keyPEM...))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), []byte("-----BEGIN PRIVATE KEY-----\nDEK-Info: x\n\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		err := certs.ParsePair(cert, key)
		if err != nil && len(err.Error()) > 120 {
			t.Errorf("a long error: %v", err)
		}
	})
}

// FuzzParseName: what is taken prints as it is read, and fits a certificate.
func FuzzParseName(f *testing.F) {
	for _, s := range []string{"vault.example.com", "*.example.com", "LOCALHOST", "a.", "192.0.2.7", "::1", "::ffff:192.0.2.7", "fe80::1%eth0", "0.0.0.0", "", ".", "a..b", "-a", "10.0.0.300", "*", "a_b", "é.example", "a b", "a\nb", strings.Repeat("a", 64)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := certs.ParseName(s)
		if err != nil {
			return
		}
		again, err := certs.ParseName(n.String())
		if err != nil || again != n || strings.ContainsAny(n.String(), " \n%") || len(n.String()) > 253 {
			t.Errorf("%q is read as %q, that as %q, %v", s, n, again, err)
		}
	})
}

// TestParseName: what is no name.
func TestParseName(t *testing.T) {
	for _, s := range []string{"", ".", "a..b", "-a", "a-", "10.0.0.300", "1234", "*", "a.*", "*.*.a", "fe80::1%eth0", "0.0.0.0", "::", "a b", "a:443", "https://a", "[::1]", "é.example", "a\x00", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "a"} {
		if n, err := certs.ParseName(s); err == nil {
			t.Errorf("%q is read as %q", s, n)
		}
	}
	for s, want := range map[string]string{"A.b.": "a.b", "*.a": "*.a", "::ffff:1.2.3.4": "1.2.3.4", "0:0::1": "::1", "a_b": "a_b", "1.a": "1.a"} {
		if n, err := certs.ParseName(s); err != nil || n.String() != want {
			t.Errorf("%q is read as %q, %v; want %q", s, n, err, want)
		}
	}
}
