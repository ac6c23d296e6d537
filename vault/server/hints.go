package server

import (
	"strings"
	"unicode/utf8"

	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/vault/api"
)

// maxAncestry is how many processes are told of: the one that asks, and its
// parents.
const maxAncestry = 6

const maxExe = 256 // bytes of a program's path in the trail

// pidHints are what the system tells of the process with this id at the other end
// of the socket.
type pidHints int

// exeOf is the program that a process runs, as far as the system tells. It is asked once
// for a connection.
func exeOf(pid int) string { return cutText(peer.Exe(pid), maxExe) }

// cutText is s as valid UTF-8 of at most so many bytes.
func cutText(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	for len(s) > most {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

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
