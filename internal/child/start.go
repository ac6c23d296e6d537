package child

import (
	"errors"
	"io/fs"
	"os/exec"
	"syscall"
)

// Exit codes of a program that cannot be started, as POSIX has them for env.
const (
	CodeNotExecutable = 126
	CodeNotFound      = 127
)

// StartError says that the program did not start.
type StartError struct {
	Code int // CodeNotExecutable or CodeNotFound
	Err  error
}

func (e *StartError) Error() string { return e.Err.Error() }

func (e *StartError) Unwrap() error { return e.Err }

// startError is err with its exit code.
func startError(err error) error {
	e := &StartError{Code: CodeNotExecutable, Err: err}
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		e.Code = CodeNotFound
	}
	return e
}
