package main

import (
	"bytes"
	"errors"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type passphraseCmd struct {
	Set passphraseSetCmd `cmd:"" help:"Change your own approval passphrase."`
}

// Help shows examples.
func (passphraseCmd) Help() string {
	return `The approval passphrase is what approving, and whatever else opens something, takes
beside the owner's key. A vault gets its first one at ass login or, later, with assd
passphrase set on its machine, with assd stopped.

Examples:

  ass passphrase set`
}

type passphraseSetCmd struct {
	NewPassphraseFile *string `placeholder:"FILE" help:"File or pipe with the new passphrase. Without it you are asked."`
}

// Help shows examples.
func (passphraseSetCmd) Help() string {
	return `Asks for the passphrase in force and, twice, for the new one; with files it asks
nobody. Other owners keep theirs.

Examples:

  ass passphrase set
  ass passphrase set --passphrase-file OLD --new-passphrase-file NEW`
}

// Run changes the caller's passphrase.
func (c *passphraseSetCmd) Run(a *app) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	if err := a.hasPassphrase(cl); err != nil {
		return err
	}
	const act = "change it: the one in force"
	s := a.stepUp()
	defer s.wipe()
	if err := s.fetch(act, ""); err != nil {
		return err
	}
	fresh, err := c.fresh(a)
	if err != nil {
		return err
	}
	defer clear(fresh)
	text := string(fresh)
	err = s.do(act, func(passphrase *string) error {
		return cl.ChangePassphrase(a.ctx, api.PassphraseChange{Passphrase: passphrase, NewPassphrase: &text})
	})
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(map[string]any{"passphrase_set": true})
	}
	return a.done("Passphrase changed. Older copies of the data file still open with the old one")
}

// hasPassphrase looks before anybody types whether there is one to change.
func (a *app) hasPassphrase(cl *client.Client) error {
	me, err := cl.Me(a.ctx)
	switch {
	case err != nil:
		return err
	case me.Kind != api.KindOwner:
		return api.New(api.CodeScopeDenied, "only owners have an approval passphrase").WithHint("see whose key is used with: ass whoami")
	case me.Protection != nil && !me.Protection.PassphraseSet:
		return api.New(api.CodeConflict, "this vault has no approval passphrase yet").
			WithHint("with the daemon stopped, on its machine: assd passphrase set")
	}
	return nil
}

// fresh is the new passphrase, from the file or typed twice.
func (c *passphraseSetCmd) fresh(a *app) ([]byte, error) {
	if c.NewPassphraseFile == nil {
		text, err := newPassphrase("◆ New approval passphrase, 8 characters or more (not shown): ")
		switch {
		case errors.Is(err, errNoTerminal):
			return nil, usage("the new passphrase is missing, and there is no terminal to ask on", "--passphrase-file OLD --new-passphrase-file NEW")
		case err == nil && len(text) == 0:
			return nil, usage("no passphrase was typed", "ass passphrase set")
		}
		return text, err
	}
	if *c.NewPassphraseFile == "" {
		return nil, usage("--new-passphrase-file is empty", "leave it out to be asked on the terminal")
	}
	return a.readPassphrase(*c.NewPassphraseFile, "--new-passphrase-file")
}

// newPassphrase asks for a new passphrase twice, and anew when the two differ. An
// empty answer is none.
func newPassphrase(prompt string) ([]byte, error) {
	for before := ""; ; before = "│ The two are not the same.\n" {
		text, err := askHidden(before+prompt, "")
		if err != nil || len(text) == 0 {
			return nil, err
		}
		again, err := askHidden("◆ Once more: ", "")
		same := bytes.Equal(text, again)
		clear(again)
		if err == nil && same {
			return text, nil
		}
		clear(text)
		if err != nil {
			return nil, err
		}
	}
}
