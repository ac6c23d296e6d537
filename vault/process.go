package vault

import "github.com/agent-secret-store/assd/vault/api"

// Process is how the process that serves the vault is kept, for owners to know.
type Process struct {
	Confined      string // one of api.Confined…
	ConfinedLacks string // what could not be had, and why; "" when nothing lacks
	Root          bool   // it runs as root
	ClearSwap     string // where its memory may be written to in the clear; "": nowhere
}

// TellProcess has owners told of the process.
func (v *Vault) TellProcess(p Process) { v.process.Store(&p) }

func (v *Vault) tellProcess(p *api.Protection) {
	p.Confined = api.ConfinedNone
	if now := v.process.Load(); now != nil {
		p.Confined, p.ConfinedLacks, p.RunsAsRoot = now.Confined, now.ConfinedLacks, now.Root
		p.ClearSwap = now.ClearSwap
	}
}
