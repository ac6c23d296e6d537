// Command assd is the daemon of Agent Secret Store: it keeps one vault and
// serves it on a Unix socket, and over TLS where it is told to.
//
// It owns flags, configuration, listeners, signals and exit codes, and nothing
// of the vault itself. It exits 0 after a drain, 1 with one line on standard
// error when something failed, and 2 on wrong usage, the configuration file's too.
package main

import (
	"os"
	"runtime/debug"

	"github.com/agent-secret-store/assd/internal/harden"
)

// version is set by the linker.
var version = "1.0.0"

// gcPercent trades a few megabytes for time: the daemon's live heap is small, so
// Go's default would collect it hundreds of times a second under load.
// memoryLimit, in bytes, makes the collector work harder before it is reached.
const (
	gcPercent   = 400
	memoryLimit = 512 << 20
)

func main() {
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
	err := harden.Process(false)
	if err == nil {
		err = run(os.Args[1:], os.Stdout, os.Stderr)
	}
	os.Exit(report(err, os.Stderr))
}
