package main

import "github.com/agent-secret-store/assd/cmd/ass/internal/assrc"

type logoutCmd struct{}

// Help shows examples.
func (logoutCmd) Help() string {
	return `Removes the key and what was kept with it from ~/.assrc; other lines stay. An
owner key may be the only copy, so that file is kept aside, in ~/.assrc.old. The
key itself stays valid: an owner revokes an agent with ass agents revoke.

Examples:

  ass logout`
}

// loggedOut is the JSON of ass logout.
type loggedOut struct {
	LoggedOut   bool   `json:"logged_out"`
	WasLoggedIn bool   `json:"was_logged_in"`
	KeptIn      string `json:"kept_in,omitempty"` // the file with the owner key
}

// Run forgets the login.
func (logoutCmd) Run(a *app) error {
	path, err := rcPath()
	if err != nil {
		return err
	}
	rc, err := loadRC()
	if err != nil {
		return err
	}
	out := loggedOut{LoggedOut: true, WasLoggedIn: rc.Get(assrc.AgentKey) != ""}
	if out.WasLoggedIn {
		if out.KeptIn, err = a.forget(path, rc); err != nil {
			return err
		}
	}
	switch {
	case a.JSON:
		return a.json(out)
	case !out.WasLoggedIn:
		return a.done("Nobody was logged in; ~/.assrc holds no credentials")
	}
	if out.KeptIn != "" {
		return a.done("Logged out. The owner key is kept; to use it again: mv " + shellWord(out.KeptIn) + " " + shellWord(path))
	}
	return a.done("Logged out. Credentials removed from ~/.assrc")
}

// forget takes the login out of ~/.assrc and returns where an owner key is kept.
func (a *app) forget(path string, rc *assrc.File) (keptIn string, err error) {
	if keptIn, err = a.keepAside(rc.Get(assrc.AgentKey), ""); err != nil {
		return "", err
	}
	rc.Unset(assrc.AgentKey, assrc.APIURL, assrc.VerifyKey,
		assrc.CACert, assrc.Fingerprint, assrc.ClientCert, assrc.ClientKey)
	return keptIn, assrc.Save(path, rc)
}
