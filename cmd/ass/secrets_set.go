package main

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type setCmd struct {
	Path    string  `arg:"" name:"namespace/key" help:"The secret."`
	Value   *string `arg:"" optional:"" help:"The value. Left out or -, it comes from stdin, which keeps it out of the shell's history."`
	Type    string  `placeholder:"TYPE" help:"api_key, oauth_token, db_credential, ssh_key, certificate or custom."`
	Tier    string  `placeholder:"TIER" help:"standard, sensitive (an agent that reads it needs an approval) or critical (to change it, too)."`
	Expires *string `placeholder:"WHEN" help:"When the value expires: 90d, 2027-03-01, 2027-03-01T12:00:00Z or never. Left out, it is never."`
	Yes     bool    `help:"Do not ask before the tier is lowered."`
	valueFlags
	access
}

var setType = reflect.TypeFor[setCmd]()

// Help shows examples.
func (setCmd) Help() string {
	return `From a pipe, one newline at the end is dropped; a file is kept byte for byte. On
a terminal the value is asked for and not shown.

An expiry belongs to the value: the next one brings its own, or none, but that of a
rotation keeps it. When it has come, agents do not find the secret any more, and owners see it marked.

Examples:

  echo "sk-proj-..." | ass secrets set production/OPENAI_API_KEY
  ass secrets set production/TLS_CERT --type certificate < cert.pem
  ass secrets set production/DB_PASSWORD --type db_credential --tier sensitive
  ass secrets set production/TRIAL_KEY --expires 90d < trial.key
  ass secrets set staging/DEBUG_KEY abc123
  ass secrets set staging/DEBUG_KEY -- -begins-with-a-dash
  ass secrets set production/KEYSTORE --base64 < store.p12
  ass secrets set production/ROOT_CA_KEY --wait --reason "yearly renewal" < ca.key`
}

// Run stores a value.
func (c *setCmd) Run(a *app) error {
	path, w, err := c.request()
	if err != nil {
		return err
	}
	value, err := c.value(path)
	if err != nil {
		return err
	}
	w.Value = &value
	if w.LowerTier, err = c.lowers(a, path); err != nil {
		return err
	}
	act := "write " + path.String()
	if w.LowerTier {
		act += " and make it " + c.Tier
	}
	var info *api.SecretInfo
	err = c.to(a, act, "secrets:write:"+path.String(), func(s *client.Session) (err error) {
		info, err = s.PutSecret(a.ctx, path, w)
		return err
	})
	if err != nil {
		return err
	}
	return c.print(a, path, info)
}

// request checks everything but the value, before anything is read or asked.
func (c *setCmd) request() (path policy.Path, w api.SecretWrite, err error) {
	if path, err = parsePath(c.Path); err != nil {
		return path, w, err
	}
	if c.Type != "" {
		if _, err := policy.ParseSecretType(c.Type); err != nil {
			return path, w, usage("--type: "+err.Error(), "ass secrets set --help")
		}
	}
	if c.Tier != "" {
		if _, err := policy.ParseTier(c.Tier); err != nil {
			return path, w, usage("--tier: "+err.Error(), "ass secrets set --help")
		}
	}
	w = api.SecretWrite{SecretType: c.Type, AccessTier: c.Tier}
	if c.Expires != nil {
		end, err := parseExpiry(*c.Expires, time.Now())
		if err != nil {
			return path, w, usage("--expires: "+err.Error(), "ass secrets set --help")
		}
		if end != nil {
			w.ExpiresAt = (*api.Expiry)(end)
		}
	}
	return path, w, nil
}

// value is the argument, or what stdin holds.
func (c *setCmd) value(path policy.Path) (string, error) {
	if c.Value != nil && *c.Value != "-" {
		return c.check([]byte(*c.Value))
	}
	b, err := readValue(path, c.Base64)
	if err != nil {
		return "", err
	}
	return c.check(b)
}

// lowers reports whether the write may lower the tier in force: after a yes,
// and only for an owner. The tier is looked up before anything is written.
func (c *setCmd) lowers(a *app, path policy.Path) (bool, error) {
	if c.Tier == "" || policy.Tier(c.Tier) == policy.Critical { // nothing is higher
		return false, nil
	}
	t, err := a.target()
	if err != nil || strings.HasPrefix(t.key, api.AgentKeyPrefix) {
		return false, err
	}
	if c.Yes {
		return true, nil
	}
	inForce, err := a.tierOf(path)
	if err != nil || policy.Tier(c.Tier).AtLeast(inForce) {
		return false, err
	}
	err = agree(fmt.Sprintf("%s is %s. Lower it to %s?", path, inForce, c.Tier), "--yes")
	return err == nil, err
}

// tierOf is the tier of a secret as the listing has it, "" when there is none
// or the caller may not see it.
func (a *app) tierOf(path policy.Path) (policy.Tier, error) {
	l, err := a.listing("read:secrets", path.Namespace())
	if errors.Is(err, &api.Error{Code: api.CodeScopeDenied}) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, i := range l.Items {
		if i.Namespace == path.Namespace().String() && i.Key == path.Key() {
			return policy.ParseTier(i.AccessTier)
		}
	}
	return "", nil
}

func (c *setCmd) print(a *app, path policy.Path, info *api.SecretInfo) error {
	if c.Tier != "" && info.AccessTier != c.Tier {
		a.note("The tier stays " + foreign(info.AccessTier, maxName) + ": an owner lowers it with --tier " + c.Tier + " --yes.")
	}
	if a.JSON {
		return a.json(info)
	}
	if info.ExpiresAt != nil {
		return a.done(fmt.Sprintf("Stored %s (version %d, expires %s UTC)", path, info.Version, moment(*info.ExpiresAt)))
	}
	return a.done(fmt.Sprintf("Stored %s (version %d)", path, info.Version))
}
