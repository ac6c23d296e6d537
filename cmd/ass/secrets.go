package main

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type secretsCmd struct {
	Get      getCmd      `cmd:"" help:"Print the value of a secret."`
	Set      setCmd      `cmd:"" help:"Store or update a secret."`
	List     listCmd     `cmd:"" help:"List secrets, never their values."`
	Rotate   rotateCmd   `cmd:"" help:"Give a secret its next value."`
	History  historyCmd  `cmd:"" help:"List the versions of a secret."`
	Rollback rollbackCmd `cmd:"" help:"Go back to an older version of a secret."`
	Delete   deleteCmd   `cmd:"" help:"Delete a secret for good."`
}

// Help shows examples.
func (secretsCmd) Help() string {
	return `Examples:

  echo "sk-proj-..." | ass secrets set production/OPENAI_API_KEY
  ass secrets get production/OPENAI_API_KEY`
}

// open exchanges the key for a token of one scope, which lists.
func (a *app) open(scope string) (*client.Session, error) {
	c, err := a.connect()
	if err != nil {
		return nil, err
	}
	return c.WithScope(a.ctx, scope)
}

// parsePath reads NAMESPACE/KEY from the command line. The error does not
// repeat it: a secret may stand in its place.
func parsePath(s string) (policy.Path, error) {
	p, err := policy.ParsePath(s)
	if err != nil {
		return p, usage(err.Error(), "a path is NAMESPACE/KEY, like production/OPENAI_API_KEY")
	}
	return p, nil
}

func parseNamespace(s string) (policy.Namespace, error) {
	ns, err := policy.ParseNamespace(s)
	if err != nil {
		return ns, usage(err.Error(), "a namespace is like production or staging/openai")
	}
	return ns, nil
}

var getType = reflect.TypeFor[getCmd]()

type getCmd struct {
	Path string `arg:"" name:"namespace/key" help:"The secret."`
	access
}

// Help shows examples.
func (getCmd) Help() string {
	return `On a terminal the value is followed by a newline; into a pipe or file it goes
byte for byte. Every read is in the audit trail.

With --version N it is an older version, of those that ass secrets history shows.

Where a person has to agree, an owner gives the approval passphrase, on the terminal
or with --passphrase-file, and an agent waits for an owner with --wait: 4 is denied,
5 not approved in time.

Examples:

  ass secrets get production/OPENAI_API_KEY
  KEY=$(ass secrets get production/OPENAI_API_KEY)
  ass secrets get production/OPENAI_API_KEY --version 3
  ass secrets get production/DB_PASSWORD --wait --reason "nightly migration"
  ass secrets get production/DB_PASSWORD --wait=1h
  ass secrets get production/OPENAI_API_KEY --json`
}

// gotten is the JSON of ass secrets get.
type gotten struct {
	Key         string    `json:"key"`
	Namespace   string    `json:"namespace"`
	Value       string    `json:"value"`
	SecretType  string    `json:"secret_type"`
	AccessTier  string    `json:"access_tier"`
	Version     uint64    `json:"version"`
	RetrievedAt time.Time `json:"retrieved_at"`

	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	Expired   bool       `json:"expired,omitempty"`
}

