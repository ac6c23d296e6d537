package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/user"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

type initCmd struct {
	dataFlags `embed:""`
	Owner     string `placeholder:"NAME" help:"Name of the first owner (default: your login name)."`
	JSON      bool   `name:"json" help:"Print one JSON document on standard output, and nothing else."`
}

func (initCmd) Help() string {
	return `Creates the vault and prints the key of its first owner, once.

Examples:
  assd init --data-dir /srv/vault
  OWNER_KEY=$(assd init --data-dir /srv/vault --json | jq -r .owner_key)`
}

// Run creates and claims the vault.
func (c *initCmd) Run(out output) error {
	name := c.Owner
	if name == "" {
		name = loginName()
	}
	if err := policy.CheckName(name); err != nil {
		return &exitError{2, fmt.Errorf("--owner: %w", err)}
	}
	v, err := vault.Create(c.vault())
	if err != nil {
		return err
	}
	uid := os.Getuid()
	claim, err := v.Claim(context.Background(), name, vault.Origin{Local: true, Source: audit.Source{UID: &uid, PID: os.Getpid()}}, api.ClaimRequest{})
	if closing := v.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return c.print(out, claim)
}

func (c *initCmd) print(out output, claim api.Claim) error {
	if c.JSON {
		return json.NewEncoder(out.stdout).Encode(claim)
	}
	_, err := fmt.Fprintf(out.stdout, `Vault created in %s
  Tenant:            %s
  Owner:             %s
  Owner key:         %s   <- save this, it is shown once
  Verification key:  %s

Start it:   assd --data-dir %s
Log in:     ass login --api-url %s     (it asks for the key)
`, c.dataDir(), claim.Tenant, claim.Name, claim.OwnerKey, claim.VerifyKey, c.dataDir(), socketURL(defaultSocket(c.dataDir())))
	return err
}

// loginName is who runs this, where it can serve as a name.
func loginName() string {
	u, err := user.Current()
	if err != nil || policy.CheckName(u.Username) != nil {
		return "owner"
	}
	return u.Username
}
