package main

import (
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// access is how to get at one secret whose tier or rule asks for a person.
type access struct {
	Reason string   `placeholder:"TEXT" help:"Why, for the owner who has to approve; it is shown as what you say."`
	Wait   patience `help:"Wait for the approval instead of exiting with 5: 10m, or as long as --wait=TIME says."`
}

// to does one act on one secret: it exchanges the key for a token of just that,
// since secrets are opened by nothing else. use may be called again, when it takes
// the approval passphrase or an approval.
func (c *access) to(a *app, act, scope string, use func(*client.Session) error) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	return c.Wait.patiently(a, cl, func() error {
		return a.withPassphrase(act, func(passphrase *string) error {
			s, err := cl.WithToken(a.ctx, api.TokenRequest{Scopes: []string{scope}, Reason: c.Reason, Passphrase: passphrase})
			if err != nil {
				return err
			}
			return use(s)
		})
	})
}
