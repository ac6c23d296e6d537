package main

import (
	"fmt"
	"slices"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type rollbackCmd struct {
	Path string `arg:"" name:"namespace/key" help:"The secret."`
	To   uint64 `required:"" placeholder:"N" help:"The version to go back to, of those that ass secrets history shows."`
	Yes  bool   `help:"Do not ask."`
	access
}

// Help shows examples.
func (rollbackCmd) Help() string {
	return `Stores the value of an older version anew, as the newest one: nothing is lost by
it. It counts as a write, and asks on the terminal first.

Examples:

  ass secrets history production/DB_PASSWORD
  ass secrets rollback production/DB_PASSWORD --to 3
  ass secrets rollback production/DB_PASSWORD --to 3 --yes
  ass secrets rollback production/ROOT_CA_KEY --to 3 --yes --wait --reason "the new one is wrong"`
}

// Run asks, then goes back.
func (c *rollbackCmd) Run(a *app) error {
	path, err := parsePath(c.Path)
	if err != nil {
		return err
	}
	if c.To == 0 {
		return usage("--to takes a whole number from 1", "ass secrets history "+path.String()+" shows the versions")
	}
	act := fmt.Sprintf("roll back %s to version %d", path, c.To)
	if !c.Yes {
		if err := c.kept(a, path); err != nil {
			return err
		}
		if err := agree(fmt.Sprintf("Roll back %s to version %d?", path, c.To), "--yes"); err != nil {
			return err
		}
	}
	var info *api.SecretInfo
	err = c.to(a, act, "secrets:write:"+path.String(), func(s *client.Session) (err error) {
		info, err = s.Rollback(a.ctx, path, c.To)
		return err
	})
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(info)
	}
	return a.done(fmt.Sprintf("Rolled back %s to version %d (now version %d)", path, c.To, info.Version))
}

// kept looks before anybody answers whether that version is there. Who may write and not
// read is not shown; then the daemon says so afterwards.
func (c *rollbackCmd) kept(a *app, path policy.Path) error {
	s, err := a.open("read:secrets")
	if err != nil {
		return unlessDenied(err)
	}
	h, err := s.Versions(a.ctx, path)
	if err != nil {
		return unlessDenied(err)
	}
	if slices.ContainsFunc(h.Items, func(v api.SecretVersion) bool { return v.Version == c.To }) {
		return nil
	}
	return api.New(api.CodeSecretNotFound, fmt.Sprintf("there is no version %d of %s", c.To, path)).WithHint("ass secrets history " + path.String() + " shows those that are kept")
}

// unlessDenied is err, or nil where it says that one may not look.
func unlessDenied(err error) error {
	if api.CodeOf(err) == api.CodeScopeDenied {
		return nil
	}
	return err
}
