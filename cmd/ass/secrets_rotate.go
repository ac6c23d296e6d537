package main

import (
	"fmt"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type rotateCmd struct {
	Path  string `arg:"" name:"namespace/key" help:"The secret."`
	Value string `placeholder:"-" help:"With -, the next value comes from stdin."`
	valueFlags
	access
}

// Help shows examples.
func (rotateCmd) Help() string {
	return `A [[rotator]] in the daemon's configuration makes the next value ("assd serve
--help"). The command ends when that is stored, or with 1 when it could not be made,
and then the old one stays; a rotator that takes longer than 30 seconds goes on by
itself. Without a rotator the secret is marked rotation-pending until it is set.

With --value - the next value comes from stdin, as in "ass secrets set": from a pipe
one newline at the end is dropped, and on a terminal it is asked for and not shown.

Examples:

  ass secrets rotate production/STRIPE_KEY
  openssl rand -hex 32 | ass secrets rotate production/SESSION_KEY --value -
  ass secrets rotate production/DB_PASSWORD --wait --reason "somebody left"`
}

// Run has the next value made, or stores it.
func (c *rotateCmd) Run(a *app) error {
	path, err := parsePath(c.Path)
	if err != nil {
		return err
	}
	value, err := c.value(path)
	if err != nil {
		return err
	}
	act, scope := "rotate "+path.String(), "secrets:rotate:"+path.String()
	if value != nil {
		scope = "secrets:write:" + path.String()
	}
	var out *api.SecretRotation
	err = c.to(a, act, scope, func(s *client.Session) (err error) {
		out, err = s.RotateSecret(a.ctx, path, value)
		return err
	})
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(out)
	}
	return c.print(a, path, value != nil, out)
}

// value is what stdin holds, nil when it is to be made.
func (c *rotateCmd) value(path policy.Path) (*string, error) {
	switch c.Value {
	case "":
		return nil, nil
	case "-":
	default:
		return nil, usage("--value takes only -, for stdin: an argument can be read by everyone on this machine", "ass secrets rotate NS/KEY --value - < FILE")
	}
	b, err := readValue(path, c.Base64)
	if err != nil {
		return nil, err
	}
	value, err := c.check(b)
	return &value, err
}

func (c *rotateCmd) print(a *app, path policy.Path, given bool, out *api.SecretRotation) error {
	if given {
		return a.done(fmt.Sprintf("Rotated %s (version %d)", path, out.Version))
	}
	then := fmt.Sprintf("The new value is stored: version %d.", out.Version)
	switch out.Status {
	case api.RotationRunning:
		then = "The new value will be available within ~30 seconds."
	case api.RotationPending:
		then = "Nothing makes its next value: it is marked rotation-pending until you store one.\n" +
			"To do that: ass secrets rotate " + path.String() + " --value -"
	}
	return a.done("Rotation triggered for " + path.String() + "\n" + then)
}
