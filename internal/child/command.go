package child

import (
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/term"
)

// Grace is how long output is waited for after the end of the program.
const Grace = 500 * time.Millisecond

// Command is a program to be run.
type Command struct {
	// Args is the command line; the first is looked up in PATH.
	Args []string
	// Env is the whole environment.
	Env []string
	// Filter makes what output that is no terminal passes through, and is told
	// what is behind it; nil: nothing.
	Filter func(io.Writer) io.WriteCloser
	// Around, unless nil, is called with what starts the program, to change what
	// it inherits.
	Around func(start func() error) error
}

// Status is how the program has ended.
type Status struct {
	Code   int   // of the exit; 128 + Signal
	Signal int   // that has ended it, or 0
	Lost   error // why some of its output could not be passed on, or nil
}

// Run runs the program and waits for its end; without anything to filter it does
// not return, because the program takes our place. An error is a *[StartError].
func (c *Command) Run() (Status, error) {
	path, err := exec.LookPath(c.Args[0])
	if path, err = found(path, err); err != nil {
		return Status{}, startError(err)
	}
	outputs := filtered()
	if c.Filter == nil || len(outputs) == 0 {
		return c.replace(path)
	}
	return c.beside(path, outputs)
}

// Filtered reports whether there is output that a filter is for.
func Filtered() bool { return len(filtered()) > 0 }

// filtered is which of stdout and stderr are no terminals.
func filtered() []*os.File {
	var outputs []*os.File
	for _, f := range []*os.File{os.Stdout, os.Stderr} {
		if !term.IsTerminal(int(f.Fd())) {
			outputs = append(outputs, f)
		}
	}
	return outputs
}

// around calls start.
func (c *Command) around(start func() error) error {
	if c.Around == nil {
		return start()
	}
	return c.Around(start)
}
