//go:build unix && !linux

package handover

import (
	"os"
	"os/signal"
	"syscall"
)

// Hold ignores SIGHUP until the next image asks for it, and has the other signals end the
// process as they do a program that does not ask for them: none is lost with this image.
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
