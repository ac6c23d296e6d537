package main

import (
	"fmt"
	"os"

	"github.com/agent-secret-store/assd/vault/api"
)

type policyAcceptCmd struct {
	File string `placeholder:"NAME" help:"policy.toml or assd.toml. Without it, the one that waits."`
	Yes  bool   `help:"Do not ask; what is accepted is printed on stderr."`
}

// Help shows examples.
func (policyAcceptCmd) Help() string {
	return `Where the vault has an approval passphrase, a changed file counts only once an owner
has accepted just that text. Shows what it changes, asks, and takes the passphrase.
Where nothing waits it says so.

Examples:

  ass policy accept
  ass policy accept --file assd.toml                  that one, should both wait
  ass policy accept --yes --passphrase-file /run/user/1000/passphrase`
}

// Run accepts the text that it has shown, and no other.
func (c *policyAcceptCmd) Run(a *app) error {
	f, err := c.find(a)
	if err != nil {
		return err
	}
	switch f.State {
	case api.FileProblem:
		return &fault{
			code: codeFailed, message: f.Name + " cannot be used, and what was in force stays: " + f.Problem,
			hint: "put the file right; the daemon looks again by itself",
		}
	case api.FileHeld:
		return c.accept(a, f)
	}
	if a.JSON {
		return a.json(f)
	}
	return a.done("Nothing waits to be accepted: " + f.Name + " is " + inForce(f))
}

// find is how the file stands that is named, or the first of the two that waits.
func (c *policyAcceptCmd) find(a *app) (*api.OperatorFile, error) {
	if c.File != "" {
		return a.operatorFile(c.File)
	}
	cl, err := a.connect()
	if err != nil {
		return nil, err
	}
	l, err := cl.OperatorFiles(a.ctx)
	if err != nil {
		return nil, err
	}
	for _, state := range []string{api.FileHeld, api.FileProblem} {
		for _, f := range l.Items {
			if f.State == state {
				return &f, nil
			}
		}
	}
	return findFile(a, cl, api.PolicyFile)
}

// inForce says how a file stands that does not wait.
func inForce(f *api.OperatorFile) string {
	if f.AcceptedAt == nil {
		return "not there, and none was ever accepted"
	}
	return "in force since " + moment(*f.AcceptedAt) + " UTC, accepted by " + foreign(f.AcceptedBy, maxName)
}

func (c *policyAcceptCmd) accept(a *app, f *api.OperatorFile) error {
	changes := f.Name + ", " + foreign(f.HeldDigest, maxName) + ":\n" + safeLines(difference(f.Text, f.HeldText), "  ")
	if err := c.ask(a, changes); err != nil {
		return err
	}
	cl, err := a.connect()
	if err != nil {
		return err
	}
	var now *api.OperatorFile
	err = a.guarded(cl, "put "+f.Name+" in force as shown, "+foreign(f.HeldDigest, maxName), func(passphrase *string) (err error) {
		now, err = cl.AcceptPolicy(a.ctx, api.PolicyAccept{Name: f.Name, Digest: f.HeldDigest, Passphrase: passphrase})
		return err
	})
	if err != nil {
		return secondOwner(err)
	}
	if a.JSON {
		return a.json(now)
	}
	return a.done(f.Name + " is in force")
}

// ask shows what changes and asks for a yes, in one prompt. With --yes it is shown
// on stderr, in a log if not on a terminal.
func (c *policyAcceptCmd) ask(a *app, changes string) error {
	if !c.Yes {
		return agreeTo(changes, "Put this in force?", "--yes")
	}
	if a.Quiet || a.JSON {
		return nil
	}
	if _, err := fmt.Fprint(os.Stderr, "About to accept "+changes); err != nil {
		return fmt.Errorf("showing what is about to be accepted: %w", err)
	}
	return nil
}
