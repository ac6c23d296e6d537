package main

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/agent-secret-store/assd/vault/api"
)

type auditStatsCmd struct {
	auditFilter
}

// Help shows examples.
func (auditStatsCmd) Help() string {
	return `Counts over the last 7 days, or from --since on: who acts and reads how often, what
was denied, and how it went over the time. Each table has the 20 most frequent.

Examples:

  ass audit stats
  ass audit stats --since 24h --namespace production
  ass audit stats --agent deploy-bot --since 30d --json | jq '.reads_of'`
}

// Run prints the counts.
func (c *auditStatsCmd) Run(a *app) error {
	q, err := c.queryPast(time.Now())
	if err != nil {
		return err
	}
	cl, err := a.connect()
	if err != nil {
		return err
	}
	s, err := cl.AuditStats(a.ctx, q)
	if err != nil {
		return err
	}
	if !s.Complete {
		a.note("There was no time for all of it: this is up to " + moment(s.Until) + " UTC. Ask for less with --since and --until.")
	}
	if a.JSON {
		return a.json(s)
	}
	if s.Events == 0 {
		c.noteNone(a)
	}
	return a.answer(statsText(s, screenWidth()))
}

// screenWidth is how many columns the terminal has that is printed to; 0: it is none.
func screenWidth() int {
	if w, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && w > 0 {
		return w
	}
	return 0
}

// chartWidth is how wide a chart may be where there is no terminal to say so.
const chartWidth = 80

// statsText prints counts for a terminal of that width; 0: for no terminal.
func statsText(s *api.AuditStats, width int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s to %s UTC: %s, %s, %d denied\n", moment(s.Since), moment(s.Until),
		plural(int(s.Events), "event"), plural(int(s.Reads), "read"), s.Denied)
	b.WriteString(chart(s, cmp.Or(width, chartWidth)))
	for _, t := range statsTables(s) {
		if len(t.rows) > 0 {
			t.count, t.width = plural(len(t.rows), "row"), width
			b.WriteString(t.String())
		}
	}
	return b.String()
}

func statsTables(s *api.AuditStats) []sheet {
	who := sheet{title: "Who acts", columns: []string{"Agent", "Events", "Reads", "Denied"}}
	for _, r := range s.Actors {
		who.rows = append(who.rows, []string{r.AgentID, number(r.Events), number(r.Reads), number(r.Denied)})
	}
	what := sheet{title: "On what", columns: []string{"Secret", "Events", "Reads", "Denied"}}
	for _, r := range s.Paths {
		what.rows = append(what.rows, []string{r.Path, number(r.Events), number(r.Reads), number(r.Denied)})
	}
	reads := sheet{title: "Who reads what", columns: []string{"Agent", "Secret", "Reads", "Last (UTC)"}}
	for _, r := range s.ReadsOf {
		reads.rows = append(reads.rows, []string{r.AgentID, r.Path, number(r.Reads), moment(r.Last)})
	}
	denied := sheet{title: "What was denied", columns: []string{"Agent", "Action", "Where", "Times", "Last (UTC)"}}
	for _, r := range s.Denials {
		denied.rows = append(denied.rows, []string{r.AgentID, r.Action, r.Path, number(r.Denied), moment(r.Last)})
	}
	for _, o := range []struct {
		t     *sheet
		n     uint64
		cells []string
	}{
		{&who, s.Others.Actors, []string{"others", number(s.Others.Actors), "", ""}},
		{&what, s.Others.Paths, []string{"others", number(s.Others.Paths), "", ""}},
		{&reads, s.Others.ReadsOf, []string{"others", "", number(s.Others.ReadsOf), ""}},
		{&denied, s.Others.Denials, []string{"others", "", "", number(s.Others.Denials), ""}},
	} {
		if o.n > 0 {
			o.t.rows = append(o.t.rows, o.cells)
		}
	}
	return []sheet{who, what, reads, denied}
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }
