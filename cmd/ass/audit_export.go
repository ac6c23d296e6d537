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
that is to look at, and proves nothing.

csv is for spreadsheets, and proves nothing either. What a spreadsheet would take for
a formula begins with an apostrophe.

An export that is cut short is an error, and leaves no file.

Examples:

  ass audit export > trail.jsonl
  ass audit export --out trail.jsonl && ass audit checkpoint > trail.note
  scripts/verify-audit trail.jsonl trail.note
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
		out := &drafting{file: os.Stdout}
		if err = exportTrail(a.ctx, cl, q, out); out.err != nil {
			return fmt.Errorf("writing the export: %w", bareError(out.err))
		}
		return err
	}
	ctx, stop := signal.NotifyContext(a.ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err = (outFile{c.Out}).fill(func(w io.Writer) error { return exportTrail(ctx, cl, q, w) })
	if err != nil {
		return err
	}
	a.note("Exported the audit trail to " + foreign(c.Out, maxMessage) + ".")
	if a.JSON {
		return a.json(map[string]string{"file": c.Out, "format": q.Format})
	}
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
	if q.Heads = c.Heads; c.Heads && (q.Format != api.AuditJSONL || c.some()) {
		return q, usage("--heads goes with jsonl of the whole trail alone", "leave out --heads, or the filters")
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
