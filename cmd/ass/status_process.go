package main

import "github.com/agent-secret-store/assd/vault/api"

// processState is the rows of how the daemon's process is kept.
func processState(a *app, p *api.Protection) (rows []row) {
	lacks := foreign(p.ConfinedLacks, maxMessage)
	switch p.Confined {
	case api.ConfinedFull:
		rows = append(rows, row{"Confined", a.good("✓") + " to the daemon's own folders"})
	case api.ConfinedPartial:
		rows = append(rows, row{"Confined", a.bad("✗") + " in part: " + lacks})
	case api.ConfinedNone:
		rows = append(rows, row{"Confined", a.bad("✗") + " not: " + lacks})
	}
	if p.RunsAsRoot {
		rows = append(rows, row{"Runs as root", a.bad("✗") + " a flaw in the daemon would be one in the machine; give it a user of its own: assd --user NAME"})
	}
	return rows
}
