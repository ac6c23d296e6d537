package main

import (
	"errors"
	"strings"

	"github.com/agent-secret-store/assd/cmd/ass/internal/assrc"
	"github.com/agent-secret-store/assd/vault/api"
)

type loginCmd struct {
	NoPassphrase bool `name:"no-passphrase" help:"Do not offer an approval passphrase when this claims the vault."`
}

// Help shows examples.
func (loginCmd) Help() string {
	return `The first login over the local socket claims a vault that nobody owns yet. Later
logins ask for a key, which is checked and kept in ~/.assrc with the daemon that
it belongs to. For a daemon on https the key of its certificate, or who vouches for
it, is kept as well: compare the fingerprint with what assd printed.

Claiming the vault on a terminal offers an approval passphrase, which approving and
whatever else opens something will take; --passphrase-file sets it without asking.
The recovery passphrase that comes with it is shown once.

Examples:

  ass login
  ass login --no-passphrase
  ass login --passphrase-file <(pass show vault)
  ASS_AGENT_KEY=ask_agent_... ass login
  ass login --api-url unix:///run/assd/assd.sock
  ass login --api-url https://vault.internal:8443 --fingerprint sha256:...
  ass login --api-url https://vault.internal:8443 --ca-cert assd.pem`
}

// login is what a login leaves: who, where, and the key to keep.
type login struct {
	Name      string `json:"name"`
	Tenant    string `json:"tenant"`
	Kind      string `json:"kind"`
	APIURL    string `json:"api_url"`
	VerifyKey string `json:"verify_key"`
	Claimed   bool   `json:"claimed"`
	// Recovery opens what the approval passphrase opens; it is told once.
	Recovery string `json:"recovery_passphrase,omitempty"`
	kept     bool   // was logged in already
	key      string
}

// Run logs in with the key given; without one it keeps a login that works,
// else claims the vault, else asks.
func (c *loginCmd) Run(a *app) error {
	t, err := a.place()
	if err != nil {
		return err
	}
	key, err := a.givenKey()
	if err != nil {
		return err
	}
	if key != "" {
		return a.loginWith(t, key)
	}
	if done, err := a.loginKept(t); done || err != nil {
		return err
	}
	return c.claimOrAsk(a, t)
}

// loginKept reports whether the login that is there still works. Its key is
// tried only where it may be used.
func (a *app) loginKept(t *target) (bool, error) {
	kept := t.rc.Get(assrc.AgentKey)
	if kept == "" || !t.own {
		return false, nil
	}
	if c := a.conflict(t); c != nil {
		a.note("The key in ~/.assrc " + c.how + ".")
		return false, nil
	}
	l, err := a.identify(t, kept)
	switch {
	case err == nil && t.trust != t.kept: // a client certificate is new
		return true, a.loginAs(t, l)
	case err == nil:
		l.kept = true
		return true, a.printLogin(l)
	case errors.Is(err, &api.Error{Code: api.CodeUnauthorized}):
		a.note("The key in ~/.assrc is not accepted any more.")
		return false, nil
	}
	return false, err
}

// loginWith checks a key and keeps it.
func (a *app) loginWith(t *target, key string) error {
	l, err := a.identify(t, key)
	if refusal, ok := errors.AsType[*api.Error](err); ok && refusal.Code == api.CodeUnauthorized {
		return &fault{
			code: refusal.Code, message: refusal.Message,
			hint: "look whether all of the key was copied; for one that was revoked an owner makes another: ass agents create --name NAME",
		}
	}
	if err != nil {
		return err
	}
	return a.loginAs(t, l)
}

// loginAs keeps a login that was checked.
func (a *app) loginAs(t *target, l *login) error {
	d, err := begin()
	if err != nil {
		return err
	}
	if err := a.keep(d, t, l); err != nil {
		d.Discard()
		return err
	}
	return a.printLogin(l)
}

// identify asks the daemon whose key it is.
func (a *app) identify(t *target, key string) (*login, error) {
	c, err := a.dial(t, key)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	me, err := c.Me(a.ctx)
	if err != nil {
		return nil, err
	}
	if _, err := a.recallIfOwner(c, me, key); err != nil {
		return nil, err
	}
	return &login{
		Name: me.Name, Tenant: me.Tenant, Kind: me.Kind, APIURL: c.URL(), VerifyKey: me.VerifyKey, key: key,
	}, nil
}

