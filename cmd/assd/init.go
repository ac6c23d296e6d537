package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/internal/shell"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

type initCmd struct {
	dataFlags      `embed:""`
	sealFlags      `embed:""`
	PassphraseFile string `placeholder:"FILE" help:"With --seal passphrase: read it from this file, without its last newline, instead of asking on the terminal."`
	Recovery       bool   `help:"Also make a recovery passphrase, which opens the vault too, and print it once."`
	Owner          string `placeholder:"NAME" help:"Name of the first owner (default: your login name)."`
	JSON           bool   `name:"json" help:"Print one JSON document on standard output, and nothing else."`
}

func (initCmd) Help() string {
	return `Creates the vault and prints the key of its first owner, once.

What opens the vault lies in slots. The first one is for a key file, which is made, or
for what --seal says; owners add and remove others with "ass vault slots". A vault that
only a passphrase opens starts sealed, and has no key file. --recovery makes a passphrase
for the day when the first slot's secret is lost: write it down, it is shown once.

Examples:
  assd init --data-dir /srv/vault --recovery
  assd init --seal passphrase
  assd init --seal command --seal-command "/usr/bin/systemd-creds decrypt /etc/assd/seal.cred -"
  OWNER_KEY=$(assd init --data-dir /srv/vault --json | jq -r .owner_key)`
}

// Run creates and claims the vault.
func (c *initCmd) Run(out output) error {
	name := c.Owner
	if name == "" {
		name = loginName()
	}
	if err := policy.CheckName(name); err != nil {
		return &exitError{2, fmt.Errorf("--owner: %w", err)}
	}
	if err := c.check(); err != nil {
		return err
	}
	cfg := c.vault()
	cfg.Seals = c.seals(c.dataFlags, func() ([]byte, error) {
		return askPassphrase(c.PassphraseFile, "--passphrase-file", "Passphrase that is to open the vault", true)
	})
	recovery := ""
	if c.Recovery {
		cfg.Seals, recovery = withRecovery(cfg.Seals)
	}
	v, err := vault.Create(cfg)
	if err != nil {
		return err
	}
	uid := os.Getuid()
	claim, err := v.Claim(context.Background(), name, vault.Origin{Local: true, Source: audit.Source{UID: &uid, PID: os.Getpid()}}, api.ClaimRequest{})
	if closing := v.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	claim.RecoveryPassphrase = recovery // there is no approval passphrase yet, which would have one of its own
	if err := c.print(out, claim); err != nil {
		return err
	}
	c.offerRecovery(out)
	return nil
}

// check refuses flags that do not go together, before anything is made.
func (c *initCmd) check() error {
	if c.PassphraseFile != "" && c.Seal != string(seal.KindPassphrase) {
		return &exitError{2, errors.New("--passphrase-file goes with --seal passphrase")}
	}
	return c.sealFlags.check(c.dataFlags)
}

func (c *initCmd) print(out output, claim api.Claim) error {
	if c.JSON {
		return json.NewEncoder(out.stdout).Encode(claim)
	}
	_, err := fmt.Fprintf(out.stdout, `Vault created in %s
  Tenant:            %s
  Owner:             %s
  Owner key:         %s   <- save this, it is shown once
  Verification key:  %s
%s
Start it:   assd --data-dir %s
Log in:     ass login --api-url %s     (it asks for the key)
`, c.dataDir(), claim.Tenant, claim.Name, claim.OwnerKey, claim.VerifyKey, c.recoveryText(claim.RecoveryPassphrase),
		shell.Quote(c.dataDir()), shell.Quote(socketURL(defaultSocket(c.dataDir()))))
	return err
}

// recoveryText says what opens the vault when the first slot's secret is lost.
func (c *initCmd) recoveryText(text string) string {
	if text == "" {
		return ""
	}
	return "  Recovery:          " + text + "   <- write this down, it opens the vault, and is shown once\n"
}

// offerRecovery tells a person who has not asked for a recovery passphrase how to get one.
func (c *initCmd) offerRecovery(out output) {
	if !c.JSON && !c.Recovery {
		fmt.Fprintf(out.stderr, "Nothing opens this vault but its %s: when that is lost, so is the vault. To have a generated passphrase open it too, once assd runs: ass vault slots add --seal passphrase --generate\n",
			opensWith[seal.Kind(c.Seal)])
	}
}

// opensWith names the secrets of slots for a person.
var opensWith = map[seal.Kind]string{
	seal.KindFile: "key file", seal.KindPassphrase: "passphrase",
	seal.KindCommand: "seal-command", seal.KindKeyring: "entry in the keyring",
}

// loginName is who runs this, where it can serve as a name.
func loginName() string {
	u, err := user.Current()
	if err != nil || policy.CheckName(u.Username) != nil {
		return "owner"
	}
	return u.Username
}
