package main

import (
	"errors"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type secretsCmd struct {
	Get    getCmd    `cmd:"" help:"Print the value of a secret."`
	Set    setCmd    `cmd:"" help:"Store or update a secret."`
	List   listCmd   `cmd:"" help:"List secrets, never their values."`
	Delete deleteCmd `cmd:"" help:"Delete a secret for good."`
	Rotate rotateCmd `cmd:"" help:"Give a secret its next value."`
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

type getCmd struct {
	Path string `arg:"" name:"namespace/key" help:"The secret."`
	access
}

// Help shows examples.
func (getCmd) Help() string {
	return `On a terminal the value is followed by a newline; into a pipe or file it goes
byte for byte. Every read is in the audit trail.

Where a person has to agree, an owner gives the approval passphrase, on the terminal
or with --passphrase-file, and an agent waits for an owner with --wait: 4 is denied,
5 not approved in time.

Examples:

  ass secrets get production/OPENAI_API_KEY
  KEY=$(ass secrets get production/OPENAI_API_KEY)
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
}

// Run prints the value.
func (c *getCmd) Run(a *app) error {
	path, err := parsePath(c.Path)
	if err != nil {
		return err
	}
	var secret *api.Secret
	err = c.to(a, "read "+path.String(), "secrets:read:"+path.String(), func(s *client.Session) (err error) {
		secret, err = s.Secret(a.ctx, path)
		return err
	})
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(gotten{
			Key: secret.Key, Namespace: secret.Namespace, Value: secret.Value, SecretType: secret.SecretType,
			AccessTier: secret.AccessTier, Version: secret.Version, RetrievedAt: time.Now().UTC().Truncate(time.Second),
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
  ass secrets list production --quiet         paths alone, one a line`
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
		t.rows = append(t.rows, []string{i.Key, i.SecretType, i.AccessTier, updated(i)})
	}
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
		t.rows = append(t.rows, []string{i.Namespace, i.Key, i.SecretType, i.AccessTier, updated(i)})
	}
	return a.answer(t.String())
}

// updated says when the current version was stored, and that the next one is waited
// for.
func updated(i api.SecretInfo) string {
	s := day(i.UpdatedAt)
	if i.RotationPending {
		s += " rotation-pending"
	}
	return s
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
	return `Deletes a secret with all its versions. It asks on the terminal first.

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
