package certs

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/internal/operator"
	"github.com/agent-secret-store/assd/internal/shell"
	"github.com/agent-secret-store/assd/vault/api"
)

// Config says which certificate is shown.
type Config struct {
	// CertFile and KeyFile are the operator's, PEM; both or neither.
	CertFile, KeyFile string
	// Dir is where a pair is made, and kept, if they are not given. The folder
	// above it must be there and be locked by the caller.
	Dir string
	// ClientCAFile, PEM: clients must show a certificate from it. "": they need none.
	ClientCAFile string
	// Host is where the daemon was told to listen, without the port: a name, an
	// address, or "". Bound is where it does; unspecified stands for all
	// addresses of this machine.
	Host  string
	Bound netip.Addr
	// Names are for a certificate made, besides what Host and Bound come to.
	Names []Name
	Log   hclog.Logger     // required
	Now   func() time.Time // nil: time.Now
}

func (cfg Config) now() time.Time {
	if cfg.Now == nil {
		return time.Now()
	}
	return cfg.Now()
}

// own reports whether the pair is one that assd makes.
func (cfg Config) own() bool { return cfg.CertFile == "" }

func (cfg Config) certFile() operator.File {
	f := operator.File{What: "TLS certificate", Path: cfg.CertFile, Flag: "--tls-cert", Max: maxFile}
	if cfg.own() {
		f.Flag, f.Path, f.Kept = "", filepath.Join(cfg.Dir, certName), true
	}
	return f
}

// keyFile: the operator's may be read by a group, as from a service manager.
func (cfg Config) keyFile() operator.File {
	f := operator.File{What: "TLS key", Path: cfg.KeyFile, Flag: "--tls-key", Max: maxFile, Closed: 0o027, Fix: "g-w,o-rwx"}
	if cfg.own() {
		f.Flag, f.Path, f.Kept = "", filepath.Join(cfg.Dir, keyName), true
		f.Closed, f.Fix = 0o077, "600"
	}
	return f
}

// clientCAFile: whoever can write it can let anybody in.
func (cfg Config) clientCAFile() operator.File {
	return operator.File{What: "client CA", Path: cfg.ClientCAFile, Flag: "--client-ca", Max: maxFile}
}

// Check reads the files that the operator named, so that a start that must fail
// on them fails before it has made anything.
func (cfg Config) Check() error {
	if cfg.ClientCAFile != "" {
		if _, err := cfg.clientCAs(); err != nil {
			return err
		}
	}
	if cfg.own() {
		return nil
	}
	_, err := cfg.load()
	return err
}

// clientCAs are the certificates that clients' must come from.
func (cfg Config) clientCAs() ([]*x509.Certificate, error) {
	b, err := cfg.clientCAFile().Read()
	if err != nil {
		return nil, err
	}
	cas, err := parseCertificates(b, maxCAs)
	if err != nil {
		return nil, fmt.Errorf("client CA %q: %w", cfg.ClientCAFile, err)
	}
	return cas, nil
}

// state is what was read from the files at one time.
type state struct {
	id     [sha256.Size]byte // of certificates and CAs; the key goes with the first
	chain  []*x509.Certificate
	config *tls.Config
}

func (s *state) fingerprint() string { return api.Fingerprint(s.chain[0]) }

// load reads all files. What it returns fits together.
func (cfg Config) load() (*state, error) {
	chain, err := cfg.chain()
	if err != nil {
		return nil, err
	}
	key, err := cfg.key()
	if err != nil {
		return nil, err
	}
	if !matches(chain[0], key) {
		return nil, fmt.Errorf("TLS certificate %q and TLS key %q do not belong together: put the two files of one pair there%s",
			cfg.certFile().Path, cfg.keyFile().Path, cfg.newPair())
	}
	var cas []*x509.Certificate
	if cfg.ClientCAFile != "" {
		if cas, err = cfg.clientCAs(); err != nil {
			return nil, err
		}
	}
	return newState(chain, key, cas), nil
}

// chain is the certificate, and those above it that its file holds.
func (cfg Config) chain() ([]*x509.Certificate, error) {
	f := cfg.certFile()
	b, err := f.Read()
	if err != nil {
		return nil, err
	}
	chain, err := parseCertificates(b, maxChain)
	if err != nil {
		return nil, fmt.Errorf("TLS certificate %q: %w%s", f.Path, err, cfg.hint("a new one for the same key", f.Path))
	}
	return chain, nil
}

func (cfg Config) key() (crypto.Signer, error) {
	f := cfg.keyFile()
	b, err := f.Read()
	if err != nil {
		return nil, err
	}
	defer clear(b)
	key, err := parseKey(b)
	if err != nil {
		return nil, fmt.Errorf("TLS key %q: %w%s", f.Path, err, cfg.newPair())
	}
	return key, nil
}

// hint says how to have something made, where that is assd's affair.
func (cfg Config) hint(what string, paths ...string) string {
	if !cfg.own() {
		return ""
	}
	hint := "; to have " + what + " made: rm -f"
	for _, path := range paths {
		hint += " " + shell.Quote(path)
	}
	return hint
}

func (cfg Config) newPair() string {
	return cfg.hint("a new pair, with another fingerprint,", cfg.certFile().Path, cfg.keyFile().Path)
}

func newState(chain []*x509.Certificate, key crypto.Signer, cas []*x509.Certificate) *state {
	s := &state{
		id:     sha256.Sum256([]byte(encode(chain) + "\n" + encode(cas))),
		chain:  chain,
		config: baseConfig(),
	}
	s.config.Certificates = []tls.Certificate{pairOf(chain, key)}
	if len(cas) > 0 {
		s.config.ClientAuth = tls.RequireAndVerifyClientCert
		s.config.ClientCAs = x509.NewCertPool()
		for _, c := range cas {
			s.config.ClientCAs.AddCert(c)
		}
	}
	return s
}

// baseConfig is TLS 1.3 without tickets: a resumed session would skip the look
// at the client's certificate, also after its CA is gone.
func baseConfig() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{"h2", "http/1.1"},
		SessionTicketsDisabled: true,
	}
}

// Keeper holds the certificate in use.
type Keeper struct {
	cfg     Config
	current atomic.Pointer[state]
	problem string // of the files, as last logged; "" while they are good. For Watch alone
	phase   phase  // of the certificate in use, as last logged. For Watch alone
}

// Open makes the pair if there is none to use, and loads it.
func Open(cfg Config) (*Keeper, error) {
	if cfg.own() {
		if err := cfg.makePair(); err != nil {
			return nil, err
		}
	}
	s, err := cfg.load()
	if err != nil {
		return nil, err
	}
	k := &Keeper{cfg: cfg}
	k.current.Store(s)
	k.warn()
	return k, nil
}

// TLSConfig is a server's configuration, which always shows the certificate in use.
func (k *Keeper) TLSConfig() *tls.Config {
	c := baseConfig()
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return k.current.Load().config, nil }
	return c
}

// Certificate is what the daemon shows now: the certificate, those above it that
// its file holds, and the fingerprint of its key.
func (k *Keeper) Certificate() api.Certificate {
	s := k.current.Load()
	return api.Certificate{Certificate: encode(s.chain), Fingerprint: s.fingerprint()}
}
