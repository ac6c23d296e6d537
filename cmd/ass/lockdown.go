package main

import (
	"strings"
	"unicode"

	"github.com/agent-secret-store/assd/vault/api"
)

type vaultLockdownCmd struct {
	Reason string `placeholder:"TEXT" help:"Why; it is kept in the audit trail and shown by ass status."`
}

// Help shows examples.
func (vaultLockdownCmd) Help() string {
	return `Stops everything at once, and never asks: no value leaves and no secret changes, for
anyone, until an owner lifts it. Tokens, approvals and requests end for good. To look
at all but secrets, to deny and to revoke goes on. Owners may do it, and agents where the policy says so.

Examples:

  ass vault lockdown --reason "an agent's key has leaked"`
}

// oneLine makes of a reason one that the daemon takes: in an emergency nobody is to be
// told that it is too long.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }), " ")
	return strings.ToValidUTF8(s[:min(len(s), api.MaxReason)], "")
}

// Run pulls the switch.
func (c *vaultLockdownCmd) Run(a *app) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	l, err := cl.Lockdown(a.ctx, api.LockdownRequest{Reason: oneLine(c.Reason)})
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(l)
	}
	return a.done("Locked down " + since(*l) + "\nNo value leaves and no secret changes. To go on: ass vault lift")
}

// since says when a lockdown began, by whom and why.
func since(l api.Lockdown) string {
	var parts []string
	if l.Since != nil {
		parts = append(parts, "since "+moment(*l.Since)+" UTC")
	}
	parts = append(parts, "by "+foreign(l.By, maxName))
	s := strings.Join(parts, " ")
	if l.Reason != "" {
		s += ": " + foreign(l.Reason, api.MaxReason)
	}
	return s
}

type vaultLiftCmd struct {
	Reason string `placeholder:"TEXT" help:"Why; it is kept in the audit trail."`
}

// Help shows examples.
func (vaultLiftCmd) Help() string {
	return `Ends a lockdown; it takes the approval passphrase where there is one. What the
lockdown has ended stays ended: agents make new tokens and ask anew.

Examples:

  ass vault lift --reason "the key is replaced"`
}

// Run ends a lockdown.
func (c *vaultLiftCmd) Run(a *app) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	var l *api.Lockdown
	err = a.guarded(cl, "lift the lockdown", func(passphrase *string) (err error) {
		l, err = cl.Lift(a.ctx, api.LiftRequest{Reason: c.Reason, Passphrase: passphrase})
		return err
	})
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(l)
	}
	return a.done("The lockdown is lifted\nTokens, approvals and requests from before it stay ended.")
}
