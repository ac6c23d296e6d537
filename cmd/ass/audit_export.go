package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type auditExportCmd struct {
	Format string `placeholder:"FORMAT" help:"jsonl or csv. Default jsonl."`
	Out    string `placeholder:"FILE" help:"Write to this file, for you alone to read, and only when it is whole. Default: print."`
	Heads  bool   `help:"With jsonl: the signed heads too, each behind its event."`
	auditFilter
}

// Help shows examples.
func (auditExportCmd) Help() string {
	return `Everything that is in the trail now, oldest first, for as long as it takes.

jsonl has a line for each event: its number, the hash of the one before, its own, and
the event as it was hashed. So the whole trail can be proved elsewhere, against a
checkpoint, by scripts/verify-audit or by your own means. With a filter there are gaps:
that is to look at, and proves nothing. Take the checkpoint first, so that the export
reaches as far; with --heads it is proved up to its last event.

csv is for spreadsheets, and proves nothing either. What a spreadsheet would take for
a formula begins with an apostrophe.

An export that is cut short is an error, and leaves no file. One that is whole takes the
place of a file of that name.

Examples:

  ass audit checkpoint > trail.note
  ass audit export --heads --out trail.jsonl
  scripts/verify-audit trail.jsonl trail.note --key ed25519:...
  ass audit export --since 1h | jq -r '.event | fromjson | .action'
  ass audit export --format csv --namespace production --since 30d --out reads.csv`
}

// Run prints the trail, or writes it.
func (c *auditExportCmd) Run(a *app) error {
	q, err := c.request(a)
	if err != nil {
		return err
	}
	if c.Out != "" {
		if err := (outFile{c.Out}).check(); err != nil {
			return err
		}
	}
	cl, err := a.connect()
	if err != nil {
		return err
	}
	if c.some() && q.Format == api.AuditJSONL {
		a.note("With a filter the chain has gaps: this export cannot be proved.")
	}
	if c.Out == "" {
		return c.print(a, cl, q)
	}
	ctx, stop := signal.NotifyContext(a.ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	var count *tally
	err = (outFile{c.Out}).fill(func(w io.Writer) error {
		count = tallied(w, q.Format)
		return exportTrail(ctx, cl, q, count)
	})
	if err != nil {
		return err
	}
	a.note("Exported the audit trail to " + foreign(c.Out, maxMessage) + ": " + count.String() + ".")
	if a.JSON {
		return a.json(map[string]any{"file": c.Out, "format": q.Format, "events": count.events, "last": count.last})
	}
	return nil
}

// print exports to stdout: to a file or a pipe each byte as it is, to a terminal what can
// be shown there.
func (c *auditExportCmd) print(a *app, cl *client.Client, q client.ExportQuery) error {
	out := &drafting{file: os.Stdout}
	count := tallied(out, q.Format)
	if stdoutIsTerminal() {
		count.to = &onScreen{to: out}
	}
	err := exportTrail(a.ctx, cl, q, count)
	switch {
	case out.err != nil:
		return fmt.Errorf("writing the export: %w", bareError(out.err))
	case err != nil:
		return err
	}
	a.note("Exported the audit trail: " + count.String() + ".")
	return nil
}

// request checks the command line.
func (c *auditExportCmd) request(a *app) (q client.ExportQuery, err error) {
	if c.Out == "-" {
		c.Out = ""
	}
	if q.AuditQuery, err = c.query(time.Now()); err != nil {
		return q, err
	}
	switch q.Format = c.Format; q.Format {
	case "":
		q.Format = api.AuditJSONL
	case api.AuditJSONL, api.AuditCSV:
	default:
		return q, usage("--format: it is jsonl or csv", "ass audit export --help")
	}
	switch q.Heads = c.Heads; {
	case c.Heads && q.Format == api.AuditCSV:
		return q, usage("--heads: csv has no place for signed heads, and proves nothing", "to look at it, leave out --heads; to prove it, leave out --format csv: ass audit export --heads --out trail.jsonl")
	case c.Heads && c.some():
		return q, usage("--heads: with a filter the chain has gaps, and signed heads prove nothing", "leave out the filters, or --heads")
	}
	if a.JSON && c.Out == "" && q.Format != api.AuditJSONL {
		return q, usage("with --json what is printed is JSON, and --format asks for something else", "leave out one of the two, or write to a file: --out FILE")
	}
	return q, nil
}

// exportTrail writes an export to w.
func exportTrail(ctx context.Context, cl *client.Client, q client.ExportQuery, w io.Writer) error {
	body, err := cl.ExportAudit(ctx, q)
	if err == nil {
		defer body.Close()
		_, err = io.Copy(w, body)
	}
	if ctx.Err() != nil {
		return errInterrupted
	}
	cut, ok := errors.AsType[*client.CutError](err)
	if !ok {
		return err
	}
	hint := "run it again; look at the daemon with: ass status"
	if e, ok := errors.AsType[*api.Error](cut); ok && e.Hint != "" {
		hint = e.Hint
	}
	return &fault{code: codeFailed, message: cut.Error(), hint: hint}
}
