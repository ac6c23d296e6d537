package main

import "github.com/agent-secret-store/assd/vault/api"

type whoamiCmd struct{}

// Help shows examples.
func (whoamiCmd) Help() string {
	return `Examples:

  ass whoami
  ass whoami --quiet         the name alone
  ass whoami --json`
}

// Run asks the daemon whose key it is.
func (whoamiCmd) Run(a *app) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	me, err := c.Me(a.ctx)
	if err != nil {
		return err
	}
	switch {
	case a.JSON:
		return a.json(me)
	case a.Quiet:
		return a.answer(foreign(me.Name, maxName) + "\n")
	}
	return a.box("Authenticated",
		identity(me.Kind, me.Name),
		row{"Tenant", foreign(me.Tenant, maxName)},
		row{"Plan", plan(me)},
	)
}

// plan is what the daemon calls its plan; a vault of one's own has none.
func plan(me *api.Me) string {
	if me.Plan == "" {
		return "self-hosted"
	}
	return foreign(me.Plan, maxName)
}
