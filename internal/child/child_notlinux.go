//go:build unix && !linux

package child

import (
	"os"
	"os/signal"
	"syscall"
)

func sysProcAttr() *syscall.SysProcAttr { return nil }

// stopAs stops this process, until it is continued. By which signal is not up to
// us: those that the Go runtime has caught do not stop.
func stopAs(syscall.Signal) {
	syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	pause()
}

// dieAs ends this process by a signal, if the Go runtime lets it.
func dieAs(sig syscall.Signal) {
	switch sig {
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL:
		signal.Reset(sig)
		syscall.Kill(os.Getpid(), sig)
		pause()
	}
}
