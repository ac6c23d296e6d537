package main

import (
	"errors"
	"fmt"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type vaultStatusCmd struct{}

// Help shows examples.
func (vaultStatusCmd) Help() string {
	return `Shows the data file and the keys, and how far it is to turn them over. Exits with 6
when the vault is sealed. How the daemon is otherwise: ass status.

Examples:

  ass vault status
  ass vault status --json | jq .rotation`
}

// Run shows it.
func (vaultStatusCmd) Run(a *app) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	s, err := cl.VaultStatus(a.ctx)
	if errors.Is(err, &api.Error{Code: api.CodeSealed}) {
		return a.sealedStatus(cl, err)
	}
	switch {
	case err != nil:
		return err
	case a.JSON:
		return a.json(s)
	case a.Quiet:
		return nil
	}
	return a.box("Vault", vaultRows(a, s)...)
}

// sealedStatus is what there is to be said of a vault that is sealed, and that it is.
func (a *app) sealedStatus(cl *client.Client, sealed error) error {
	h, err := cl.Health(a.ctx)
	if err != nil {
		return err
	}
	if a.JSON {
		err = a.json(h)
	} else if !a.Quiet {
		err = a.box("Vault", row{"Seal", a.bad("✗") + " sealed"}, row{"Daemon", foreign(h.Version, maxName)})
	}
	return errors.Join(err, sealed)
}

func vaultRows(a *app, s *api.VaultStatus) []row {
	claimed := "no; the first owner is made by: ass login"
	if s.Claimed {
		claimed = "yes"
	}
	rows := []row{
		{"Tenant", foreign(s.Tenant, maxName)},
		{"Seal", a.good("✓") + " open"},
		{"Claimed", claimed},
		{"Data file", fmt.Sprintf("%s, %s of it free, format %d", size(int64(s.FileBytes)), size(int64(s.FreeBytes)), s.Format)},
		{"Key of values", foreign(s.KEK, maxName) + " since " + moment(s.KEKSince) + " UTC"},
		{"Key of the trail", fmt.Sprintf("epoch %d", s.Epoch)},
		{"Slots", fmt.Sprint(s.Slots)},
	}
	if s.Turn == nil {
		return rows
	}
	rows = append(rows, row{"Rotation", howFar(s.Turn) + ", since " + moment(s.Turn.Since) + " UTC; then " + foreign(s.Turn.Replaced, maxName) + " is destroyed"})
	if s.Turn.Problem != "" {
		rows = append(rows, row{"Rotation", a.bad("✗") + " " + foreign(s.Turn.Problem, maxMessage)})
	}
	return rows
}

// howFar says how far it is to turn over the keys.
func howFar(t *api.KeyTurn) string {
	switch {
	case t.Stage == api.KeyTurnCompacting:
		return "compacting the data file"
	case t.Stage == api.KeyTurnAuthenticating && t.Total == 0:
		return "counting records"
	case t.Stage == api.KeyTurnAuthenticating:
		return fmt.Sprintf("%d of %s authenticated anew", t.Done, plural(t.Total, "record"))
	case t.Total == 0:
		return "counting values"
	}
	return fmt.Sprintf("%d of %s wrapped anew", t.Done, plural(t.Total, "value"))
}
