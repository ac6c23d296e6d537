package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/agent-secret-store/assd/internal/wipe"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
	"github.com/agent-secret-store/assd/vault/dotenv"
)

type envImportCmd struct {
	File        string `arg:"" help:"The .env file; - is stdin."`
	Namespace   string `required:"" placeholder:"NS" help:"Where the secrets go."`
	DryRun      bool   `help:"Say what would be done, and do nothing."`
	NoOverwrite bool   `help:"Leave secrets that exist as they are."`
	Tier        string `placeholder:"TIER" help:"standard, sensitive or critical, for all of them. It raises tiers, never lowers one."`
	Type        string `placeholder:"TYPE" help:"api_key, oauth_token, db_credential, ssh_key, certificate or custom, for all of them."`
	access
}

// Help shows examples.
func (envImportCmd) Help() string {
	return `All values are stored, or none: a line that is wrong is named, and nothing is sent.
Lines are NAME=value, with or without export, quotes and comments. $ means
nothing, and a name that comes twice is an error. At most 50,000 values (an agent's
10,000) of 1 MiB each, and 16 MiB in all.

A dry run says of each name whether it is new, changed or unchanged, where you may
read what is there, which is a read in the trail; else only that it exists.

Examples:

  ass env import .env.production --namespace production
  ass env import .env.production --namespace production --dry-run
  ass env import .env.production --namespace production --no-overwrite
  ass env import .env.production --namespace production --tier sensitive
  pass show project/env | ass env import - --namespace staging/app`
}

// Run stores the values of a file.
func (c *envImportCmd) Run(a *app) error {
	ns, err := c.check()
	if err != nil {
		return err
	}
	text, err := c.read()
	if err != nil {
		return err
	}
	defer clear(text)
	keys, err := namesIn(text, ns)
	if err != nil {
		return err
	}
	answer, err := c.send(a, ns, keys, string(text))
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(answer)
	}
	if a.Quiet {
		return nil
	}
	return a.answer(c.told(a, ns, keys, answer))
}

// check looks at the command line, before anything is read.
func (c *envImportCmd) check() (ns policy.Namespace, err error) {
	if ns, err = parseNamespace(c.Namespace); err != nil {
		return ns, err
	}
	if c.Type != "" {
		if _, err := policy.ParseSecretType(c.Type); err != nil {
			return ns, usage("--type: "+err.Error(), "ass env import --help")
		}
	}
	if c.Tier != "" {
		if _, err := policy.ParseTier(c.Tier); err != nil {
			return ns, usage("--tier: "+err.Error(), "ass env import --help")
		}
	}
	return ns, nil
}

// read is the text of the file.
func (c *envImportCmd) read() ([]byte, error) {
	f := os.Stdin
	if c.File != "-" {
		var err error
		if f, err = os.Open(c.File); err != nil {
			return nil, unreadable(err)
		}
		defer f.Close()
	}
	text, err := wipe.ReadAll(io.LimitReader(f, dotenv.MaxText+1), 0)
	if err != nil {
		return nil, unreadable(err)
	}
	return text, nil
}

func unreadable(err error) error {
	return fileFault(codeFailed, "the file to import", "read", err, "name a .env file that you can read, or - for stdin")
}

// namesIn checks each line as the daemon does, so that nothing is sent in vain, and
// gives the names in their order.
func namesIn(text []byte, ns policy.Namespace) (keys []string, err error) {
	pairs, err := dotenv.Parse(string(text), api.MaxImported)
	if err != nil {
		return nil, lineFault(err)
	}
	defer dotenv.Wipe(pairs)
	for _, p := range pairs {
		if _, err := policy.ParsePath(ns.String() + "/" + p.Name); err != nil {
			return nil, lineFault(fmt.Errorf("line %d: %w", p.Line, err))
		}
		keys = append(keys, p.Name)
	}
	if len(keys) == 0 {
		return nil, usage("there is no NAME=value in the file", "put one on each line, like OPENAI_API_KEY=sk-proj-...")
	}
	return keys, nil
}

