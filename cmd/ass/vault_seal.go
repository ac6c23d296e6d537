package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type vaultSealCmd struct {
	Reason string `placeholder:"TEXT" help:"Why; it is kept in the audit trail."`
}

// Help shows examples.
func (vaultSealCmd) Help() string {
	return `Ends what the daemon does and has it let go of all keys: from then on it answers nothing
but that it is sealed, until somebody opens the vault with ass vault unseal. It asks for
nothing, and goes on in a lockdown and with a full disk. A daemon that is started anew
opens a vault that has a key file by itself.

Examples:

  ass vault seal --reason "leaving for the airport"`
}

// Run seals the vault.
func (c *vaultSealCmd) Run(a *app) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	s, err := cl.Seal(a.ctx, api.SealRequest{Reason: oneLine(c.Reason)})
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(s)
	}
	return a.done("Sealed: the keys leave the daemon's memory\nTo open it again: ass vault unseal")
}

type vaultUnsealCmd struct{}

// Help shows examples.
func (vaultUnsealCmd) Help() string {
	return `Opens a sealed vault, on the daemon's machine and as the user that the vault belongs to;
it needs no key. The daemon first tries what it was told to open the vault with, a key
file for example. Where that does not open it, the passphrase of a slot does: from
--passphrase-file, or you are asked. ASS_PASSPHRASE_FILE, which is for the approval
passphrase, is not read. Wrong tries make the next one wait.

Examples:

  ass vault unseal
  ass vault unseal --passphrase-file FILE`
}

// Run opens the vault.
func (vaultUnsealCmd) Run(a *app) error {
	_, c, err := a.withoutKey()
	if err != nil {
		return err
	}
	defer c.Close()
	out, err := a.unseal(c)
	if err != nil {
		return unsealFault(err)
	}
	if a.JSON {
		return a.json(out)
	}
	return a.done(howUnsealed(out))
}

// unseal gives the passphrase of the flag; without one, what the daemon has, and then
// what is typed.
func (a *app) unseal(c *client.Client) (*api.Unsealed, error) {
	if a.PassphraseFile != nil {
		path, err := a.passphraseFile()
		if err != nil {
			return nil, err
		}
		text, err := a.readPassphrase(path, "--passphrase-file")
		if err != nil {
			return nil, err
		}
		return a.unsealWith(c, text)
	}
	out, err := c.Unseal(a.ctx, api.UnsealRequest{})
	if !takesSlotPassphrase(err) {
		return out, err
	}
	for try := 1; ; try++ {
		before := ""
		if try > 1 {
			before = "│ " + foreign(err.Error(), maxMessage) + "\n"
		}
		text, failed := askSlotPassphrase(before)
		if failed != nil {
			return nil, failed
		}
		if out, err = a.unsealWith(c, text); !errors.Is(err, &api.Error{Code: api.CodeUnauthorized}) || try == passphraseTries {
			return out, err
		}
	}
}

// unsealWith tries one passphrase, and wipes it.
func (a *app) unsealWith(c *client.Client, text []byte) (*api.Unsealed, error) {
	defer clear(text)
	passphrase := string(text)
	return c.Unseal(a.ctx, api.UnsealRequest{Passphrase: &passphrase})
}

// slotKinds is the detail of a refusal that says what opens the vault.
const slotKinds = "slots"

// takesSlotPassphrase reports whether what the daemon has does not open the vault, and a
// passphrase does.
func takesSlotPassphrase(err error) bool {
	e, ok := errors.AsType[*api.Error](err)
	if !ok || e.Code != api.CodeUnauthorized {
		return false
	}
	kinds, _ := e.Details[slotKinds].([]any)
	return slices.Contains(kinds, any("passphrase"))
}

func askSlotPassphrase(before string) ([]byte, error) {
	text, err := askHidden(before+"◆ Passphrase of the vault (not shown): ", "")
	switch {
	case errors.Is(err, errNoTerminal):
		return nil, usage("this needs a passphrase of the vault, and there is no terminal to ask on", "add --passphrase-file FILE")
	case err == nil && len(text) == 0:
		return nil, usage("no passphrase was typed", "type it, or add --passphrase-file FILE")
	}
	return text, err
}

// unsealFault is err with the hint that goes with a vault's own passphrase, and not with
// a caller's key.
func unsealFault(err error) error {
	e, ok := errors.AsType[*api.Error](err)
	if !ok || e.Code != api.CodeUnauthorized {
		return err
	}
	hint := "try again: ass vault unseal"
	if e.Details != nil {
		hint = "put back what opens it, and then: ass vault unseal; a slot that takes a passphrase: ass vault unseal --passphrase-file FILE"
	}
	return &fault{code: e.Code, message: e.Message, hint: hint}
}

// howUnsealed says what opened the vault, and what was tried before.
func howUnsealed(u *api.Unsealed) string {
	if u.Slot == "" {
		return "The vault is open already"
	}
	said := "Unsealed, by slot " + foreign(u.Slot, maxName)
	if u.Failed > 0 {
		said += fmt.Sprintf("\nWrong passphrases since it was sealed: %d", u.Failed)
	}
	return said
}
