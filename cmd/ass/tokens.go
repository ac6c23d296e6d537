package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

type tokensCmd struct {
	List   tokensListCmd   `cmd:"" help:"List live tokens."`
	Create tokensCreateCmd `cmd:"" help:"Issue a token with certain scopes."`
	Revoke tokensRevokeCmd `cmd:"" help:"Revoke a token, at once."`
}

// Help shows examples.
func (tokensCmd) Help() string {
	return `Examples:

  ass tokens create --scopes "secrets:read:production/*" --ttl 15m
  ass tokens list`
}

type tokensListCmd struct{}

// Help shows examples.
func (tokensListCmd) Help() string {
	return `An agent sees its own tokens, an owner all.

Examples:

  ass tokens list
  ass tokens list --json | jq -r '.tokens[].id'`
}

// Run lists live tokens.
func (tokensListCmd) Run(a *app) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	l, err := c.Tokens(a.ctx)
	if err != nil {
		return err
	}
	return inventory[api.Token]{
		items: l.Items, key: "tokens", name: func(t api.Token) string { return t.ID },
		row: func(t api.Token) []string {
			return []string{t.ID, t.AgentName, list(t.Scopes, "none"), uses(t), moment(t.ExpiresAt)}
		},
		sheet: sheet{
			title: "Tokens", count: plural(len(l.Items), "live token"),
			columns: []string{"ID", "Agent", "Scopes", "Uses", "Expires (UTC)"},
		},
	}.print(a)
}

// uses prints how often a token was used and how often it may be; without a
// limit the daemon does not count.
func uses(t api.Token) string {
	if t.MaxUses == nil {
		return "no limit"
	}
	return fmt.Sprintf("%d of %d", t.Uses, *t.MaxUses)
}

type tokensCreateCmd struct {
	Scopes  []string `required:"" placeholder:"SCOPE" help:"What the token opens; separated by commas, or repeated."`
	TTL     string   `name:"ttl" placeholder:"15m" help:"How long it lives: 90s, 15m, 1h, 7d, or seconds. Default 15m."`
	MaxUses *int     `placeholder:"N" help:"How often it can be used."`
	IP      []string `name:"ip" placeholder:"ADDR" help:"Address or network it works from, or local for the socket; can be repeated."`
	Reason  string   `placeholder:"TEXT" help:"Why, for the owner who has to approve; it is shown as what you say."`
}

// Help shows examples.
func (tokensCreateCmd) Help() string {
	return `Examples:

  ass tokens create --scopes "secrets:read:production/*" --ttl 15m
  ass tokens create --scopes "secrets:write:staging/DEPLOY_KEY" --ttl 5m --max-uses 1
  ass tokens create --scopes "secrets:read:production/DB" --reason "nightly migration"
  TOKEN=$(ass tokens create --scopes "secrets:read:staging/*" --quiet)
  curl --unix-socket /path/to/assd.sock -H "Authorization: Bearer $TOKEN" \
    http://localhost/v1/secrets/staging/KEY

A token is for programs that speak HTTP; ass itself makes its own from your key. One
that an owner makes with the approval passphrase opens just the secrets that it
names, each once, for a minute.`
}

// Run issues a token and prints it.
func (c *tokensCreateCmd) Run(a *app) error {
	req, err := c.request()
	if err != nil {
		return err
	}
	cl, err := a.connect()
	if err != nil {
		return err
	}
	var t *api.TokenResponse
	err = a.withPassphrase("make a token for "+foreign(strings.Join(c.Scopes, ", "), uncut), func(passphrase *string) (err error) {
		req.Passphrase = passphrase
		t, err = cl.IssueToken(a.ctx, req)
		return err
	})
	if err != nil {
		return err
	}
	switch {
	case a.JSON:
		return a.json(t)
	case a.Quiet:
		return a.answer(t.Token + "\n")
	}
	if err := a.done("Token issued (expires in " + lifetime(time.Until(t.ExpiresAt)) + ")"); err != nil {
		return err
	}
	return a.answer("Bearer " + t.Token + "\n")
}

func (c *tokensCreateCmd) request() (api.TokenRequest, error) {
	req := api.TokenRequest{Scopes: c.Scopes, MaxUses: c.MaxUses, IPAllowlist: c.IP, Reason: c.Reason}
	if c.TTL != "" {
		ttl, err := api.ParseTTL(c.TTL)
		if err != nil {
			return req, usage("--"+err.Error(), "--ttl 15m")
		}
		req.TTL = &ttl
	}
	if c.MaxUses != nil && *c.MaxUses < 1 {
		return req, usage("--max-uses must be 1 or more", "--max-uses 1")
	}
	return req, nil
}

// lifetime prints a duration in its largest whole unit, rounded to what a
// person would say.
func lifetime(d time.Duration) string {
	d = max(d, 0)
	if d < 2*time.Minute {
		return plural(int(d.Round(5*time.Second)/time.Second), "second")
	}
	if d = d.Round(time.Minute); d < 2*time.Hour {
		return plural(int(d/time.Minute), "minute")
	}
	if d = d.Round(time.Hour); d < 48*time.Hour {
		return plural(int(d/time.Hour), "hour")
	}
	return plural(int(d.Round(24*time.Hour)/(24*time.Hour)), "day")
}

type tokensRevokeCmd struct {
	Token string `arg:"" name:"id" help:"Id of the token, tok_..."`
}

// Help shows examples.
func (tokensRevokeCmd) Help() string {
	return `Examples:

  ass tokens revoke tok_abc123`
}

// Run revokes a token. The argument is not repeated in messages: it might be
// the token instead of its id.
func (c *tokensRevokeCmd) Run(a *app) error {
	if !strings.HasPrefix(c.Token, "tok_") {
		return usage("a token is revoked by its id, which begins with tok_", "see the ids with: ass tokens list")
	}
	cl, err := a.connect()
	if err != nil {
		return err
	}
	if err := cl.RevokeToken(a.ctx, c.Token); err != nil {
		return err
	}
	if a.JSON {
		return a.json(map[string]any{"id": c.Token, "revoked": true})
	}
	return a.done("Token revoked: " + foreign(c.Token, maxName))
}
