package main

import (
	"fmt"

	"github.com/agent-secret-store/assd/vault/api"
)

type vaultSlotsCmd struct {
	List   slotsListCmd   `cmd:"" help:"List what opens the vault."`
	Add    slotsAddCmd    `cmd:"" help:"Have another secret open it."`
	Remove slotsRemoveCmd `cmd:"" help:"Have one open it no more."`
}

// Help shows examples.
func (vaultSlotsCmd) Help() string {
	return `The key above all others lies in slots, in each under another secret: a key file, a
passphrase, what a program prints, an entry of the keyring. Any one opens the vault when
assd starts. Owners only.

Examples:

  ass vault slots list
  ass vault slots add --seal passphrase --generate
  ass vault slots remove slt_abcdefghijklmnopqrstuvwxyz`
}

type slotsListCmd struct{}

// Help shows examples.
func (slotsListCmd) Help() string {
	return `Examples:

  ass vault slots list
  ass vault slots list --json | jq -r '.slots[].id'`
}

// Run lists the slots.
func (slotsListCmd) Run(a *app) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	l, err := cl.Slots(a.ctx)
	if err != nil {
		return err
	}
	return inventory[api.Slot]{
		items: l.Items, key: "slots", name: func(s api.Slot) string { return s.ID }, row: slotRow,
		sheet: sheet{
			title: "Slots", count: plural(len(l.Items), "slot"),
			columns: []string{"ID", "Kind", "Added", "By", "A try costs", "Opened"},
		},
	}.print(a)
}

func slotRow(s api.Slot) []string {
	by, cost, opened := "at creation", "nothing", "no"
	if s.AddedBy != nil {
		by = *s.AddedBy
	}
	if c := s.Argon2; c != nil {
		cost = fmt.Sprintf("%d MiB × %d", c.MemoryKiB>>10, c.Time)
	}
	if s.Opened {
		opened = "yes"
	}
	return []string{s.ID, s.Kind, day(s.AddedAt), by, cost, opened}
}

type slotsRemoveCmd struct {
	ID string `arg:"" help:"Its id, as in ass vault slots list."`
}

// Help shows examples.
func (slotsRemoveCmd) Help() string {
	return `The secret opens the vault no more, and keeps what it is: a key file is not deleted,
nor an entry in a keyring. The last slot cannot go. It takes the approval passphrase where
there is one.

A copy of the data file from before still opens with that secret, and what it holds is
the key of today's file too. If the secret has leaked: ass vault rotate-kek --root

Examples:

  ass vault slots remove slt_abcdefghijklmnopqrstuvwxyz`
}

// Run removes the slot.
func (c *slotsRemoveCmd) Run(a *app) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	var gone *api.SlotRemoved
	err = a.guarded(cl, "remove the slot "+foreign(c.ID, maxName), func(passphrase *string) (err error) {
		gone, err = cl.RemoveSlot(a.ctx, c.ID, api.SlotRemove{Passphrase: passphrase})
		return err
	})
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(gone)
	}
	if len(gone.Left) == 1 && gone.Left[0] == api.SlotPassphrase {
		a.note("Note: only a passphrase opens the vault now: after its next start assd waits for ass vault unseal")
	}
	return a.done("Slot removed: " + foreign(gone.ID, maxName) + " (" + foreign(gone.Kind, maxName) + ")\n" +
		"Copies of the data file from before still open with it, and hold the key of today's; to turn that key over: ass vault rotate-kek --root")
}
