package server

import (
	"strings"

	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/vault/api"
)

// maxAncestry is how many processes are told of: the one that asks, and its
// parents.
const maxAncestry = 6

// pidHints are what the system tells of the process with this id at the other end
// of the socket.
type pidHints int

// Processes implements [vault.Hints].
func (pid pidHints) Processes() (out []api.Process) {
	for _, p := range peer.Ancestry(int(pid), maxAncestry) {
		one := api.Process{PID: p.PID, Name: strings.ToValidUTF8(p.Name, "\uFFFD"), Exe: strings.ToValidUTF8(p.Exe, "\uFFFD")}
		if !p.Started.IsZero() {
			at := p.Started.UTC()
			one.StartedAt = &at
		}
		out = append(out, one)
	}
	return out
}
