package main

type auditCheckpointCmd struct {
	Forget bool `help:"Forget what was seen of this vault before, and begin anew with what the daemon says now."`
}

// Help shows examples.
func (auditCheckpointCmd) Help() string {
	return `Prints the newest signed head of the audit trail as a signed note: how many events
there are, and the hash of the newest. Kept where the daemon's machine cannot reach it,
it proves later that nothing before it was changed, cut or put back.

The highest checkpoint of each vault is also kept here, in $XDG_STATE_HOME/ass
(~/.local/state/ass). This command, ass login, ass status and ass audit verify refuse a
trail that is shorter, or another one. After a backup was put back on purpose, --forget
begins anew.

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
	if err != nil {
		return err
	}
	if c.Forget {
		trusted = nil // as ass login does
		if err := a.forgetSeen(cl); err != nil {
			return err
		}
	}
	s, err := a.recall(cl, trusted)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(s.Checkpoint)
	}
	return a.answer(s.note.String())
}
