package main

import (
	"fmt"

	"github.com/agent-secret-store/assd/vault/api"
)

type auditRotateKeyCmd struct{}

// Help shows examples.
func (auditRotateKeyCmd) Help() string {
	return `Makes a new key that signs the audit trail from now on. The old one signs for it, and
what it has signed stays verifiable: --key takes any key that this trail ever had. Tokens
are not affected. It takes the approval passphrase where there is one.

Keep the new verification key where you kept the old one. Owners' logins follow it by
themselves; agents log in again.

Examples:

  ass audit rotate-key`
}

// Run has another key sign.
func (auditRotateKeyCmd) Run(a *app) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	var r *api.KeyRotated
	err = a.guarded(cl, "have another key sign the audit trail", func(passphrase *string) (err error) {
		r, err = cl.RotateAuditKey(a.ctx, api.KeyRotation{Passphrase: passphrase})
		return err
	})
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(r)
	}
	key := foreign(r.VerifyKey, maxName)
	if a.Quiet {
		return a.answer(key + "\n")
	}
	return a.done(fmt.Sprintf("Another key signs the audit trail from event %d on\n  verification key: %s\nKeep it where you kept the old one: ass audit verify --key %s", r.Seq, key, key))
}
