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
	key := rc.Get(assrc.AgentKey)
	if key != "" {
		if err := a.keepAside(key, ""); err != nil {
			return err
		}
		rc.Unset(assrc.AgentKey, assrc.APIURL, assrc.CACert, assrc.Fingerprint, assrc.VerifyKey)
		if err := assrc.Save(path, rc); err != nil {
			return err
		}
	}
	if a.JSON {
		return a.json(map[string]bool{"logged_out": true, "was_logged_in": key != ""})
	}
	if key == "" {
		return a.done("Nobody was logged in; ~/.assrc holds no credentials")
	}
	return a.done("Logged out. Credentials removed from ~/.assrc")
}
