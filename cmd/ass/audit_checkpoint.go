package main

import (
	"fmt"

	"github.com/agent-secret-store/assd/cmd/ass/internal/assrc"
)

type auditCheckpointCmd struct {
	Forget bool `help:"Forget what was seen of this vault before, the key kept at login too, and begin anew with what the daemon says now."`
}

// Help shows examples.
func (auditCheckpointCmd) Help() string {
	return `Prints the newest signed head of the audit trail as a signed note: how many events
there are, and the hash of the newest. Kept where the daemon's machine cannot reach it,
it proves later that nothing before it was changed, cut or put back.

The highest checkpoint of each vault is also kept here, in $XDG_STATE_HOME/ass
(~/.local/state/ass). This command, ass login, ass status and ass audit verify refuse a
trail that is shorter, or another one, or a daemon that shows no checkpoint any more.
After a backup was put back on purpose, --forget begins anew: with the checkpoint and the
verification key that the daemon shows now, also in the place of the key kept at login.

Examples:

  ass audit checkpoint > checkpoint.txt
  ass audit checkpoint --json
  ass audit verify --checkpoint checkpoint.txt`
}

// Run prints the checkpoint.
func (c *auditCheckpointCmd) Run(a *app) error {
	t, err := a.target()
	if err != nil {
		return err
	}
	if t.key == "" {
		return a.noKey()
	}
	cl, err := a.dial(t, t.key)
	if err != nil {
		return err
	}
	trusted, err := t.trustedKey()
	if c.Forget {
		trusted, err = nil, a.forgetSeen(cl) // as ass login does
	}
	if err != nil {
		return err
	}
	s, err := a.recall(cl, trusted)
	if err != nil {
		return err
	}
	if c.Forget {
		if err := a.trustAnew(t, s); err != nil {
			return err
		}
	}
	if a.JSON {
		return a.json(s.Checkpoint)
	}
	return a.answer(s.note.String())
}

// trustAnew puts the key that signs now in the place of one kept at login that this trail
// never had.
func (a *app) trustAnew(t *target, s *seen) error {
	was, err := t.trustedKey()
	if err == nil && (was == nil || s.lineage.Has(was)) {
		a.note(fmt.Sprintf("Forgotten; from now on counts what is seen here: %d events.", s.note.Seq))
		return nil
	}
	if err := t.rc.Set(assrc.VerifyKey, s.lineage.Newest().Key.String()); err != nil {
		return err
	}
	path, err := rcPath()
	if err != nil {
		return err
	}
	if err := assrc.Save(path, t.rc); err != nil {
		return err
	}
	a.note(fmt.Sprintf("Forgotten; from now on count what is seen here, %d events, and the key that signs them: %s. It takes the place of the one kept at login, %s, which never signed this trail.",
		s.note.Seq, s.lineage.Newest().Key, foreign(t.verifyKey, maxName)))
	return nil
}
