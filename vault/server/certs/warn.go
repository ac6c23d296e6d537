package certs

import (
	"crypto/x509"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/internal/shell"
)

// phase is where a certificate stands in its life.
type phase int

const (
	valid  phase = iota
	early        // not valid yet
	ending       // valid, and to be replaced
	over         // expired
)

func phaseOf(leaf *x509.Certificate, now time.Time) phase {
	switch {
	case now.After(leaf.NotAfter):
		return over
	case now.Before(leaf.NotBefore):
		return early
	case now.Add(min(endsSoon, leaf.NotAfter.Sub(leaf.NotBefore)/3)).After(leaf.NotAfter):
		return ending
	}
	return valid
}

// warn says what will keep clients from trusting the certificate in use.
func (k *Keeper) warn() {
	leaf := k.current.Load().chain[0]
	k.warnPhase(leaf)
	if k.cfg.own() { // for which names another is, is the operator's affair
		k.warnNames(leaf)
		k.warnAddresses(leaf)
	}
}

// age warns when the certificate in use has come to another phase of its life.
func (k *Keeper) age() {
	if leaf := k.current.Load().chain[0]; phaseOf(leaf, k.cfg.now()) != k.phase {
		k.warnPhase(leaf)
	}
}

func (k *Keeper) warnPhase(leaf *x509.Certificate) {
	k.phase = phaseOf(leaf, k.cfg.now())
	path := k.cfg.certFile().Path
	switch k.phase {
	case over:
		k.cfg.Log.Warn("the TLS certificate has expired", "file", path, "expired", stamp(leaf.NotAfter), "fix", k.cfg.fix())
	case ending:
		k.cfg.Log.Warn("the TLS certificate expires soon", "file", path, "expires", stamp(leaf.NotAfter), "fix", k.cfg.fix())
	case early:
		k.cfg.Log.Warn("the TLS certificate is not valid yet", "file", path, "from", stamp(leaf.NotBefore), "fix", k.cfg.fix())
	}
}

func (k *Keeper) warnNames(leaf *x509.Certificate) {
	names := k.cfg.Names
	if n, ok := listenName(k.cfg.Host); ok {
		names = append([]Name{n}, names...)
	}
	for _, n := range names {
		if !n.in(leaf) {
			k.cfg.Log.Warn("the TLS certificate is not for a name that clients are to use",
				"name", n.String(), "file", k.cfg.certFile().Path, "fix", k.cfg.fix())
		}
	}
}

// warnAddresses is for a daemon that listens on all addresses of this machine,
// and shows a certificate made when it did not or when there were others.
func (k *Keeper) warnAddresses(leaf *x509.Certificate) {
	if !k.cfg.Bound.IsUnspecified() {
		return
	}
	var lacks []string
	for _, n := range k.cfg.bound() {
		// Nobody reaches a link-local address without a zone, and none is in a certificate.
		if !n.ip.IsLinkLocalUnicast() && !n.in(leaf) {
			lacks = append(lacks, n.String())
		}
	}
	if len(lacks) > 0 {
		k.cfg.Log.Warn("the TLS certificate is not for all addresses of this machine, and assd listens on all",
			"addresses", strings.Join(lacks, ","), "file", k.cfg.certFile().Path, "fix", k.cfg.fix())
	}
}

// fix is what to do about a certificate that clients do not trust.
func (cfg Config) fix() string {
	if !cfg.own() {
		return "put a new certificate into the file"
	}
	return "rm " + shell.Quote(cfg.certFile().Path) + " and start assd again: it makes a new one for the same key, so the fingerprint stays; clients that trust the file by --ca-cert need the new one"
}

// stamp is how a log line writes a time.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
