package main

import "github.com/agent-secret-store/assd/vault/api"

type agentsCmd struct {
	List   agentsListCmd   `cmd:"" help:"List all agents."`
	Create agentsCreateCmd `cmd:"" help:"Create an agent and show its key, once."`
	Revoke agentsRevokeCmd `cmd:"" help:"Revoke an agent and all its tokens, at once."`
}

// Help shows examples.
func (agentsCmd) Help() string {
	return `Agents are programs, owners are people; with --owner these commands are about
owners.

Examples:

  ass agents create --name ci-deploy --namespace production
  ass agents create --owner --name alice
  ass agents revoke ci-deploy`
}

type agentsListCmd struct {
	Owners bool `aliases:"owner" help:"List the owners."`
}

// Help shows examples.
func (agentsListCmd) Help() string {
	return `Examples:

  ass agents list
  ass agents list --owners
  ass agents list --json | jq -r '.agents[].name'`
}

// Run lists the living agents, or owners.
func (c *agentsListCmd) Run(a *app) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	if c.Owners {
		return a.listOwners(cl)
	}
	l, err := cl.Agents(a.ctx)
	if err != nil {
		return err
	}
	return inventory[api.Agent]{
		items: l.Items, key: "agents", name: func(g api.Agent) string { return g.Name }, row: agentRow,
		sheet: sheet{
			title: "Agents", count: plural(len(l.Items), "agent"),
			columns: []string{"ID", "Description", "Namespaces", "Scopes", "Created", "Last active"},
		},
	}.print(a)
}

func agentRow(g api.Agent) []string {
	description, active := "", "never"
	if g.Description != nil {
		description = *g.Description
	}
	if g.LastActiveAt != nil {
		active = moment(*g.LastActiveAt)
	}
	return []string{
		g.Name, description, list(g.AllowedNamespaces, "all"), list(g.AllowedScopes, "secrets:read:*"), day(g.CreatedAt), active,
	}
}

type agentsCreateCmd struct {
	Name        string   `required:"" placeholder:"NAME" help:"Name of the agent, which is its ID in every command; or of the owner."`
	Description string   `placeholder:"TEXT" help:"What it is for."`
	Namespace   []string `placeholder:"NS" help:"Namespace that it may reach; can be repeated."`
	Scope       []string `placeholder:"SCOPE" help:"Scope that it may have; can be repeated."`
	Owner       bool     `help:"Make another owner: a person, who may do everything that you may."`
}

// Help shows examples.
func (agentsCreateCmd) Help() string {
	return `Without limits the agent reads every namespace. Sensitive and critical secrets
need a person's approval all the same. Making an agent or an owner takes the approval
passphrase where there is one; a new owner gets one to begin with. Where the policy
asks for two owners, another one approves it first.

Examples:

  ass agents create --name ci-deploy --description "GitHub Actions deployment"
  ass agents create --name reader --namespace staging
  ass agents create --name writer --namespace staging \
    --scope 'secrets:read:staging/*' --scope 'secrets:write:staging/*'
  ass agents create --owner --name alice
  KEY=$(ass agents create --name ci-deploy --quiet)`
}

// Run makes an agent and prints its key, which nobody can ask for again.
func (c *agentsCreateCmd) Run(a *app) error {
	if c.Owner {
		return c.createOwner(a)
	}
	cl, err := a.connect()
	if err != nil {
		return err
	}
	var created *api.AgentCreated
	err = a.guarded(cl, c.act(), func(passphrase *string) (err error) {
		created, err = cl.CreateAgent(a.ctx, api.AgentCreate{
			Name: c.Name, Description: c.Description, AllowedNamespaces: c.Namespace, AllowedScopes: c.Scope, Passphrase: passphrase,
		})
		return err
	})
	if err != nil {
		return err
	}
	return c.print(a, created)
}

// act says what agent it is that takes a passphrase to make.
func (c *agentsCreateCmd) act() string {
	return "make the agent " + foreign(c.Name, maxName) + " with the namespaces " + foreign(list(c.Namespace, "all"), maxMessage) +
		" and the scopes " + foreign(list(c.Scope, "secrets:read:*"), maxMessage)
}

func (c *agentsCreateCmd) print(a *app, created *api.AgentCreated) error {
	if len(c.Namespace) == 0 && len(c.Scope) == 0 {
		a.note("It reads every namespace; sensitive and critical secrets need an approval each.\n" +
			"Limits are set when an agent is made: --namespace, --scope.")
	}
	switch {
	case a.JSON:
		return a.json(created)
	case a.Quiet:
		return a.answer(created.APIKey + "\n")
	}
	if err := a.done("Agent created"); err != nil {
		return err
	}
	return a.answer("ID: " + foreign(created.Name, maxName) + "\nKey: " + created.APIKey + " ← SAVE THIS — shown once\n")
}

type agentsRevokeCmd struct {
	Agent string `arg:"" help:"Name or id of the agent, or of the owner."`
	Owner bool   `help:"Revoke an owner."`
}

// Help shows examples.
func (agentsRevokeCmd) Help() string {
	return `Its key and all its tokens are refused from then on. To revoke an owner takes the
approval passphrase where there is one, and another owner's approval where the policy
asks for two; the last owner stays.

Examples:

  ass agents revoke ci-deploy
  ass agents revoke --owner alice`
}

// Run revokes an agent.
func (c *agentsRevokeCmd) Run(a *app) error {
	if c.Agent == "" {
		return usage("the agent's name is empty", "see them with: ass agents list")
	}
	cl, err := a.connect()
	if err != nil {
		return err
	}
	if c.Owner {
		return a.revokeOwner(cl, c.Agent)
	}
	if err := cl.RevokeAgent(a.ctx, c.Agent); err != nil {
		return err
	}
	if a.JSON {
		return a.json(map[string]any{"agent": c.Agent, "revoked": true})
	}
	return a.done("Agent revoked: " + foreign(c.Agent, maxName) + ". All its tokens are invalid now")
}