// claimOrAsk claims a vault behind a local socket, or asks for a key when
// somebody has.
func (c *loginCmd) claimOrAsk(a *app, t *target) error {
	why := ""
	if t.endpoint.Socket() == "" {
		if err := a.reach(t); err != nil {
			return err
		}
	} else {
		err := c.claim(a, t)
		refusal, refused := errors.AsType[*api.Error](err)
		if !refused || refusal.Code != api.CodeConflict && refusal.Code != api.CodeScopeDenied {
			return err
		}
		why = foreign(refusal.Message, maxMessage)
	}
	key, err := a.askKey(t, why)
	if err != nil {
		return err
	}
	return a.loginWith(t, key)
}

// reach looks whether the daemon answers and is the one that was meant, before
// anybody types a key for it.
func (a *app) reach(t *target) error {
	c, err := a.dial(t, "")
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Health(a.ctx)
	return err
}

// askKey asks for a key, after saying for which daemon and why one is needed.
func (a *app) askKey(t *target, why string) (string, error) {
	box := "┌ Agent Secret Store at " + foreign(t.endpoint.String(), maxMessage) + "\n"
	if why != "" {
		box += "│ " + why + "\n"
	}
	key, err := askSecret(box+"◆ API Key (will not be stored in shell history):\n│ ", "└\n")
	switch {
	case errors.Is(err, errNoTerminal):
		if why != "" {
			why += "; "
		}
		return "", usage(why+"a key is needed and there is no terminal to ask on", "ASS_AGENT_KEY=... "+a.loginCommand())
	case err != nil:
		return "", err
	}
	if key = strings.TrimSpace(key); key == "" {
		return "", usage("no key was typed", a.loginCommand())
	}
	return key, nil
}

// begin makes the draft of a new ~/.assrc.
func begin() (*assrc.Draft, error) {
	path, err := rcPath()
	if err != nil {
		return nil, err
	}
	return assrc.Begin(path)
}

// keep writes a login into the draft first, then keeps an owner key of another
// login aside, since it may be the only copy, and puts the draft in place.
func (a *app) keep(d *assrc.Draft, t *target, l *login) error {
	old := t.rc.Get(assrc.AgentKey)
	for _, kv := range [][2]string{
		{assrc.AgentKey, l.key}, {assrc.APIURL, l.APIURL}, {assrc.VerifyKey, l.VerifyKey},
		{assrc.CACert, t.trust.caCert}, {assrc.Fingerprint, t.trust.fingerprint},
		{assrc.ClientCert, t.trust.clientCert}, {assrc.ClientKey, t.trust.clientKey},
	} {
		if err := t.rc.Set(kv[0], kv[1]); err != nil {
			return err
		}
	}
	if err := d.Fill(t.rc); err != nil {
		return err
	}
	if _, err := a.keepAside(old, l.key); err != nil {
		return err
	}
	if l.VerifyKey != t.verifyKey && t.verifyKey != "" {
		a.note("Note: this vault's audit trail is signed by another key than at the last login here.")
	}
	return d.Commit()
}

// keepAside keeps ~/.assrc aside when old, the key in it, is an owner's and is
// not what takes its place: only another owner, or who has the daemon's machine, can
// make another. It returns where the file then lies, "" for nowhere.
func (a *app) keepAside(old, replacement string) (string, error) {
	if old == replacement || !strings.HasPrefix(old, api.OwnerKeyPrefix) {
		return "", nil
	}
	path, err := rcPath()
	if err != nil {
		return "", err
	}
	name, err := assrc.KeepAside(path)
	if err != nil {
		return "", err
	}
	a.note("The owner key that was in ~/.assrc is kept in " + name +
		". Nobody can make that key again; remove it when you have no use for it.")
	return name, nil
}

func (a *app) printLogin(l *login) error {
	if a.JSON {
		return a.json(l)
	}
	if a.Quiet {
		return nil
	}
	title, saved := "Logged in", "saved to ~/.assrc"
	switch {
	case l.Claimed:
		title = "Vault claimed: you are its owner"
	case l.kept:
		title, saved = "Already logged in", "in ~/.assrc"
	}
	rows := []row{identity(l.Kind, l.Name), {"Tenant", foreign(l.Tenant, maxName)}}
	if l.VerifyKey != "" {
		rows = append(rows, row{"Verification key", foreign(l.VerifyKey, maxName)})
	}
	return a.box(a.good("✓")+" "+title, append(rows, row{"Key", saved})...)
}

// identity is the row that names an owner or an agent.
func identity(kind, name string) row {
	if kind == api.KindOwner {
		return row{"Owner", foreign(name, maxName)}
	}
	return row{"Agent", foreign(name, maxName)}
}
