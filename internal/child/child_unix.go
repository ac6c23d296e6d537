//go:build unix

package child

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// found is what exec.LookPath says, but that a program may be found by an entry of
// PATH that is relative: the shell would run it as well.
func found(path string, err error) (string, error) {
	if errors.Is(err, exec.ErrDot) {
		err = nil
	}
	return path, err
}

// shell runs what is executable and in no format that the kernel knows, as execvp
// does it.
const shell = "/bin/sh"

// replace puts the program into the place of this one.
func (c *Command) replace(path string) (Status, error) {
	err := c.around(func() error {
		err := syscall.Exec(path, c.Args, c.Env)
		if errors.Is(err, syscall.ENOEXEC) {
			err = syscall.Exec(shell, scriptArgs(path, c.Args), c.Env)
		}
		return err
	})
	return Status{}, startError(err)
}

func scriptArgs(path string, args []string) []string {
	return append([]string{shell, path}, args[1:]...)
}

// beside runs the program as a child, and passes on outputs.
func (c *Command) beside(path string, outputs []*os.File) (Status, error) {
	// The child gets a signal when the thread ends that has started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := c.pipes(outputs)
	if err != nil {
		return Status{}, startError(err)
	}
	signals := catch() // before there is a child, so that none is lost
	defer signals.stop()
	pid, err := c.fork(path, p.files[:])
	for _, w := range p.ends {
		w.Close()
	}
	if err != nil {
		p.close()
		return Status{}, startError(err)
	}
	for _, r := range p.relays {
		r.start()
	}
	status, err := signals.until(pid)
	for _, r := range p.relays {
		if e := r.finish(); e != nil && !errors.Is(e, syscall.EPIPE) {
			status.Lost = e
		}
	}
	return status, err
}

// piping is what the program's output goes through.
type piping struct {
	relays []*relay
	ends   []*os.File // the program's
	files  [3]uintptr // its descriptors
}

// pipes makes one for each output, or one for both when they are the same file:
// then what is written to them stays in order.
func (c *Command) pipes(outputs []*os.File) (*piping, error) {
	p := &piping{files: [3]uintptr{0, 1, 2}}
	same := len(outputs) == 2 && sameFile(outputs[0], outputs[1])
	for i, f := range outputs {
		if i == 0 || !same {
			r, w, err := newRelay(f, c.Filter)
			if err != nil {
				p.close()
				return nil, err
			}
			p.relays, p.ends = append(p.relays, r), append(p.ends, w)
		}
		p.files[f.Fd()] = p.ends[len(p.ends)-1].Fd()
	}
	return p, nil
}

// close closes what no relay was started for.
func (p *piping) close() {
	for i, r := range p.relays {
		r.from.Close()
		p.ends[i].Close()
	}
}

func sameFile(a, b *os.File) bool {
	x, err := a.Stat()
	if err != nil {
		return false
	}
	y, err := b.Stat()
	return err == nil && os.SameFile(x, y)
}

// fork starts the program.
func (c *Command) fork(path string, files []uintptr) (pid int, err error) {
	attr := &syscall.ProcAttr{Env: c.Env, Files: files, Sys: sysProcAttr()}
	err = c.around(func() (err error) {
		pid, err = syscall.ForkExec(path, c.Args, attr)
		if errors.Is(err, syscall.ENOEXEC) {
			pid, err = syscall.ForkExec(shell, scriptArgs(path, c.Args), attr)
		}
		return err
	})
	return pid, err
}

// Die ends this process by a signal, as the program was. It returns when that
// cannot be done.
func Die(sig int) { dieAs(syscall.Signal(sig)) }
