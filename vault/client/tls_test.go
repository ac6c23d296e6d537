package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// identity is a certificate with its key.
type identity struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate for 127.0.0.1 that edit may change, signed by
// issuer or, without one, by itself.
func issue(t *testing.T, issuer *identity, edit func(*x509.Certificate)) *identity {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "assd"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if edit != nil {
		edit(template)
	}
	parent, signer := template, private
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, private.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &identity{cert, private}
}

func authority(c *x509.Certificate) {
	c.IsCA, c.KeyUsage, c.IPAddresses = true, x509.KeyUsageCertSign, nil
}

func (i *identity) pin() string { return api.Fingerprint(i.cert) }

// chain is what a server shows: i, and the certificates of others behind it.
func (i *identity) chain(others ...*identity) tls.Certificate {
	c := tls.Certificate{Certificate: [][]byte{i.cert.Raw}, PrivateKey: i.key}
	for _, o := range others {
		c.Certificate = append(c.Certificate, o.cert.Raw)
	}
	return c
}

func (i *identity) certFile(t *testing.T) string {
	return writePEM(t, &pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw})
}

func (i *identity) keyFile(t *testing.T) string {
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func writePEM(t *testing.T, blocks ...*pem.Block) string {
	var b []byte
	for _, block := range blocks {
		b = append(b, pem.EncodeToMemory(block)...)
	}
	return writeFile(t, string(b))
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tlsDaemon answers every request with {} and counts what it could decrypt.
type tlsDaemon struct {
	url  string
	mu   sync.Mutex
	seen int // bytes of requests
	over int // connections that are over
}

func startTLS(t *testing.T, cfg *tls.Config) *tlsDaemon {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &tlsDaemon{url: "https://" + l.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { d.serve(tls.Server(conn, cfg)) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return d
}

func (d *tlsDaemon) serve(conn *tls.Conn) {
	conn.SetDeadline(time.Now().Add(time.Minute))
	buf := make([]byte, 4096)
	n, err := conn.Read(buf) // finishes the handshake first
	if err == nil {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
	}
	conn.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen, d.over = d.seen+n, d.over+1
}

// heard waits until one connection is over and returns how much of a request
// it carried.
func (d *tlsDaemon) heard(t *testing.T) int {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		d.mu.Lock()
		seen, over := d.seen, d.over
		d.mu.Unlock()
		if over > 0 {
			return seen
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("no connection came, or it does not end")
	return 0
}

func TestDaemonOverTLS(t *testing.T) {
	ca, otherCA := issue(t, nil, authority), issue(t, nil, authority)
	middle := issue(t, ca, authority)
	own := issue(t, nil, nil)
	signed, below := issue(t, ca, nil), issue(t, middle, nil)
	elsewhere := issue(t, nil, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"vault.example.com"} })
	expired := issue(t, nil, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	early := issue(t, nil, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
	clientOnly := issue(t, nil, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	pin := own.pin()
	for _, tc := range []struct {
		name   string
		shown  tls.Certificate
		ca     *identity
		pin    string
		refuse string // "" when the daemon is the one that was meant
	}{
		{"a certificate that is its own issuer", own.chain(), own, "", ""},
		{"an issuer", signed.chain(), ca, "", ""},
		{"an issuer's issuer", below.chain(middle), ca, "", ""},
		{"a pinned key", own.chain(), nil, pin, ""},
		{"a pin in capitals", own.chain(), nil, "SHA256:" + strings.ToUpper(pin[7:]), ""},
		{"a pinned key under another name", elsewhere.chain(), nil, elsewhere.pin(), ""},
		{"a pinned key of an issuer", signed.chain(), ca, signed.pin(), ""},

		{"nobody vouches", own.chain(), nil, "", "no issuer that this system trusts; the fingerprint of its key is " + pin},
		{"an unknown issuer", signed.chain(ca), otherCA, "", "no issuer in "},
		{"a link is missing", below.chain(), ca, "", "no issuer in "},
		{"another key than the pinned one", own.chain(), nil, signed.pin(), "another than the pinned one: it has " + pin},
		{"the pinned key is shown, but not its own", signed.chain(own), nil, pin, "another than the pinned one"},
		{"the issuer's key is pinned", signed.chain(ca), ca, ca.pin(), "another than the pinned one"},
		{"the pin holds, the issuer does not", own.chain(), ca, pin, "no issuer in "},
		{"the issuer holds, the pin does not", signed.chain(), ca, pin, "another than the pinned one"},
		{"the pin holds, the name does not", elsewhere.chain(), elsewhere, elsewhere.pin(), "not for 127.0.0.1"},
		{"another name", elsewhere.chain(), elsewhere, "", "is for vault.example.com and not for 127.0.0.1"},
		{"expired", expired.chain(), expired, "", "expired on 20"},
		{"expired and pinned", expired.chain(), nil, expired.pin(), "expired on 20"},
		{"expired, pinned and its own issuer", expired.chain(), expired, expired.pin(), "expired on 20"},
		{"not valid yet and pinned", early.chain(), nil, early.pin(), "not valid before 20"},
		{"not valid yet", early.chain(), early, "", "not valid before 20"},
		{"no certificate of a server", clientOnly.chain(), clientOnly, "", "no issuer in "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := startTLS(t, &tls.Config{Certificates: []tls.Certificate{tc.shown}})
			cfg := client.Config{URL: d.url, Key: key, Fingerprint: tc.pin}
			if tc.ca != nil {
				cfg.CACert = tc.ca.certFile(t)
			}
			_, err := newClient(t, cfg).Me(t.Context())
			if tc.refuse == "" {
				if err != nil || d.heard(t) == 0 {
					t.Errorf("refused: %v", err)
				}
				return
			}
			e, ok := errors.AsType[*client.RefusedError](err)
			if !ok || e.ExitCode() != api.ExitDenied || !strings.Contains(e.Error(), tc.refuse) || e.Hint() == "" {
				t.Errorf("got error %v, want a RefusedError about %q", err, tc.refuse)
			}
			if n := d.heard(t); n != 0 {
				t.Errorf("%d bytes of a request were sent", n)
			}
		})
	}
}

func TestUnknownIssuerNamesTheWay(t *testing.T) {
	d := startTLS(t, &tls.Config{Certificates: []tls.Certificate{issue(t, nil, nil).chain()}})
	_, err := newClient(t, client.Config{URL: d.url, Key: key}).Me(t.Context())
	e, ok := errors.AsType[*client.RefusedError](err)
	if !ok {
		t.Fatalf("got error %v, want a RefusedError", err)
	}
	for _, want := range []string{"compare", "ass vault cert", "ass login --api-url " + d.url + " --fingerprint sha256:"} {
		if !strings.Contains(e.Hint(), want) {
			t.Errorf("the hint %q does not say %q", e.Hint(), want)
		}
	}
}

// What was right once may be an old copy, or a certificate to make anew.
func TestHintsOfACopiedCertificate(t *testing.T) {
	own := issue(t, nil, nil)
	elsewhere := issue(t, nil, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"vault.example.com"} })
	for _, tc := range []struct {
		shown, ca *identity
		want      []string
	}{
		{own, issue(t, nil, nil), []string{"old copy", "ass vault cert", "--fingerprint sha256:"}},
		{elsewhere, elsewhere, []string{"rm tls/cert.pem", "assd again with --tls-san 127.0.0.1;", "fingerprint", "pin its key"}},
	} {
		d := startTLS(t, &tls.Config{Certificates: []tls.Certificate{tc.shown.chain()}})
		_, err := newClient(t, client.Config{URL: d.url, Key: key, CACert: tc.ca.certFile(t)}).Me(t.Context())
		e, ok := errors.AsType[*client.RefusedError](err)
		if !ok {
			t.Fatalf("got error %v, want a RefusedError", err)
		}
		for _, want := range tc.want {
			if !strings.Contains(e.Hint(), want) {
				t.Errorf("the hint %q does not say %q", e.Hint(), want)
			}
		}
	}
}

// What is on TLS 1.2, or no TLS at all, is no daemon: nothing is sent to it.
func TestTLS13Only(t *testing.T) {
	own := issue(t, nil, nil)
	d := startTLS(t, &tls.Config{Certificates: []tls.Certificate{own.chain()}, MaxVersion: tls.VersionTLS12})
	_, err := newClient(t, client.Config{URL: d.url, Key: key, Fingerprint: own.pin()}).CreateAgent(t.Context(), api.AgentCreate{})
	e, ok := errors.AsType[*client.UnreachableError](err)
	if !ok || e.Unsure || !strings.Contains(e.Error(), "protocol version") {
		t.Errorf("got error %v, want an UnreachableError that is sure", err)
	}
	if n := d.heard(t); n != 0 {
		t.Errorf("%d bytes of a request were sent", n)
	}
}

func TestWhatDoesNotSpeakTLS(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.NotFoundHandler()}
	go srv.Serve(l)
	defer srv.Close()
	_, err = newClient(t, client.Config{URL: "https://" + l.Addr().String(), Key: key}).Me(t.Context())
	e, ok := errors.AsType[*client.UnreachableError](err)
	if !ok || !strings.Contains(e.Error(), "does not speak TLS") || !strings.Contains(e.Hint(), "--listen") {
		t.Errorf("got error %v, want an UnreachableError about TLS", err)
	}
}

func TestClientCertificate(t *testing.T) {
	ca, own := issue(t, nil, authority), issue(t, nil, nil)
	known := issue(t, ca, nil)
	stranger := issue(t, nil, func(c *x509.Certificate) { c.Subject.CommonName = "stranger" }) // whom the daemon does not name
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	for _, tc := range []struct {
		name string
		mine *identity
		why  string // "" when it is taken
	}{
		{"known", known, ""},
		{"none", nil, "takes only clients with a certificate"},
		{"of another issuer", stranger, "file.pem\": tls: unknown certificate authority"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := startTLS(t, &tls.Config{
				Certificates: []tls.Certificate{own.chain()}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
			})
			cfg := client.Config{URL: d.url, Key: key, Fingerprint: own.pin()}
			if tc.mine != nil {
				cfg.ClientCert, cfg.ClientKey = tc.mine.certFile(t), tc.mine.keyFile(t)
			}
			_, err := newClient(t, cfg).Me(t.Context())
			if tc.why == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e, refused := errors.AsType[*client.CertificateRequiredError](err)
			if !refused || e.ExitCode() != api.ExitDenied || !strings.Contains(e.Error(), tc.why) || !strings.Contains(e.Hint(), "--client-cert") {
				t.Errorf("got error %v, want a CertificateRequiredError that says %q", err, tc.why)
			}
			if d.heard(t) != 0 {
				t.Error("the daemon read a request")
			}
		})
	}
}

func TestFilesOfTLS(t *testing.T) {
	own, other := issue(t, nil, nil), issue(t, nil, nil)
	cert, private := own.certFile(t), own.keyFile(t)
	none := filepath.Join(t.TempDir(), "none")
	long := writeFile(t, strings.Repeat("x", 1<<20+1))
	block := &pem.Block{Type: "CERTIFICATE", Bytes: own.cert.Raw}
	half := writePEM(t, block, &pem.Block{Type: "CERTIFICATE", Bytes: own.cert.Raw[:99]})
	whole := string(pem.EncodeToMemory(block))
	cut := writeFile(t, whole+whole[:len(whole)/2])
	bent := writeFile(t, strings.Replace(whole, "M", "!", 1)+whole)
	both := writePEM(t, block, &pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})
	for _, tc := range []struct {
		cfg         client.Config
		path, about string
	}{
		{client.Config{CACert: none}, none, "no such file"},
		{client.Config{CACert: t.TempDir()}, "", "is a directory"},
		{client.Config{CACert: long}, long, "longer than 1048576 bytes"},
		{client.Config{CACert: private}, private, "something else than certificates"},
		{client.Config{CACert: both}, both, "something else than certificates"},
		{client.Config{CACert: cut}, cut, "cut short"},
		{client.Config{CACert: bent}, bent, "malformed"},
		{client.Config{CACert: writeFile(t, "")}, "", "no certificate"},
		{client.Config{CACert: half}, half, "certificate 2"},
		{client.Config{ClientCert: none, ClientKey: private}, none, "no such file"},
		{client.Config{ClientCert: cert, ClientKey: none}, none, "no such file"},
		{client.Config{ClientCert: cert, ClientKey: long}, long, "longer than"},
		{client.Config{ClientCert: cert, ClientKey: other.keyFile(t)}, cert, "does not match"},
		{client.Config{ClientCert: cert, ClientKey: cert}, cert, "key"},
	} {
		tc.cfg.URL = "https://127.0.0.1:1"
		_, err := client.New(tc.cfg)
		e, ok := errors.AsType[*client.FileError](err)
		if !ok || !strings.Contains(e.Error(), tc.path) || !strings.Contains(e.Error(), tc.about) {
			t.Errorf("got error %v, want one about %q that names %q", err, tc.about, tc.path)
			continue
		}
		if own := tc.cfg.CACert == ""; strings.Contains(e.Hint(), "--client-cert") != own || strings.Contains(e.Hint(), "ass vault cert") == own {
			t.Errorf("the hint for %v is %q", err, e.Hint())
		}
	}
}

func TestSettingsOfTLS(t *testing.T) {
	const pin = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for _, tc := range []struct {
		cfg  client.Config
		want error
	}{
		{client.Config{URL: "https://h", Fingerprint: pin[:70]}, api.ErrFingerprint},
		{client.Config{URL: "https://h", ClientCert: "c"}, client.ErrClientPair},
		{client.Config{URL: "https://h", ClientKey: "k"}, client.ErrClientPair},
		{client.Config{URL: "unix:///s", Fingerprint: pin}, client.ErrNotTLS},
		{client.Config{URL: "unix:///s", CACert: "c"}, client.ErrNotTLS},
		{client.Config{URL: "http://127.0.0.1:1", Fingerprint: pin}, client.ErrNotTLS},
		{client.Config{URL: "http://127.0.0.1:1", ClientCert: "c", ClientKey: "k"}, client.ErrNotTLS},
		{client.Config{URL: "https://h", Fingerprint: pin}, nil},
	} {
		if _, err := client.New(tc.cfg); !errors.Is(err, tc.want) {
			t.Errorf("%+v: got error %v, want %v", tc.cfg, err, tc.want)
		}
	}
}
