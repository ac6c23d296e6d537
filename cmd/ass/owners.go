package main

import (
	"errors"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// listOwners lists the living owners.
func (a *app) listOwners(cl *client.Client) error {
	l, err := cl.Owners(a.ctx)
	if err != nil {
		return err
	}
	return inventory[api.Owner]{
		items: l.Items, key: "owners", name: func(o api.Owner) string { return o.Name }, row: ownerRow,
		sheet: sheet{
			title: "Owners", count: plural(len(l.Items), "owner"),
			columns: []string{"Name", "ID", "Passphrase", "Created", "Last active"},
		},
	}.print(a)
}

func ownerRow(o api.Owner) []string {
	passphrase, active := "none", "never"
	if o.HasPassphrase {
		passphrase = "set"
	}
	if o.LastActiveAt != nil {
		active = moment(*o.LastActiveAt)
	}
	return []string{o.Name, o.ID, passphrase, day(o.CreatedAt), active}
}

// createOwner makes an owner and prints what nobody can ask for again.
func (c *agentsCreateCmd) createOwner(a *app) error {
	if c.Description != "" || len(c.Namespace) > 0 || len(c.Scope) > 0 {
		return usage("an owner has no limits and no description", "ass agents create --owner --name NAME")
	}
	cl, err := a.connect()
	if err != nil {
		return err
	}
	var created *api.OwnerCreated
	err = a.guarded(cl, "make "+foreign(c.Name, maxName)+" an owner", func(passphrase *string) (err error) {
		created, err = cl.CreateOwner(a.ctx, api.OwnerCreate{Name: c.Name, Passphrase: passphrase})
		return err
	})
	if err != nil {
		return secondOwner(err)
	}
	return a.printOwner(created)
}

func (a *app) printOwner(created *api.OwnerCreated) error {
	passphrase := created.InitialPassphrase
	switch {
	case a.JSON:
		return a.json(created)
	case a.Quiet && passphrase == nil:
		return a.answer(created.APIKey + "\n")
	case a.Quiet:
		return a.answer(created.APIKey + "\n" + *passphrase + "\n")
	}
	if err := a.done("Owner created"); err != nil {
		return err
	}
	text := "Name: " + foreign(created.Name, maxName) + "\nKey: " + created.APIKey + " ← SAVE THIS — shown once\n"
	if passphrase != nil {
		text += "Passphrase: " + *passphrase + " ← to begin with; the new owner changes it with: ass passphrase set\n"
	}
	return a.answer(text)
}

// revokeOwner ends an owner.
func (a *app) revokeOwner(cl *client.Client, name string) error {
	err := a.guarded(cl, "revoke the owner "+foreign(name, maxName), func(passphrase *string) error {
		return cl.RevokeOwner(a.ctx, name, api.OwnerRevoke{Passphrase: passphrase})
	})
	if err != nil {
		return secondOwner(err)
	}
	if a.JSON {
		return a.json(map[string]any{"owner": name, "revoked": true})
	}
	return a.done("Owner revoked: " + foreign(name, maxName) + ". The key, all tokens and the passphrase are invalid now")
}

// secondOwner says of an act that waits for approval that it takes another owner.
func secondOwner(err error) error {
	refusal, ok := errors.AsType[*api.Error](err)
	if !ok || refusal.Code != api.CodeApprovalRequired || !isApprovalID(refusal.ApprovalID) {
		return err
	}
	return refusal.WithHint("another owner approves it with: ass approvals approve " + refusal.ApprovalID)
}