// lineFault is what is wrong with a line. It repeats nothing of it.
func lineFault(err error) error {
	code, hint := codeUsage, "correct that line: it has to be like NAME=value, and each name stands once"
	if errors.Is(err, dotenv.ErrTooLarge) {
		code, hint = api.CodeTooLarge, "a value has at most 1 MiB, a file 16 MiB and 50,000 values: import it in parts"
	}
	return &fault{code: code, message: err.Error() + "; nothing was imported", hint: hint}
}

// send has the daemon store the text, all of it or nothing.
func (c *envImportCmd) send(a *app, ns policy.Namespace, keys []string, text string) (answer *api.ImportResponse, err error) {
	cl, err := a.connect()
	if err != nil {
		return nil, err
	}
	overwrite := !c.NoOverwrite
	want := api.ImportRequest{
		Namespace: ns.String(), Content: &text, SecretType: c.Type, AccessTier: c.Tier,
		Overwrite: &overwrite, DryRun: c.DryRun, Reason: c.Reason,
	}
	err = c.Wait.patiently(a, cl, func() error {
		return a.withPassphrase("import into "+ns.String(), func(passphrase *string) error {
			s, err := c.importer(a, cl, ns, keys, passphrase)
			if err != nil {
				return err
			}
			bar := a.progress(len(text), len(keys))
			defer bar.end()
			answer, err = s.Import(a.ctx, want, bar.sent)
			return err
		})
	})
	return answer, err
}

// importer is a session with a token that can write the keys. One that is made with
// the passphrase has to name each.
func (c *envImportCmd) importer(a *app, cl *client.Client, ns policy.Namespace, keys []string, passphrase *string) (*client.Session, error) {
	if passphrase != nil {
		var scopes []string
		for _, key := range keys {
			scopes = append(scopes, "secrets:write:"+ns.String()+"/"+key)
		}
		return c.exactly(a, cl, scopes, passphrase)
	}
	scopes := []string{"secrets:write:" + ns.String() + "/*"}
	if c.DryRun { // to be told what changes
		s, err := cl.WithToken(a.ctx, api.TokenRequest{Scopes: append(scopes, "secrets:read:"+ns.String()+"/*")})
		if !errors.Is(err, &api.Error{Code: api.CodeScopeDenied}) {
			return s, err
		}
	}
	return c.scoped(a, cl, "write:secrets", scopes)
}

// told is what was done, in the order of the file.
func (c *envImportCmd) told(a *app, ns policy.Namespace, keys []string, answer *api.ImportResponse) string {
	if answer.DryRun {
		return dryRun(ns, answer)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Importing %s into %s:\n", plural(len(keys), "secret"), ns)
	stored := make(map[string]bool, len(answer.Imported))
	for _, key := range answer.Imported {
		stored[key] = true
	}
	for _, key := range keys {
		if stored[key] {
			b.WriteString(a.good("✓") + " " + key + "\n")
		} else {
			b.WriteString("- " + key + " (exists, not overwritten)\n")
		}
	}
	switch {
	case answer.Skipped > 0:
		fmt.Fprintf(&b, "Done: %d stored, %d left as they were, which may be other values than in the file.\n", answer.ImportedCount, answer.Skipped)
	case c.File == "-":
		b.WriteString("Done.\n")
	default:
		b.WriteString("Done. You can now delete " + foreign(c.File, maxMessage) + " safely.\n")
	}
	return b.String()
}

// dryRun is what would be done.
func dryRun(ns policy.Namespace, answer *api.ImportResponse) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Dry run, into %s:\n", ns)
	marks := map[string]string{api.ImportNew: "+", api.ImportChanged: "~", api.ImportUnchanged: "=", api.ImportExists: "?"}
	count := map[string]int{}
	for _, s := range answer.States {
		count[s.State]++
		fmt.Fprintf(&b, "%s %s (%s)\n", marks[s.State], foreign(s.Key, maxName), foreign(s.State, maxName))
	}
	var says []string
	for _, state := range []string{api.ImportNew, api.ImportChanged, api.ImportUnchanged, api.ImportExists} {
		if n := count[state]; n > 0 {
			says = append(says, fmt.Sprintf("%d %s", n, state))
		}
	}
	b.WriteString("Nothing was changed: " + strings.Join(says, ", ") + ".\n")
	return b.String()
}
