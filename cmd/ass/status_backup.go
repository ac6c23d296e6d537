package main

import (
	"fmt"

	"github.com/agent-secret-store/assd/vault/api"
)

// backupState is the row of the backups that the daemon takes by itself.
func backupState(a *app, p *api.Protection) []row {
	b := p.Backups
	if b == nil {
		return nil
	}
	last := "none has been taken yet"
	if b.TakenAt != nil {
		last = "last one at " + moment(*b.TakenAt) + " UTC"
	}
	mark, text := a.good("✓"), fmt.Sprintf("%s: %s", b.To, last)
	if b.FailingSince != nil {
		mark, text = a.bad("✗"), fmt.Sprintf("%s: failing since %s UTC: %s; %s", b.To, moment(*b.FailingSince), b.Failure, last)
	}
	return []row{{"Backups", mark + " " + foreign(text, maxMessage)}}
}