// Run prints the value.
func (c *getCmd) Run(a *app) error {
	path, err := parsePath(c.Path)
	if err != nil {
		return err
	}
	if a.Version.given && a.Version.number == 0 {
		return usage(errVersion.Error(), "ass secrets history "+path.String()+" shows the versions")
	}
	var secret *api.Secret
	err = c.to(a, "read "+path.String(), "secrets:read:"+path.String(), func(s *client.Session) (err error) {
		if n := a.Version.number; n != 0 {
			secret, err = s.SecretVersion(a.ctx, path, n)
		} else {
			secret, err = s.Secret(a.ctx, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	if secret.Expired && secret.ExpiresAt != nil {
		a.note("This value expired on " + moment(*secret.ExpiresAt) + " UTC: agents do not find it any more.")
	}
	if a.JSON {
		return a.json(gotten{
			Key: secret.Key, Namespace: secret.Namespace, Value: secret.Value, SecretType: secret.SecretType,
			AccessTier: secret.AccessTier, Version: secret.Version, RetrievedAt: time.Now().UTC().Truncate(time.Second),
			ExpiresAt: secret.ExpiresAt, Expired: secret.Expired,
		})
	}
	if stdoutIsTerminal() {
		return a.answer(secret.Value + "\n")
	}
	return a.answer(secret.Value)
}

type listCmd struct {
	Namespace string `arg:"" optional:"" help:"The namespace; without it, all that the key reaches."`
}

// Help shows examples.
func (listCmd) Help() string {
	return `Examples:

  ass secrets list
  ass secrets list production
  ass secrets list staging/openai
  ass secrets list production --json | jq '[.secrets[].key]'
  ass secrets list production --quiet         paths alone, one a line

Secrets that wait for a new value, that expire or have expired are marked.`
}

// Run lists one namespace or all.
func (c *listCmd) Run(a *app) error {
	if c.Namespace == "" {
		l, err := a.listing("read:secrets", policy.Namespace{})
		if err != nil {
			return err
		}
		return a.printAll(l.Items)
	}
	ns, err := parseNamespace(c.Namespace)
	if err != nil {
		return err
	}
	l, err := a.listing("secrets:read:"+ns.String()+"/*", ns)
	if errors.Is(err, &api.Error{Code: api.CodeScopeDenied}) {
		// Who reaches single secrets of the namespace is not given a scope of
		// all of it. The relative one means whatever its holder reaches.
		l, err = a.listing("read:secrets", ns)
	}
	if err != nil {
		return err
	}
	return a.printNamespace(ns, l.Items)
}

func (a *app) listing(scope string, ns policy.Namespace) (*api.SecretList, error) {
	s, err := a.open(scope)
	if err != nil {
		return nil, err
	}
	return s.Secrets(a.ctx, ns)
}

func (a *app) printNamespace(ns policy.Namespace, items []api.SecretInfo) error {
	switch {
	case a.JSON:
		return a.json(struct {
			Namespace string           `json:"namespace"`
			Secrets   []api.SecretInfo `json:"secrets"`
		}{ns.String(), append([]api.SecretInfo{}, items...)})
	case a.Quiet:
		return a.printPaths(items)
	}
	t := sheet{
		title: "Namespace: " + ns.String(), count: plural(len(items), "secret"),
		columns: []string{"Key", "Type", "Tier", "Updated"},
	}
	for _, i := range items {
		t.rows = append(t.rows, []string{i.Key, i.SecretType, i.AccessTier, day(i.UpdatedAt)})
	}
	t.mark(items)
	return a.answer(t.String())
}

func (a *app) printAll(items []api.SecretInfo) error {
	switch {
	case a.JSON:
		byName := map[string][]api.SecretInfo{}
		for _, i := range items {
			byName[i.Namespace] = append(byName[i.Namespace], i)
		}
		return a.json(map[string]any{"namespaces": byName})
	case a.Quiet:
		return a.printPaths(items)
	}
	t := sheet{
		title: "All namespaces", count: plural(len(items), "secret"),
		columns: []string{"Namespace", "Key", "Type", "Tier", "Updated"},
	}
	for _, i := range items {
		t.rows = append(t.rows, []string{i.Namespace, i.Key, i.SecretType, i.AccessTier, day(i.UpdatedAt)})
	}
	t.mark(items)
	return a.answer(t.String())
}

// mark adds a column that says what a row's secret waits for, where there is one to
// say it of.
func (s *sheet) mark(items []api.SecretInfo) {
	if !slices.ContainsFunc(items, func(i api.SecretInfo) bool { return state(i) != "" }) {
		return
	}
	s.columns = append(s.columns, "State")
	for n, i := range items {
		s.rows[n] = append(s.rows[n], state(i))
	}
}

// state says what a secret waits for, or "".
func state(i api.SecretInfo) string {
	var all []string
	if i.RotationPending {
		all = append(all, "rotation-pending")
	}
	switch {
	case i.Expired:
		all = append(all, "expired")
	case i.ExpiresAt != nil:
		all = append(all, "expires "+day(*i.ExpiresAt))
	}
	return strings.Join(all, ", ")
}

func (a *app) printPaths(items []api.SecretInfo) error {
	var b strings.Builder
	for _, i := range items {
		b.WriteString(foreign(i.Namespace+"/"+i.Key, maxMessage) + "\n")
	}
	return a.answer(b.String())
}

type deleteCmd struct {
	Path string `arg:"" name:"namespace/key" help:"The secret."`
	Yes  bool   `help:"Do not ask."`
	access
}

// Help shows examples.
func (deleteCmd) Help() string {
	return `Deletes a secret with all its versions. It asks on the terminal first. The bytes are gone
from the daemon's file at the next compaction, weekly or with "ass vault compact".

Examples:

  ass secrets delete staging/OLD_API_KEY
  ass secrets delete staging/OLD_API_KEY --yes
  ass secrets delete production/OLD_CA_KEY --yes --wait --reason "replaced in March"`
}

// Run asks, then deletes.
func (c *deleteCmd) Run(a *app) error {
	path, err := parsePath(c.Path)
	if err != nil {
		return err
	}
	if !c.Yes {
		if err := agree("Delete "+path.String()+"? This cannot be undone.", "--yes"); err != nil {
			return err
		}
	}
	err = c.to(a, "delete "+path.String(), "secrets:delete:"+path.String(), func(s *client.Session) error {
		return s.DeleteSecret(a.ctx, path)
	})
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(map[string]any{"namespace": path.Namespace().String(), "key": path.Key(), "deleted": true})
	}
	a.note("It is gone from the daemon's file at the next compaction: ass vault compact")
	return a.done("Deleted " + path.String())
}

// agree asks a question and fails unless the answer is yes. Without a terminal
// the error names the flag that answers it.
func agree(question, flag string) error { return agreeTo("", question, flag) }

// agreeTo is agree about what stands before the question.
func agreeTo(what, question, flag string) error {
	yes, err := confirm(what, question)
	switch {
	case errors.Is(err, errNoTerminal):
		return usage("this asks before it acts, and there is no terminal to ask on", "add "+flag)
	case err != nil:
		return err
	case !yes:
		return &fault{code: codeFailed, message: "nothing was changed: the answer was not yes", hint: "add " + flag + " to do it without asking"}
	}
	return nil
}
