//go:build !unix

package child

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
)

func found(path string, err error) (string, error) { return path, err }

// replace runs the program with our own output: no program can be replaced here.
func (c *Command) replace(path string) (Status, error) {
	c.Filter = nil
	return c.beside(path, nil)
}

// beside runs the program and waits for its end. The console tells it of Ctrl-C
// itself.
func (c *Command) beside(path string, outputs []*os.File) (Status, error) {
	cmd := &exec.Cmd{Path: path, Args: c.Args, Env: c.Env, Stdin: os.Stdin, WaitDelay: Grace}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	var filters []io.Closer
	for _, out := range []struct {
		to   *io.Writer
		file *os.File
	}{{&cmd.Stdout, os.Stdout}, {&cmd.Stderr, os.Stderr}} {
		if slices.Contains(outputs, out.file) {
			filter := c.Filter(out.file)
			*out.to, filters = filter, append(filters, filter)
		}
	}
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	if err := c.around(cmd.Start); err != nil {
		return Status{}, startError(err)
	}
	err := cmd.Wait()
	status := Status{Code: cmd.ProcessState.ExitCode()}
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited && !errors.Is(err, exec.ErrWaitDelay) {
		status.Lost = err
	}
	for _, f := range filters {
		f.Close()
	}
	return status, nil
}

// Die returns: nothing ends by signals here.
func Die(int) {}
