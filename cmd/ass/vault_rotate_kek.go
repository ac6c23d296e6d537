package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type vaultRotateKEKCmd struct {
	Wait               bool     `help:"Wait until the old key is destroyed, and show how far it is."`
	Root               bool     `help:"Make another root key too, the one that the slots hold."`
	SlotPassphraseFile []string `placeholder:"FILE" sep:"none" help:"With --root: file or pipe with the passphrase of a slot, which is to open the vault from then on too. Repeatable."`
	DropOthers         bool     `help:"With --root: let slots go whose secret the daemon cannot get."`
}

// Help shows examples.
func (vaultRotateKEKCmd) Help() string {
	return `Makes a new key that seals values from now on (the KEK), a new one that signs tokens,
so that all tokens from before are void, and a new one that signs the audit trail. It
takes the approval passphrase where there is one.

The daemon goes on serving: it wraps the keys of older values anew, compacts the data
file, destroys the old key, and says so in the trail. It goes on after a restart.
Backups from before it still hold the old key: make a new one, and delete those. Values
that are sealed to the approval passphrase are not under this key; ass passphrase set
is for them.

With --root another root key comes as well: all keys are sealed under it, and older copies
of the data file and of the slots open nothing of what is written from then on. The
daemon wraps it for each slot whose secret it can get: its own key file, command, keyring.
The passphrase of a slot has to be named; a slot that would be lost stops it, and so does
that of a second key file: remove it, and add it again afterwards. All slots have other
ids then.

Examples:

  ass vault rotate-kek --wait
  ass vault rotate-kek --root --slot-passphrase-file FILE --wait
  ass vault rotate-kek
  ass vault status`
}

// Run has the keys turned over.
func (c *vaultRotateKEKCmd) Run(a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	cl, err := a.connect()
	if err != nil {
		return err
	}
	want, err := c.wanted(a)
	if err != nil {
		return err
	}
	var r *api.KEKRotated
	act := "turn over the keys of the vault"
	if c.Root {
		act = "turn over the keys of the vault and its root key"
	}
	err = a.guarded(cl, act, func(passphrase *string) (err error) {
		want.Passphrase = passphrase
		r, err = cl.RotateKEK(a.ctx, want)
		return err
	})
	if err != nil {
		return ofSlots(err)
	}
	if c.Wait {
		if err := a.awaitTurn(cl); err != nil {
			return err
		}
	}
	return c.print(a, r)
}

// ofSlots is err with the flag in the place of the request's field, where it is about that.
func ofSlots(err error) error {
	refusal, ok := errors.AsType[*api.Error](err)
	if !ok {
		return err
	}
	problem, ok := strings.CutPrefix(refusal.Message, "slot_passphrases: ")
	if !ok {
		return err
	}
	return usage("--slot-passphrase-file: "+problem, "give what ass vault unseal takes, which is not the approval passphrase; ass vault slots list shows the slots")
}

// wanted is what the flags ask for.
func (c *vaultRotateKEKCmd) wanted(a *app) (want api.KEKRotation, err error) {
	want.Root, want.DropOthers = c.Root, c.DropOthers
	for _, path := range c.SlotPassphraseFile {
		text, err := a.readPassphrase(path, "--slot-passphrase-file")
		if err != nil {
			return want, err
		}
		want.SlotPassphrases = append(want.SlotPassphrases, string(text))
		clear(text)
	}
	return want, nil
}

// print says what has changed, and what to do with the new verification key.
func (c *vaultRotateKEKCmd) print(a *app, r *api.KEKRotated) error {
	if a.JSON {
		return a.json(r)
	}
	key := foreign(r.VerifyKey, maxName)
	if a.Quiet {
		return a.answer(key + "\n")
	}
	was := foreign(r.Replaced, maxName)
	then := "Older values are wrapped anew in the background; then " + was + " is destroyed: ass vault status\n"
	if c.Wait {
		then = "All values are wrapped anew, and " + was + " is destroyed.\n"
	}
	return a.done("Another key seals values: " + foreign(r.KEK, maxName) + "\n" + rooted(r) + then +
		"Backups from before still hold the old key: make a new one and delete those.\n" +
		"Tokens from before are void. Another key signs the audit trail\n  verification key: " + key + "\n" +
		"Keep it where you kept the old one: ass audit verify --key " + key)
}

// check refuses flags that do not go together.
func (c *vaultRotateKEKCmd) check() error {
	if !c.Root && (len(c.SlotPassphraseFile) > 0 || c.DropOthers) {
		return usage("--slot-passphrase-file and --drop-others go with --root", "ass vault rotate-kek --root --help")
	}
	return nil
}

// rooted says what came of the root key.
func rooted(r *api.KEKRotated) string {
	switch n := len(r.DroppedSlots); {
	case !r.Root:
		return ""
	case n > 0:
		return fmt.Sprintf("Another root key is above all. %s gone: ass vault slots list shows what opens the vault.\n", plural(n, "slot"))
	}
	return "Another root key is above all; the same secrets open the vault.\n"
}

// How often it is asked how far it is, and told where that is no terminal.
const (
	turnPoll  = 200 * time.Millisecond
	turnLines = 10 * time.Second
)

// awaitTurn waits until the keys are turned over.
func (a *app) awaitTurn(cl *client.Client) error {
	p := a.turnProgress()
	defer p.end()
	for {
		s, err := cl.VaultStatus(a.ctx)
		switch {
		case err != nil:
			return err
		case s.Turn == nil:
			return nil
		case s.Turn.Problem != "":
			return &fault{code: codeFailed, message: "the old key is not destroyed: " + foreign(s.Turn.Problem, maxMessage),
				hint: "the daemon tries again every minute; ass vault status shows how it goes"}
		}
		p.at(s.Turn)
		select {
		case <-a.ctx.Done():
			return a.ctx.Err()
		case <-time.After(turnPoll):
		}
	}
}

// turnProgress is a bar on a terminal, and a line now and then elsewhere.
type turnProgress struct {
	progress
	note func(string)
	told time.Time
}

func (a *app) turnProgress() *turnProgress {
	return &turnProgress{note: a.note, progress: progress{shown: !a.Quiet && !a.JSON && isTerminal(os.Stderr)}}
}

func (p *turnProgress) at(t *api.KeyTurn) {
	switch {
	case p.shown:
		p.draw(bar(t) + howFar(t) + " ...")
	case time.Since(p.told) >= turnLines:
		p.told = time.Now()
		p.note(howFar(t))
	}
}

const barWidth = 30

// bar shows how much is done; it is empty before anything is counted.
func bar(t *api.KeyTurn) string {
	if t.Total <= 0 || t.Stage == api.KeyTurnCompacting {
		return ""
	}
	full := barWidth * max(0, min(t.Done, t.Total)) / t.Total
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", barWidth-full) + "] "
}
