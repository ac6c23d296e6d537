package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/agent-secret-store/assd/vault"
)

type recoverOwnerCmd struct {
	dataFlags       `embed:""`
	unsealFlags     `embed:""`
	Owner           string `placeholder:"NAME" help:"Whose key is lost (default: the only owner's)."`
	ResetPassphrase bool   `help:"Set a new approval passphrase too, in place of one that is lost with its recovery passphrase. The values of sensitive and critical secrets are deleted, and other owners lose their passphrases."`
	PassphraseFile  string `placeholder:"FILE" help:"Read the new passphrase from this file, without its last newline, instead of asking on the terminal."`
	Yes             bool   `help:"Delete what is lost with the passphrase."`
	JSON            bool   `name:"json" help:"Print one JSON document on standard output, and nothing else."`
}

func (recoverOwnerCmd) Help() string {
	return `Gives an owner a new key; the old one is worth nothing then. The daemon must be
stopped, and what opens the vault is the proof of who may: its key file, say. It is in the trail, and every
owner sees it in "ass status" for 30 days.

It does not open what an approval passphrase guards. One that is forgotten is set
anew with the recovery passphrase: assd passphrase set --old-passphrase-file FILE.
Without either, --reset-passphrase says what goes with it, values and passphrases of
other owners, and with --yes does it.

Examples:
  assd recover-owner --data-dir /srv/vault
  assd recover-owner --owner bob
  assd recover-owner --reset-passphrase --passphrase-file new.txt --yes`
}

// Run recovers the owner.
func (c *recoverOwnerCmd) Run(out output) error {
	want := vault.Recovery{Owner: c.Owner, Lose: c.Yes}
	if !c.ResetPassphrase && (c.PassphraseFile != "" || c.Yes) {
		return &exitError{2, errors.New("--passphrase-file and --yes go with --reset-passphrase")}
	}
	cfg, end := c.unsealing(c.dataFlags)
	defer end()
	if c.ResetPassphrase && !c.Yes { // before anybody is asked for a new one
		if err := c.refuseLoss(vault.Losses(cfg, c.Owner)); err != nil {
			return err
		}
	}
	if c.ResetPassphrase {
		var err error
		if want.New, err = askPassphrase(c.PassphraseFile, "--passphrase-file", "New approval passphrase", true); err != nil {
			return err
		}
	}
	got, err := vault.RecoverOwner(context.Background(), cfg, want)
	if err := c.refuseLoss(err); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(out.stdout).Encode(got)
	}
	return c.print(out, got)
}

// refuseLoss says what would be lost, and how not to lose it.
func (c *recoverOwnerCmd) refuseLoss(err error) error {
	loss, ok := errors.AsType[*vault.LossError](err)
	switch {
	case !ok:
		return stillServed(err)
	case len(loss.Paths) == 0:
		return fmt.Errorf("nothing was changed: the passphrases of other owners would go: %s; to have it all the same add --yes", strings.Join(loss.Owners, ", "))
	}
	return fmt.Errorf("nothing was changed: %w; with the recovery passphrase nothing is lost: assd passphrase set --old-passphrase-file FILE; to delete them all the same add --yes", err)
}

func (c *recoverOwnerCmd) print(out output, got vault.Recovered) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Owner %s has a new key\n  Owner key:            %s   <- save this, it is shown once\n", got.Name, got.OwnerKey)
	if got.Recovery != "" {
		fmt.Fprintf(&b, "  Recovery passphrase:  %s   <- write it down, it is shown once\n", got.Recovery)
	}
	for _, p := range got.LostPaths {
		fmt.Fprintf(&b, "  Deleted: %s\n", p)
	}
	fmt.Fprintf(&b, "\nLog in with it once assd runs:   ass login     (it asks for the key)\n")
	_, err := fmt.Fprint(out.stdout, b.String())
	return err
}
