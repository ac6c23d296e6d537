package client

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

// maxNames is how many names of a certificate an error lists.
const maxNames = 8

// ErrNotTLS says that a setting for TLS came with another URL.
var ErrNotTLS = errors.New("a CA file, a fingerprint and a client certificate are for https:// URLs alone")

// ErrClientPair says that one half of our own certificate is missing.
var ErrClientPair = errors.New("a client certificate and its key are given together")

// hasTLS reports whether a setting is there that only TLS has a use for.
func (cfg Config) hasTLS() bool {
	return cfg.CACert != "" || cfg.Fingerprint != "" || cfg.ClientCert != "" || cfg.ClientKey != ""
}

// newTLS makes the TLS settings of a connection to e.
func newTLS(e Endpoint, cfg Config) (*tls.Config, error) {
	t, err := newTrust(e, cfg)
	if err != nil {
		return nil, err
	}
	own, err := clientPair(cfg)
	if err != nil {
		return nil, err
	}
	settings := &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: t.host,
		NextProtos: []string{"http/1.1"},
		// The check that this turns off is made by VerifyConnection, which every
		// handshake ends in: there it can leave out what a pin replaces, and say
		// what was wrong.
		InsecureSkipVerify: true,
		VerifyConnection:   t.verify,
	}
	if own != nil {
		// It is shown even when the daemon names other issuers, so that the daemon
		// says what it has against it, and not that there is none.
		settings.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own, nil }
	}
	return settings, nil
}

// trust decides whether the far end of a TLS connection is the daemon that was
// meant.
type trust struct {
	url, host string
	file      string         // "" means the system's roots
	roots     *x509.CertPool // of file; nil means the system's
	pin       string         // fingerprint of the daemon's key, or ""
}

func newTrust(e Endpoint, cfg Config) (*trust, error) {
	t := &trust{url: e.String(), host: e.host(), file: cfg.CACert}
	if cfg.Fingerprint != "" {
		var err error
		if t.pin, err = api.ParseFingerprint(cfg.Fingerprint); err != nil {
			return nil, err
		}
	}
	if cfg.CACert != "" {
		var err error
		if t.roots, err = readRoots(cfg.CACert); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// verify accepts a daemon by its pinned key, by its issuer and name, or by both
// when both were given. A connection that ends here has carried no request.
func (t *trust) verify(cs tls.ConnectionState) error {
	leaf := cs.PeerCertificates[0] // a TLS 1.3 server always shows one
	if t.pin != "" {
		if err := t.checkPin(leaf); err != nil {
			return err
		}
	}
	if err := t.checkDates(leaf, time.Now()); err != nil {
		return err
	}
	if t.pin != "" && t.roots == nil {
		return nil
	}
	return t.checkChain(leaf, cs.PeerCertificates[1:])
}

func (t *trust) checkPin(leaf *x509.Certificate) error {
	if seen := api.Fingerprint(leaf); seen != t.pin {
		return t.refuse("its key is another than the pinned one: it has "+seen+", and pinned is "+t.pin,
			"if its key was replaced, see the new fingerprint with ass vault cert on its machine, then: "+t.pinCommand())
	}
	return nil
}

// checkChain asks for the issuer first and for the name then: who a certificate
// is for means something only once its issuer is known.
func (t *trust) checkChain(leaf *x509.Certificate, others []*x509.Certificate) error {
	between := x509.NewCertPool()
	for _, c := range others {
		between.AddCert(c)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: t.roots, Intermediates: between}); err != nil {
		return t.unknownIssuer(leaf, err)
	}
	if err := leaf.VerifyHostname(t.host); err != nil {
		return t.refuse("its certificate is for "+names(leaf)+" and not for "+t.host,
			"use a name that it has, or pin its key: "+t.pinCommand()+"\n"+
				"or have one made for this name: on its machine rm tls/cert.pem in the data dir, and start assd again with --tls-san "+t.host+
				"; the key stays, and with it the fingerprint")
	}
	return nil
}

func (t *trust) checkDates(leaf *x509.Certificate, now time.Time) error {
	const fix = "look at the clocks of both machines; a new certificate is made where assd runs"
	switch {
	case now.After(leaf.NotAfter):
		return t.refuse("its certificate expired on "+stamp(leaf.NotAfter), fix)
	case now.Before(leaf.NotBefore):
		return t.refuse("its certificate is not valid before "+stamp(leaf.NotBefore), fix)
	}
	return nil
}

// unknownIssuer refuses a certificate that nothing vouches for. It is never
// taken on first use: somebody has to compare the fingerprint.
func (t *trust) unknownIssuer(leaf *x509.Certificate, cause error) error {
	reason, fix := "its certificate is of no issuer that this system trusts", ""
	if t.file != "" {
		reason = fmt.Sprintf("its certificate is of no issuer in %q", t.file)
		fix = "that file may be an old copy: fetch it again, with ass vault cert on the daemon's machine\n"
	}
	if _, plain := errors.AsType[x509.UnknownAuthorityError](cause); !plain {
		reason += " (" + cause.Error() + ")"
	}
	return t.refuse(reason+"; the fingerprint of its key is "+api.Fingerprint(leaf),
		fix+"compare this fingerprint with the one that assd printed, or ass vault cert on its machine; if they are the same: "+t.pinCommand())
}

func (t *trust) pinCommand() string {
	return "ass login --api-url " + t.url + " --fingerprint sha256:…"
}

func (t *trust) refuse(reason, fix string) error {
	return &RefusedError{URL: t.url, Reason: reason, Fix: fix}
}

// names lists whom a certificate is for.
func names(c *x509.Certificate) string {
	all := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	switch {
	case len(all) == 0:
		return "nobody by name"
	case len(all) > maxNames:
		all = append(all[:maxNames], "others")
	}
	return strings.Join(all, ", ")
}

// readRoots reads the certificates of a CA file. What is cut short or is none
// makes the file useless, and is not passed over.
func readRoots(path string) (*x509.CertPool, error) {
	b, err := readPEM(caFile, path)
	if err != nil {
		return nil, err
	}
	pool, n := x509.NewCertPool(), 0
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, &FileError{caFile, path, errors.New("it holds something else than certificates")}
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, &FileError{caFile, path, fmt.Errorf("its certificate %d: %w", n+1, err)}
		}
		pool.AddCert(c)
		n++
	}
	switch {
	case n == 0:
		return nil, &FileError{caFile, path, errors.New("there is no certificate in it; PEM is expected")}
	case n != bytes.Count(b, []byte("-----BEGIN ")):
		return nil, &FileError{caFile, path, errors.New("a certificate in it is cut short or malformed")}
	}
	return pool, nil
}

// clientPair is our own certificate, or none.
func clientPair(cfg Config) (*tls.Certificate, error) {
	if cfg.ClientCert == "" && cfg.ClientKey == "" {
		return nil, nil
	}
	if cfg.ClientCert == "" || cfg.ClientKey == "" {
		return nil, ErrClientPair
	}
	cert, err := readPEM(clientCert, cfg.ClientCert)
	if err != nil {
		return nil, err
	}
	key, err := readPEM(clientKey, cfg.ClientKey)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		err = fmt.Errorf("with the key %q: %s", cfg.ClientKey, strings.TrimPrefix(err.Error(), "tls: "))
		return nil, &FileError{clientCert, cfg.ClientCert, err}
	}
	return &pair, nil
}
