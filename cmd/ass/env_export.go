package main

import (
	"errors"
	"fmt"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/dotenv"
)

type envExportCmd struct {
	Namespace string  `arg:"" help:"The namespace. What is in namespaces below it stays."`
	Out       string  `placeholder:"FILE" help:"Write to this file, which only you can read. It appears whole or not at all."`
	Keys      keyList `placeholder:"A,B" help:"Only these keys."`
	Format    string  `placeholder:"FORMAT" help:"dotenv (the default), docker-env, shell or json."`
	access
}

// Help shows examples.
func (envExportCmd) Help() string {
	return `Each secret is read in the trail, and all leave together or none. A file that --out
names is there whole or not at all, in place of one that was there, and yours alone. What a format
cannot carry is an error that names the keys, never a broken file:

  dotenv      what ass env import reads back byte for byte; no NUL
  docker-env  for docker run --env-file: no line breaks
  shell       for bash and sh to source: names of variables, no NUL
  json        one object: everything

Names that steer what programs load, run or trust (PATH, LD_PRELOAD, NODE_OPTIONS,
GIT_SSH_COMMAND, HTTPS_PROXY, ...), and but for json those that are no identifiers,
are given only when --keys names them. With --json what is printed is JSON.

Examples:

  ass env export production
  ass env export production --out .env.production
  ass env export production --keys OPENAI_API_KEY,DATABASE_URL
  ass env export production --format docker-env > docker.env
  eval "$(ass env export production --format shell)"
  ass env export production --format json | jq -r .DATABASE_URL
  ass env export production --wait --reason "release 4.2"`
}

// exportDone is the JSON of an export into a file.
type exportDone struct {
	Namespace string        `json:"namespace"`
	File      string        `json:"file"`
	Format    dotenv.Format `json:"format"`
	Keys      []string      `json:"keys"`
}

// Run prints the secrets of a namespace.
func (c *envExportCmd) Run(a *app) error {
	if c.Out == "-" {
		c.Out = ""
	}
	ns, req, format, err := c.request(a)
	if err != nil {
		return err
	}
	if c.Out != "" {
		if err := (outFile{c.Out}).check(); err != nil {
			return err
		}
	}
	secrets, err := c.export(a, req)
	if err != nil {
		return err
	}
	if err := refuseNames(secrets, req.keys, format != dotenv.JSON); err != nil {
		return err
	}
	pairs := make([]dotenv.Pair, 0, len(secrets))
	for _, s := range secrets {
		pairs = append(pairs, dotenv.Pair{Name: s.Key, Value: []byte(s.Value)})
	}
	defer dotenv.Wipe(pairs)
	text, err := format.Print(pairs)
	if err != nil {
		return unprintable(err)
	}
	defer clear(text)
	return c.print(a, ns, format, pairs, text)
}

// request checks the command line, before anything is asked for.
func (c *envExportCmd) request(a *app) (ns policy.Namespace, req exportRequest, format dotenv.Format, err error) {
	if ns, err = parseNamespace(c.Namespace); err != nil {
		return ns, req, "", err
	}
	req = exportRequest{namespaces: []policy.Namespace{ns}, purpose: api.ForExport}
	if req.keys, err = c.Keys.in(ns); err != nil {
		return ns, req, "", err
	}
	switch format = dotenv.Format(c.Format); format {
	case dotenv.Dotenv, dotenv.DockerEnv, dotenv.Shell, dotenv.JSON:
	case "":
		format = dotenv.Dotenv
	default:
		return ns, req, "", usage("--format: it is dotenv, docker-env, shell or json", "ass env export --help")
	}
	if a.JSON && c.Out == "" {
		if c.Format != "" && format != dotenv.JSON {
			return ns, req, "", usage("with --json the answer is JSON, and --format asks for something else", "leave out one of the two, or write to a file: --out FILE")
		}
		format = dotenv.JSON
	}
	return ns, req, format, nil
}

// unprintable is an error of a format for people.
func unprintable(err error) error {
	if unfit, ok := errors.AsType[*dotenv.UnfitError](err); ok {
		hint := "leave them out, by naming the others with --keys; json carries everything"
		return &fault{code: codeFailed, message: unfit.Error(), hint: hint, whole: true}
	}
	return &fault{code: api.CodeTooLarge, message: err.Error(), hint: "export fewer at once, with --keys A,B"}
}

func (c *envExportCmd) print(a *app, ns policy.Namespace, format dotenv.Format, pairs []dotenv.Pair, text []byte) error {
	note := fmt.Sprintf("Exported %s from %s", plural(len(pairs), "secret"), ns)
	if c.Out == "" {
		if err := a.answer(string(text)); err != nil {
			return err
		}
		a.note(note + ".")
		return nil
	}
	if err := (outFile{c.Out}).write(text); err != nil {
		return err
	}
	a.note(note + " to " + foreign(c.Out, maxMessage) + ".")
	if !a.JSON {
		return nil
	}
	done := exportDone{Namespace: ns.String(), File: c.Out, Format: format, Keys: []string{}}
	for _, p := range pairs {
		done.Keys = append(done.Keys, p.Name)
	}
	return a.json(done)
}
