package main

import (
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/agent-secret-store/assd/vault/api"
)

// TestNarrow: a table is as wide as its terminal at most, and keeps what it says.
func TestNarrow(t *testing.T) {
	c := auditListCmd{}
	events := []api.AuditEvent{
		{Timestamp: time.Date(2026, 3, 1, 12, 34, 56, 0, time.UTC), AgentID: "deploy-bot", Action: "secret.read.denied", Namespace: "production/openai", Resource: "OPENAI_API_KEY", Count: 7},
		{Timestamp: time.Date(2026, 3, 1, 12, 34, 57, 0, time.UTC), AgentID: strings.Repeat("東", 30), Action: "x\x1b[2J", Resource: strings.Repeat("r", 59)},
	}
	stats := &api.AuditStats{
		Denials: []api.AuditDenials{{AgentID: "deploy-bot", Action: "secret.read.denied", Path: "production/openai/OPENAI_API_KEY", Denied: 1234, Last: events[0].Timestamp}},
		Actors:  []api.AuditActor{{AgentID: "deploy-bot", Events: 12345678, Reads: 1, Denied: 2}},
	}
	for width := 20; width <= 130; width++ {
		list := c.table(events)
		list.width = width
		tables := append(statsTables(stats), list)
		for _, s := range tables {
			if len(s.rows) == 0 {
				continue
			}
			s.width, s.count = width, "a/namespace/of/some/length · last 2 events"
			out := s.String()
			for line := range strings.Lines(out) {
				if n := text.StringWidth(strings.TrimSuffix(line, "\n")); n > width {
					t.Fatalf("width %d, %s: a line of %d\n%s", width, s.title, n, out)
				}
			}
			if strings.Contains(out, "\x1b") {
				t.Fatalf("width %d: an escape\n%s", width, out)
			}
			if _, fits := s.fit(); fits {
				continue // cells stand beside each other
			}
			plain := strings.NewReplacer("\n", "", "↳", "", " ", "").Replace(out)
			for _, r := range s.rows {
				for _, cell := range r {
					if want := strings.ReplaceAll(foreign(cell, maxCell), " ", ""); !strings.Contains(plain, want) {
						t.Fatalf("width %d, %s: %q is missing\n%s", width, s.title, want, out)
					}
				}
			}
		}
	}
	list := c.table(events[:1])
	list.width = 60
	if want := `┌────────────────────────────────────────────────────────┐
│ Audit Trail              all namespaces · last 1 event │
├────────────┬────────────┬──────────────┬───────────────┤
│ Timestamp  │ Agent      │ Action       │ Resource      │
│ (UTC)      │            │              │               │
├────────────┼────────────┼──────────────┼───────────────┤
│ 2026-03-01 │ deploy-bot │ secret.read. │ production/   │
│ ↳ 12:34:56 │            │ ↳ denied     │ ↳ openai/     │
│            │            │ ↳ (×7)       │ ↳ OPENAI_API_ │
│            │            │              │ ↳ KEY         │
└────────────┴────────────┴──────────────┴───────────────┘
`; list.String() != want {
		t.Errorf("got\n%s\nwant\n%s", list, want)
	}
	list.width = 40
	if want := `Audit Trail  all namespaces · last 1
  event

Timestamp (UTC): 2026-03-01 12:34:56
Agent: deploy-bot
Action: secret.read.denied (×7)
Resource: production/openai/
  ↳ OPENAI_API_KEY
`; list.String() != want {
		t.Errorf("got\n%s\nwant\n%s", list, want)
	}
	if s := (sheet{title: "x", columns: []string{"Agent"}, rows: [][]string{{"a"}}, width: 1}).String(); !strings.Contains(s, "A") {
		t.Error(s)
	}
}
