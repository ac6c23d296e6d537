package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/agent-secret-store/assd/internal/harden"
	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/vault/api"
)

type doctorCmd struct{}

// Help shows examples.
func (doctorCmd) Help() string {
	return `Looks at this machine without a key, and with an owner's key also at what the daemon
knows of its own. Exits with 1 when something is a problem; what could be safer is
advice, and no failure.

Examples:

  ass doctor
  ass doctor --json | jq -r '.checks[] | select(.state == "problem") | .fix'`
}

// Run looks, prints what it found, and fails when there is a problem.
func (doctorCmd) Run(a *app) error {
	checks := a.examine()
	if err := a.printChecks(checks); err != nil {
		return err
	}
	problems := 0
	for _, c := range checks {
		if c.State == api.CheckProblem {
			problems++
		}
	}
	if problems > 0 {
		return &fault{code: codeFailed, message: plural(problems, "problem") + " found", hint: "each line marked ✗ says what improves it"}
	}
	return nil
}

// examine looks at this side, and then asks the daemon. That it cannot be asked is a
// problem among the others.
func (a *app) examine() []api.Check {
	checks := []api.Check{a.checkConfig(), checkOwnSwap()}
	t, err := a.target()
	if err != nil {
		return append(checks, a.unwell("daemon", err))
	}
	checks = append(checks, a.checkUID(t)...)
	c, err := a.dial(t, t.key)
	if err != nil {
		return append(checks, a.unwell("daemon", err))
	}
	defer c.Close()
	h, err := c.Health(a.ctx)
	switch {
	case err != nil:
		return append(checks, a.unwell("daemon", err))
	case h.Sealed:
		return append(checks, api.Problem("daemon", "the vault is sealed: nothing can be read", "ass vault unseal"))
	}
	checks = append(checks, api.Fine("daemon", "it answers, "+h.Version))
	if t.key == "" {
		return append(checks, a.unwell("key", a.noKey()))
	}
	d, err := c.Doctor(a.ctx)
	if api.CodeOf(err) == api.CodeScopeDenied {
		return append(checks, api.Advice("key", "it is an agent's: what the daemon knows of its machine it tells owners alone", "ass login"))
	}
	if err != nil {
		return append(checks, a.unwell("key", err))
	}
	return append(hereToo(checks, d.Checks, t), d.Checks...)
}

// hereToo is what was found here without what the daemon on the same machine says as well.
func hereToo(here, daemon []api.Check, t *target) []api.Check {
	same := func(a api.Check) bool {
		return a.Name == swapHere && slices.ContainsFunc(daemon, func(b api.Check) bool { return b.Name == "swap" && b.State == a.State })
	}
	if t.endpoint.Socket() == "" {
		return here
	}
	return slices.DeleteFunc(here, same)
}

// unwell is a problem that an error tells of.
func (a *app) unwell(name string, err error) api.Check {
	r := a.describe(err)
	return api.Problem(name, r.Message, r.Hint)
}

// checkConfig looks at ~/.assrc.
func (a *app) checkConfig() api.Check {
	rc, err := loadRC()
	switch {
	case err != nil:
		return a.unwell("~/.assrc", err)
	case rc.Empty():
		return api.Fine("~/.assrc", "there is none")
	}
	return api.Fine("~/.assrc", "nobody else can read it; a program that runs as you can")
}

// swapHere is what this machine's swap is called, beside that of the daemon's machine.
const swapHere = "swap here"

// checkOwnSwap looks at what this machine swaps to, where ass itself holds values.
func checkOwnSwap() api.Check {
	areas, err := harden.ClearSwap()
	switch {
	case err != nil:
		return api.Advice(swapHere, err.Error(), "")
	case len(areas) > 0:
		return api.Advice(swapHere, "what is in memory can reach the disk in the clear: "+strings.Join(areas, ", "), "swapoff -a, or swap on dm-crypt")
	}
	return api.Fine(swapHere, "nothing is swapped in the clear")
}

// checkUID compares whose the daemon is with whose its clients are.
func (a *app) checkUID(t *target) []api.Check {
	socket := t.endpoint.Socket()
	if socket == "" {
		return nil
	}
	uid, err := peer.OwnerUID(socket)
	if err != nil {
		return []api.Check{a.unwell("same user", err)}
	}
	me := os.Geteuid()
	switch {
	case me == 0:
		return []api.Check{api.Advice("same user", "you are root, who can read everything", "run agents as another user")}
	case uid == me:
		return []api.Check{api.Problem("same user", fmt.Sprintf("the daemon runs as you (uid %d): a program of yours, an agent too, can read its key file and stop it", me),
			"install it as a system service, see README: assd --user assd --socket-group assd")}
	}
	return []api.Check{api.Fine("same user", fmt.Sprintf("the daemon has a user of its own (uid %d)", uid))}
}

// printChecks prints what was found, problems first.
func (a *app) printChecks(checks []api.Check) error {
	switch {
	case a.JSON:
		return a.json(api.Doctor{Checks: checks})
	case a.Quiet:
		return nil
	}
	var b strings.Builder
	for _, state := range []string{api.CheckProblem, api.CheckAdvice, api.CheckOK} {
		mark := map[string]string{api.CheckProblem: a.bad("✗"), api.CheckAdvice: a.paint("33", "!"), api.CheckOK: a.good("✓")}[state]
		for _, c := range checks {
			if c.State != state {
				continue
			}
			fmt.Fprintf(&b, "%s %s: %s\n", mark, foreign(c.Name, maxName), foreign(c.Says, maxMessage))
			if c.Fix != "" {
				fmt.Fprintf(&b, "    → %s\n", foreign(c.Fix, maxMessage))
			}
		}
	}
	return a.answer(b.String())
}
