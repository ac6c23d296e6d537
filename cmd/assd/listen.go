package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/internal/operator"
	"github.com/agent-secret-store/assd/internal/runas"
	"github.com/agent-secret-store/assd/vault/server"
	"github.com/agent-secret-store/assd/vault/server/certs"
)

// tlsFlags say whether and how the vault is served over the network.
type tlsFlags struct {
	Listen       string   `env:"ASSD_LISTEN" placeholder:"HOST:PORT" help:"Serve on this address too, over TLS: 127.0.0.1:8443, or :8443 for every address of this machine."`
	TLSCert      string   `name:"tls-cert" env:"ASSD_TLS_CERT" placeholder:"FILE" help:"Certificate to show, PEM, with those above it (default: one made once, in tls/ of the data dir). Read again when it changes, or on SIGHUP."`
	TLSKey       string   `name:"tls-key" env:"ASSD_TLS_KEY" placeholder:"FILE" help:"Its private key, PEM."`
	TLSSAN       []string `name:"tls-san" env:"ASSD_TLS_SAN" placeholder:"NAME" help:"Further host name or address for the certificate that is made; may be repeated."`
	ClientCA     string   `name:"client-ca" env:"ASSD_CLIENT_CA" placeholder:"FILE" help:"Over TLS take only clients with a certificate from a CA in this file, PEM."`
	UnsealRemote bool     `env:"ASSD_UNSEAL_REMOTE" help:"Let a sealed vault be opened over TLS too, by whoever has a passphrase of it: anyone who reaches the address may try. Without it, only on the socket."`
}

// check refuses flags that do not go together, with exit code 2.
func (f tlsFlags) check() error {
	var err error
	switch {
	case (f.TLSCert == "") != (f.TLSKey == ""):
		err = errors.New("--tls-cert and --tls-key go together: give both or neither")
	case f.Listen == "" && f.first() != "":
		err = fmt.Errorf("%s needs --listen: give an address too, as in --listen :8443, or leave it out", f.first())
	case f.TLSCert != "" && len(f.TLSSAN) > 0:
		err = errors.New("--tls-san is for the certificate that assd makes: leave it out with --tls-cert")
	case f.Listen != "":
		if err = server.CheckAddress(f.Listen); err == nil {
			_, err = f.names()
		}
	}
	if err != nil {
		return &exitError{2, err}
	}
	return nil
}

// first is a flag that was given and means nothing without --listen, or "".
func (f tlsFlags) first() string {
	switch {
	case f.TLSCert != "":
		return "--tls-cert"
	case len(f.TLSSAN) > 0:
		return "--tls-san"
	case f.ClientCA != "":
		return "--client-ca"
	case f.UnsealRemote:
		return "--unseal-remote"
	}
	return ""
}

func (f tlsFlags) names() ([]certs.Name, error) {
	var names []certs.Name
	for _, s := range f.TLSSAN {
		n, err := certs.ParseName(s)
		if err != nil {
			return nil, fmt.Errorf("--tls-san %q: %w", s, err)
		}
		names = append(names, n)
	}
	return names, nil
}

// unnamedTLS is an error of the TLS side, without the name of a file that was typed and is
// not there. One that is about something else, as an address in use, says what it says.
func (c *serveCmd) unnamedTLS(err error) error {
	for _, f := range []struct{ flag, path string }{{"--client-ca", c.ClientCA}, {"--tls-cert", c.TLSCert}, {"--tls-key", c.TLSKey}} {
		why := lookFor(f.path)
		if c.Typed[f.flag] && why != nil && (errors.Is(err, operator.ErrMissing) || errors.Is(err, why)) {
			return c.Typed.unnamed(f.flag, f.path, err)
		}
	}
	return err
}

// network is the TLS side of the daemon. The nil network is none.
type network struct {
	listener net.Listener
	cfg      certs.Config
	keeper   *certs.Keeper
}

// bind takes the address and reads the operator's files. Nothing is made yet,
// and nobody is answered.
func (f tlsFlags) bind(dataDir string, as *runas.User, log hclog.Logger) (*network, error) {
	if f.Listen == "" {
		return nil, nil
	}
	if _, err := f.names(); err != nil {
		return nil, err
	}
	var l net.Listener
	err := as.AsRoot(func() (err error) { l, err = server.ListenTCP(f.Listen); return err }) // for the ports below 1024
	if err != nil {
		return nil, err
	}
	return f.over(l, dataDir, log)
}

// over is the TLS side on what listens, with the operator's files read.
func (f tlsFlags) over(l net.Listener, dataDir string, log hclog.Logger) (*network, error) {
	names, err := f.names()
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	host, _, _ := net.SplitHostPort(f.Listen) // as ListenTCP did
	bound, err := netip.ParseAddrPort(l.Addr().String())
	n := &network{listener: l, cfg: certs.Config{
		CertFile: f.TLSCert, KeyFile: f.TLSKey, ClientCAFile: f.ClientCA,
		Dir: filepath.Join(dataDir, "tls"), Host: host, Bound: bound.Addr(), Names: names, Log: log,
	}}
	if err == nil {
		err = n.cfg.Check()
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return n, nil
}

// open makes the certificate, if there is to be one made, and loads it. The
// vault must be open: its lock keeps other starts out of the data dir.
func (n *network) open(log hclog.Logger) error {
	if n == nil {
		return nil
	}
	var err error
	if n.keeper, err = certs.Open(n.cfg); err != nil {
		return err
	}
	log.Info("serving TLS", "address", n.listener.Addr().String(), "fingerprint", n.keeper.Certificate().Fingerprint)
	return nil
}

// certificates is what a server needs of n.
func (n *network) certificates() *certs.Keeper {
	if n == nil {
		return nil
	}
	return n.keeper
}

// watch keeps the certificate as its files are, and loads it again when
// something comes from again, until ctx ends.
func (n *network) watch(ctx context.Context, again <-chan os.Signal) {
	if n != nil {
		n.keeper.Watch(ctx, again)
	}
}

// serve answers over TLS and sends what ends it to failed.
func (n *network) serve(srv *server.Front, failed chan<- error) {
	if n != nil {
		go func() { failed <- srv.ServeTLS(n.listener) }()
	}
}

func (n *network) close() error {
	if n == nil {
		return nil
	}
	return closed(n.listener)
}

// closed closes a listener that may be closed already.
func closed(l net.Listener) error {
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
