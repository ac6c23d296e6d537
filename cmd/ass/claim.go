package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// claim makes us the vault's first owner. The file that will hold the owner
// key is made before the vault is asked: it tells the key once.
func (c *loginCmd) claim(a *app, t *target) error {
	cl, err := a.dial(t, "")
	if err != nil {
		return err
	}
	defer cl.Close()
	passphrase, err := c.passphrase(a, cl)
	if err != nil {
		return err
	}
	defer clear(passphrase)
	d, err := begin()
	if err != nil {
		return err
	}
	claim, err := cl.Claim(a.ctx, claimRequest(passphrase))
	if err != nil {
		d.Discard()
		return err
	}
	a.showRecovery(claim.RecoveryPassphrase)
	l := &login{
		Name: claim.Name, Tenant: claim.Tenant, Kind: api.KindOwner, APIURL: cl.URL(),
		VerifyKey: claim.VerifyKey, Claimed: true, Recovery: claim.RecoveryPassphrase, key: claim.OwnerKey,
	}
	if err := a.keep(d, t, l); err != nil {
		return &fault{
			code:    codeFailed,
			message: fmt.Sprintf("the vault is claimed, but its owner key could not be put into ~/.assrc: %v; it may be in %s", err, d.Name()),
			hint:    "move that file to ~/.assrc; the daemon tells the key only once",
		}
	}
	a.rememberClaim(t, l)
	if err := a.printLogin(l); err != nil {
		return err
	}
	a.offerSlot(t, l)
	return nil
}

// rememberClaim keeps the first checkpoint. That it could not be had is no reason to
// fail: the vault is claimed.
func (a *app) rememberClaim(t *target, l *login) {
	cl, err := a.dial(t, l.key)
	if err != nil {
		return
	}
	defer cl.Close()
	if _, err := a.recallIfOwner(cl, &api.Me{Kind: l.Kind, Tenant: l.Tenant}, l.key); err != nil {
		a.note("Note: " + foreign(err.Error(), maxMessage))
	}
}

// offerSlot tells a person at a terminal how a second secret comes to open the vault,
// where one alone does. That it could not be seen is no reason to fail the claim.
func (a *app) offerSlot(t *target, l *login) {
	if a.Quiet || a.JSON || !atTerminal() {
		return
	}
	cl, err := a.dial(t, l.key)
	if err != nil {
		return
	}
	defer cl.Close()
	if slots, err := cl.Slots(a.ctx); err != nil || len(slots.Items) != 1 {
		return
	}
	a.note("One secret alone opens this vault: when that is lost, so is the vault. To have a generated passphrase open it too: ass vault slots add --seal passphrase --generate")
}

// atTerminal reports whether there is a person to offer something to.
func atTerminal() bool { return isTerminal(os.Stdin) && isTerminal(os.Stderr) }

func claimRequest(passphrase []byte) (want api.ClaimRequest) {
	if passphrase != nil {
		text := string(passphrase)
		want.Passphrase = &text
	}
	return want
}

// showRecovery prints what is told once, before anything else can fail, also where
// only answers are asked for. In JSON it stands in the answer too.
func (a *app) showRecovery(text string) {
	if text != "" && !a.JSON {
		fmt.Fprint(os.Stderr, "Recovery passphrase: "+foreign(text, maxMessage)+"\n"+
			"Write this down and keep it away from this machine: it is shown once, and opens\n"+
			"what your approval passphrase opens, should you forget that.\n")
	}
}

// passphrase is the approval passphrase that a claim is to set: from the file, or
// offered to whoever sits at a terminal; nil for none.
func (c *loginCmd) passphrase(a *app, cl *client.Client) ([]byte, error) {
	path, err := a.passphraseFile()
	switch {
	case err != nil:
		return nil, err
	case c.NoPassphrase && a.PassphraseFile != nil:
		return nil, usage("--no-passphrase and --passphrase-file exclude each other", "leave one of them out")
	case c.NoPassphrase:
		return nil, nil
	case path == "" && !atTerminal():
		return nil, nil
	}
	if err := claimable(a, cl); err != nil {
		return nil, err
	}
	if path != "" {
		return a.readPassphrase(path, "--passphrase-file")
	}
	text, err := newPassphrase(offer)
	if errors.Is(err, errNoTerminal) {
		return nil, nil
	}
	return text, err
}

const offer = `┌ Approval passphrase (recommended)
│ Nobody approves an agent's request without it, and nothing else opens what is
│ sensitive or critical: not a program that runs as you, not a copy of the files.
│ You type it at each approval. Leave it empty to have none.
◆ New approval passphrase, 8 characters or more (not shown): `

// claimable fails as a claim would, without claiming: a passphrase that is none is
// refused only where nothing else is in the way. Nobody is to think of one in vain.
func claimable(a *app, cl *client.Client) error {
	none := ""
	_, err := cl.Claim(a.ctx, api.ClaimRequest{Passphrase: &none})
	if errors.Is(err, &api.Error{Code: api.CodeValidation}) {
		return nil
	}
	if err == nil {
		err = errors.New("the daemon takes an empty passphrase: it is not one that this ass can talk to")
	}
	return err
}
