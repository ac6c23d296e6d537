//go:build unix

package child

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// passedOn are the signals that the program gets from us.
var passedOn = []os.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGALRM, syscall.SIGUSR1, syscall.SIGUSR2,
	syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGCONT,
}

// settling is how long we wait after the program has stopped, before we stop: what
// it has printed goes out, and it may be going on already.
const settling = 20 * time.Millisecond

// pause is time enough for a signal that we send to ourselves.
func pause() { time.Sleep(settling) }

// signals are those that came for the program, and of its end.
type signals struct {
	came  chan os.Signal
	child chan os.Signal // buffer of one: that it came says all
	pipe  chan os.Signal // never read: a broken pipe is an error of a write, not our end
}

// catch begins to collect signals. One that is ignored already stays so.
func catch() *signals {
	s := &signals{came: make(chan os.Signal, 64), child: make(chan os.Signal, 1), pipe: make(chan os.Signal, 1)}
	for _, sig := range passedOn {
		if !signal.Ignored(sig) {
			signal.Notify(s.came, sig)
		}
	}
	signal.Notify(s.child, syscall.SIGCHLD)
	signal.Notify(s.pipe, syscall.SIGPIPE)
	return s
}

func (s *signals) stop() {
	signal.Stop(s.came)
	signal.Stop(s.child)
	signal.Stop(s.pipe)
}

// until passes signals on to the child pid until it has ended. All is done by one
// goroutine, so nothing is sent to a pid that is somebody else's by now.
func (s *signals) until(pid int) (Status, error) {
	for {
		select {
		case sig := <-s.came:
			pass(pid, sig.(syscall.Signal))
		case <-s.child:
			status, ended, err := look(pid)
			if ended || err != nil {
				return status, err
			}
		}
	}
}

// pass sends a signal to the program, unless the terminal has done that.
func pass(pid int, sig syscall.Signal) {
	switch sig {
	case syscall.SIGTTIN, syscall.SIGTTOU:
		return
	case syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGWINCH:
		if foreground() {
			return
		}
	}
	syscall.Kill(pid, sig)
}

// foreground reports whether our process group has the terminal, which then sends
// signals to all of the group.
func foreground() bool {
	tty, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer unix.Close(tty)
	group, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// look asks what has become of the child, and stops with it.
func look(pid int) (status Status, ended bool, err error) {
	stopped := syscall.Signal(0)
	for {
		var ws unix.WaitStatus
		got, err := unix.Wait4(pid, &ws, unix.WNOHANG|unix.WUNTRACED|unix.WCONTINUED, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return status, false, fmt.Errorf("waiting for the program: %w", err)
		case got == 0 && stopped != 0:
			stopAs(stopped) // what continues us is told to the program
			stopped = 0
		case got == 0:
			return status, false, nil
		case ws.Stopped():
			stopped = ws.StopSignal()
			pause()
		case ws.Continued():
			stopped = 0
		case ws.Signaled():
			return Status{Code: 128 + int(ws.Signal()), Signal: int(ws.Signal())}, true, nil
		default:
			return Status{Code: ws.ExitStatus()}, true, nil
		}
	}
}
