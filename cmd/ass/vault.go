package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/agent-secret-store/assd/vault/api"
)

type vaultCmd struct {
	Status    vaultStatusCmd    `cmd:"" help:"Show how keys and data file stand. Owners only."`
	Seal      vaultSealCmd      `cmd:"" help:"Have the daemon let go of all keys. Owners only."`
	Unseal    vaultUnsealCmd    `cmd:"" help:"Open a sealed vault."`
	Slots     vaultSlotsCmd     `cmd:"" help:"What opens the vault."`
	RotateKEK vaultRotateKEKCmd `cmd:"" name:"rotate-kek" help:"Have other keys seal values, and destroy the old one. Owners only."`
	Cert      vaultCertCmd      `cmd:"" help:"Print the daemon's certificate for other machines."`
	Backup    vaultBackupCmd    `cmd:"" help:"Write a copy of the vault to a file, while all goes on. Owners only."`
	Compact   vaultCompactCmd   `cmd:"" help:"Write the data file anew, without what is gone from the vault. Owners only."`
	Lockdown  vaultLockdownCmd  `cmd:"" help:"Stop everything at once."`
	Lift      vaultLiftCmd      `cmd:"" help:"End a lockdown. Owners only."`
}

// Help shows examples.
func (vaultCmd) Help() string {
	return `Examples:

  ass vault status
  ass vault rotate-kek --wait
  ass vault cert > assd.pem
  ass vault compact
  ass vault lockdown --reason "an agent's key has leaked"
  ass vault lift
  ass vault backup /mnt/usb/vault.backup
  ass vault slots list
  ass vault seal
  ass vault unseal`
}

type vaultCertCmd struct{}

// Help shows examples.
func (vaultCertCmd) Help() string {
	return `Prints what the daemon shows on TLS, as PEM; it needs no key. The fingerprint is
that of the certificate's public key, and stays when the certificate is renewed.
Run it where the daemon runs: its answer over the network proves nothing.

Examples:

  ass vault cert > assd.pem
  ass vault cert --json | jq -r .fingerprint`
}

// Run prints the certificate; how to use it goes to stderr.
func (vaultCertCmd) Run(a *app) error {
	t, c, err := a.withoutKey()
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := c.Certificate(a.ctx)
	if err != nil {
		return err
	}
	shown, err := readCertificate(answer)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(shown)
	}
	a.note(t.howToTrust(shown))
	return a.answer(shown.Certificate)
}

// howToTrust says how to log in to t's daemon with its certificate.
func (t *target) howToTrust(shown *api.Certificate) string {
	login := "  ass login --api-url https://HOST:PORT"
	if t.endpoint.TLS() {
		login = "  ass login --api-url " + t.endpoint.String()
	}
	if t.trust.clientCert != "" {
		login += " --client-cert FILE --client-key FILE"
	}
	return "Fingerprint: " + shown.Fingerprint + "\n" +
		"To log in over TLS, trust this key, or a file that holds this certificate:\n" +
		login + " --fingerprint " + shown.Fingerprint + "\n" +
		login + " --ca-cert FILE"
}

// readCertificate takes from an answer what is a certificate and nothing else,
// and computes its fingerprint anew.
func readCertificate(answer *api.Certificate) (*api.Certificate, error) {
	var text strings.Builder
	var first *x509.Certificate
	for block, rest := pem.Decode([]byte(answer.Certificate)); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil || block.Type != "CERTIFICATE" {
			return nil, errors.New("what the daemon tells is no certificate")
		}
		if first == nil {
			first = c
		}
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
			return nil, fmt.Errorf("printing the certificate: %w", err)
		}
	}
	if first == nil {
		return nil, errors.New("the daemon tells no certificate")
	}
	if api.Fingerprint(first) != answer.Fingerprint {
		return nil, errors.New("the daemon tells another fingerprint than its certificate has")
	}
	return &api.Certificate{Certificate: text.String(), Fingerprint: answer.Fingerprint}, nil
}
