package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type policyCmd struct {
	Check  policyCheckCmd  `cmd:"" help:"Say what an agent would be told, and why."`
	Show   policyShowCmd   `cmd:"" help:"Print what is in force."`
	Accept policyAcceptCmd `cmd:"" help:"Put a changed policy.toml or assd.toml in force."`
}

// Help shows examples.
func (policyCmd) Help() string {
	return `Examples:

  ass policy check --agent ci-deploy --scope secrets:read:production/DB_PASSWORD
  ass policy accept`
}

type policyCheckCmd struct {
	Agent string `required:"" placeholder:"NAME" help:"The agent."`
	Scope string `required:"" placeholder:"SCOPE" help:"What it would ask for."`
	From  string `placeholder:"IP" help:"The address it would ask from. Without it, the daemon's socket."`
}

// Help shows examples.
func (policyCheckCmd) Help() string {
	return `Nothing is asked for by it. Its exit code is 0 whatever the answer is.

Examples:

  ass policy check --agent ci-deploy --scope secrets:read:production/DB_PASSWORD
  ass policy check --agent ci-deploy --scope 'secrets:read:production/*' --from 10.1.2.3
  ass policy check --agent ci-deploy --scope secrets:read:staging/KEY --quiet      the effect alone`
}

// Run asks the daemon to decide, and prints why it decides so.
func (c *policyCheckCmd) Run(a *app) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	p, err := cl.CheckPolicy(a.ctx, c.Agent, c.Scope, c.From)
	if err != nil {
		return err
	}
	switch {
	case a.JSON:
		return a.json(p)
	case a.Quiet:
		return a.answer(foreign(p.Effect, maxName) + "\n")
	}
	rows := []row{
		{"Agent", foreign(p.Agent, maxName)}, {"Scope", foreign(p.Scope, maxMessage)}, {"From", foreign(p.From, maxName)},
		{"Reason", foreign(p.Reason, maxMessage)},
	}
	if p.Tier != "" {
		rows = append(rows, row{"Tier", foreign(p.Tier, maxName)})
	}
	if p.ApprovalsNeeded > 0 {
		rows = append(rows, row{"Approvals needed", strconv.Itoa(p.ApprovalsNeeded)})
	}
	if p.Line > 0 {
		rows = append(rows, row{"Rule", api.PolicyFile + " line " + strconv.Itoa(p.Line) + "\n" + strings.TrimSuffix(safeLines(p.RuleText, "│   "), "\n")})
	}
	return a.box(a.effect(p.Effect), rows...)
}

// effect is the title of a decision.
func (a *app) effect(effect string) string {
	text := foreign(effect, maxName)
	if effect == "allow" {
		return a.good("✓") + " " + text
	}
	return a.bad("✗") + " " + text
}

// safeLines is foreign text of several lines, each behind a prefix.
func safeLines(s, prefix string) string {
	var b strings.Builder
	for l := range strings.Lines(s) {
		// Folded by us: a terminal would begin what wraps where another line could.
		b.WriteString(prefix + strings.ReplaceAll(folded(strings.TrimSuffix(l, "\n"), maxCell), "\n", "\n"+prefix) + "\n")
	}
	return b.String()
}

type policyShowCmd struct {
	File string `placeholder:"NAME" default:"policy.toml" help:"policy.toml or assd.toml. Default policy.toml."`
}

// Help shows examples.
func (policyShowCmd) Help() string {
	return `What counts is the text that was accepted last, which need not be the file's.

Examples:

  ass policy show
  ass policy show --file assd.toml --json`
}

// Run prints the text in force, byte for byte into a pipe or file.
func (c *policyShowCmd) Run(a *app) error {
	f, err := a.operatorFile(c.File)
	if err != nil {
		return err
	}
	switch {
	case a.JSON:
		return a.json(f)
	case stdoutIsTerminal():
		return a.answer(safeLines(f.Text, ""))
	}
	return a.answer(f.Text)
}

// operatorFile is how one of the two files stands.
func (a *app) operatorFile(name string) (*api.OperatorFile, error) {
	if name != api.PolicyFile && name != api.ConfigFile {
		return nil, usage("--file must be "+api.PolicyFile+" or "+api.ConfigFile, "--file "+api.PolicyFile)
	}
	cl, err := a.connect()
	if err != nil {
		return nil, err
	}
	return findFile(a, cl, name)
}

func findFile(a *app, cl *client.Client, name string) (*api.OperatorFile, error) {
	l, err := cl.OperatorFiles(a.ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range l.Items {
		if f.Name == name {
			return &f, nil
		}
	}
	return nil, errors.New("the daemon does not tell how " + name + " stands")
}
