package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type statusCmd struct{}

// Help shows examples.
func (statusCmd) Help() string {
	return `Exits with 6 when the daemon cannot be reached or is sealed, with 4 when it does
not accept the key. A lockdown, or a policy file that waits or is broken, is shown and
no failure.

Examples:

  ass status
  ass status --json`
}

// health is what ass status knows.
type health struct {
	APIURL      string `json:"api_url"`
	CACert      string `json:"ca_cert,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Reachable   bool   `json:"reachable"`
	Status      string `json:"status"`
	Version     string `json:"version"`
	Sealed      bool   `json:"sealed"`
	Auth        string `json:"auth"` // valid, invalid, none, or unknown when the daemon did not say
	Plan        string `json:"plan,omitempty"`
	Secrets     int    `json:"secrets"`
	Namespaces  int    `json:"namespaces"`
	Chain       string `json:"chain,omitempty"`
	VerifyKey   string `json:"verify_key,omitempty"`
	// SameVerifyKey says whether VerifyKey is the one kept at login; absent
	// when none was kept.
	SameVerifyKey *bool           `json:"verify_key_matches,omitempty"`
	Lockdown      *api.Lockdown   `json:"lockdown,omitempty"`   // absent when the daemon did not say
	Protection    *api.Protection `json:"protection,omitempty"` // owners only
	tls           string          // what vouches for the daemon, "" without TLS
	// TrailProblem is what contradicts what was seen of the trail before.
	TrailProblem string `json:"trail_problem,omitempty"`
}

// Run asks for health first, which needs no key, then for what the key sees.
// What is wrong is shown and is the exit code.
func (statusCmd) Run(a *app) error {
	t, err := a.target()
	if err != nil {
		return err
	}
	c, err := a.dial(t, t.key)
	if err != nil {
		return err
	}
	h, err := c.Health(a.ctx)
	if err != nil {
		return err
	}
	s := health{APIURL: c.URL(), Reachable: true, Status: h.Status, Version: h.Version, Sealed: h.Sealed, Auth: "none"}
	s.CACert, s.Fingerprint = t.trust.caCert, t.trust.fingerprint
	if t.endpoint.TLS() {
		s.tls = t.trust.String()
	}
	var wrong error
	switch {
	case h.Sealed:
		wrong = api.New(api.CodeSealed, "the vault is sealed").WithHint("ass vault unseal")
		if t.key != "" {
			s.Auth = "unknown"
		}
	case t.key == "":
		wrong = a.noKey()
	default:
		me, err := c.Me(a.ctx)
		wrong = err
		if s.see(me, err, t.verifyKey); err == nil {
			wrong = s.remember(a, c, me, t)
		}
	}
	if err := s.print(a); err != nil {
		return err
	}
	if wrong == nil && s.failing() {
		wrong = &fault{code: codeFailed, message: "the vault is reachable, but something is wrong with it", hint: offlineHint}
	}
	return wrong
}

// see takes over what the daemon tells about the caller.
func (s *health) see(me *api.Me, err error, kept string) {
	if err != nil {
		s.Auth = "unknown"
		if errors.Is(err, &api.Error{Code: api.CodeUnauthorized}) {
			s.Auth = "invalid"
		}
		return
	}
	s.Auth, s.Plan, s.Chain, s.VerifyKey = "valid", plan(me), me.Chain, me.VerifyKey
	s.Secrets, s.Namespaces = me.SecretCount, me.NamespaceCount
	s.Lockdown, s.Protection = &me.Lockdown, me.Protection
	if kept != "" {
		same := kept == me.VerifyKey
		s.SameVerifyKey = &same
	}
}

// remember holds the trail against what was seen of it before. A key that the one kept
// at login has signed for is as good.
func (s *health) remember(a *app, c *client.Client, me *api.Me, t *target) error {
	seen, err := a.recallIfOwner(c, me, t.key)
	if err != nil {
		if errors.Is(err, &fault{code: codeTampered}) {
			s.TrailProblem = err.Error()
		}
		return err
	}
	if key, err := chain.ParseKey(t.verifyKey); err == nil && seen != nil && s.SameVerifyKey != nil && seen.lineage.Has(key) {
		*s.SameVerifyKey = true
	}
	return nil
}

// failing reports whether the daemon answers and is not well.
func (s *health) failing() bool {
	broken := s.Chain != "" && s.Chain != "ok" && s.Chain != "running"
	return s.Status != "ok" || broken || s.SameVerifyKey != nil && !*s.SameVerifyKey
}

func (s *health) print(a *app) error {
	switch {
	case a.JSON:
		return a.json(s)
	case a.Quiet:
		return nil
	}
	rows := append(s.lockdown(a), row{"API", foreign(s.APIURL, maxMessage) + " " + a.good("✓") + " reachable"})
	if s.tls != "" {
		rows = append(rows, row{"TLS", foreign(s.tls, maxMessage)})
	}
	if s.Sealed {
		rows = append(rows, row{"Seal", a.bad("✗") + " sealed"})
	}
	switch s.Auth {
	case "none":
		rows = append(rows, row{"Auth", a.bad("✗") + " no key used"})
	case "unknown":
		rows = append(rows, row{"Auth", "unknown"})
	case "invalid":
		rows = append(rows, row{"Auth", a.bad("✗") + " not accepted"})
	case "valid":
		rows = append(rows, row{"Auth", a.good("✓") + " valid"}, row{"Plan", s.Plan},
			row{"Secrets", fmt.Sprintf("%d across %s", s.Secrets, plural(s.Namespaces, "namespace"))})
		if s.Chain != "" {
			rows = append(rows, row{"Audit chain", s.chain(a)})
		}
		rows = append(rows, s.protection(a)...)
	}
	if s.Status != "ok" {
		rows = append(rows, row{"Daemon", a.bad("✗") + " " + foreign(s.Status, maxName)})
	}
	return a.box("Agent Secret Store", rows...)
}

// chain says how the audit chain is, as far as the daemon has checked it.
func (s *health) chain(a *app) string {
	switch {
	case s.TrailProblem != "":
		return a.bad("✗") + " not the one that was seen before"
	case s.SameVerifyKey != nil && !*s.SameVerifyKey:
		return a.bad("✗") + " signed by another key than at login"
	case s.Chain == "ok":
		return a.good("✓") + " verified"
	case s.Chain == "running":
		return "being checked"
	}
	return a.bad("✗") + " " + foreign(s.Chain, maxMessage)
}

// statusText prints an HTTP status, or that none came.
func statusText(code int) string {
	if code == 0 {
		return "no answer"
	}
	return strconv.Itoa(code)
}
