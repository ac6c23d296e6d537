//go:build unix

package handover

import (
	"os"
	"os/signal"
	"syscall"
)

// Hold ignores SIGHUP until the next image asks for it, which reads everything anew anyway,
// and has the other signals end the process as they do a program that does not ask for
// them: none is lost with this image, and none can wait for the next one, since Go unblocks
// what ends a program before the first line of it runs.
func Hold(signals ...os.Signal) error {
	for _, s := range signals {
		if s == syscall.SIGHUP {
			signal.Ignore(s)
		} else {
			signal.Reset(s)
		}
	}
	return nil
}
