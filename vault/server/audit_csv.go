package server

import (
	"context"
	"encoding/csv"
	"strconv"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
)

var csvColumns = []string{
	"seq", "time", "actor_id", "actor_kind", "actor_name", "action", "outcome", "namespace", "key", "version", "subject", "reason",
	"source", "request_id", "approval_id", "token_id", "hash", "count",
}

// sendCSV is RFC 4180 with a header row. It cannot be proved, since it has not the
// bytes that were hashed.
func sendCSV(ctx context.Context, out *outlet, t *vault.Trail) error {
	w := csv.NewWriter(out)
	w.UseCRLF = true
	if err := w.Write(csvColumns); err != nil {
		return err
	}
	err := walkEach(ctx, t, func(l audit.Link) error {
		e, err := l.Event()
		if err != nil {
			return err
		}
		return w.Write(csvRow(e, l.Hash))
	})
	w.Flush()
	if err == nil {
		err = w.Error()
	}
	return err
}

func csvRow(e audit.Stored, hash audit.Hash) []string {
	version, subject, source := "", "", ""
	count := strconv.Itoa(max(e.Count, 1)) // a column to be summed, so it is never empty
	if e.Version != 0 {
		version = strconv.FormatUint(e.Version, 10)
	}
	if e.Subject != nil {
		subject = strings.TrimSpace(e.Subject.Name + " " + e.Subject.ID)
	}
	if e.Source != nil {
		source = e.Source.String()
	}
	row := []string{
		strconv.FormatUint(e.Seq, 10), e.Time.UTC().Format(time.RFC3339Nano), e.Actor.ID, e.Actor.Kind, e.Actor.Name, string(e.Action), string(e.Outcome),
		e.Namespace, e.Key, version, subject, e.Reason, source, e.RequestID, e.Approval, e.TokenID, hash.String(), count,
	}
	for i, cell := range row {
		row[i] = plainCell(cell)
	}
	return row
}

// plainCell is text that a spreadsheet does not take for a formula. It would so take
// what begins with one of a few characters, also behind blanks and quotes, which some
// take off; an apostrophe before it makes it text. Where a spreadsheet splits at semicolons
// or tabs, as it does in many languages, the quotes of a cell are none, and what follows
// one of those, or a line break, begins a cell as well.
func plainCell(s string) string {
	var b strings.Builder
	for begins := "=+-@\t\r\n"; ; begins = "=+-@" {
		bare := strings.TrimLeft(s, " \u00a0\v\f\"'")
		if bare != "" && strings.ContainsRune(begins, rune(bare[0])) {
			b.WriteByte('\'')
		}
		i := strings.IndexAny(s, ";\t\r\n")
		if i < 0 {
			return b.String() + s
		}
		b.WriteString(s[:i+1])
		s = s[i+1:]
	}
}
