package main

import (
	"fmt"

	"github.com/agent-secret-store/assd/vault/api"
)

// checkpointPlaces is the rows of where checkpoints of the trail are sent to.
func checkpointPlaces(a *app, p *api.Protection) (rows []row) {
	for _, c := range p.Checkpoints {
		rows = append(rows, row{"Checkpoints", checkpointState(a, c)})
	}
	return rows
}

// checkpointState says when the last one left for a place, or why none does.
func checkpointState(a *app, c api.CheckpointPlace) string {
	last := "none has left yet"
	if c.SentAt != nil {
		last = "last one at " + moment(*c.SentAt) + " UTC, of " + plural(int(c.Size), "event")
	}
	if c.FailingSince == nil {
		return a.good("✓") + " " + foreign(c.To+": "+last, maxMessage)
	}
	return a.bad("✗") + " " + foreign(fmt.Sprintf("%s: failing since %s UTC: %s; %s", c.To, moment(*c.FailingSince), c.Failure, last), maxMessage)
}
