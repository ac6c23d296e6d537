package main

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/agent-secret-store/assd/vault/api"
)

// fileFault is what is wrong with a file of the command line. It tells which one it is
// ("the file of --out") and never its name: a secret may have been typed in its place.
func fileFault(code api.Code, which, act string, err error, hint string) error {
	return &fault{code: code, message: which + " cannot be " + act + ": " + bareError(err).Error(), hint: hint}
}

// writeFault is fileFault of a file that cannot be written.
func writeFault(which string, err error, hint string) error {
	if errors.Is(err, fs.ErrNotExist) {
		hint = "make its folder first, or name another file"
	}
	return fileFault(codeFailed, which, "written", err, hint)
}

// bareError is err without the names of files.
func bareError(err error) error {
	if no := syscall.Errno(0); errors.As(err, &no) {
		return no
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// isThere reports whether there is something at path, so that its name is one.
func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
