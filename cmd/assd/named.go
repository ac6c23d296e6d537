package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/alecthomas/kong"
)

// typed has the flags that stand on the command line itself, as "--key-file". A secret may
// have been typed in the place of a file's name, so a file that is not there is told by its
// flag. What the environment or the configuration file names is told by its name.
type typed map[string]bool

// typedIn are the flags that were typed, and neither a default nor from elsewhere.
func typedIn(ctx *kong.Context) typed {
	t := typed{}
	for _, p := range ctx.Path {
		if p.Flag != nil && !p.Resolved {
			t["--"+p.Flag.Name] = true
		}
	}
	return t
}

// unnamed is err about the file at path, without the name where that was typed with flag
// and names nothing.
func (t typed) unnamed(flag, path string, err error) error {
	if err == nil || !t[flag] {
		return err
	}
	return unnamed("the file of "+flag, path, err)
}

// name is how a file may be told of.
func (t typed) name(flag, path string) string {
	if t[flag] && lookFor(path) != nil {
		return "the file of " + flag
	}
	return fmt.Sprintf("%q", path)
}

// shown is path, or "" where it may not be told.
func (t typed) shown(flag, path string) string {
	if t[flag] && lookFor(path) != nil {
		return ""
	}
	return path
}

// unmade is unnamed for a file that was to be made.
func (t typed) unmade(flag, path string, err error) error {
	why := unnamedWhy(path, err)
	if why == nil || !t[flag] {
		return err
	}
	hint := "give another path"
	if lookFor(filepath.Dir(path)) != nil {
		hint = "make its folder first, or " + hint
	}
	return &unnamedError{fmt.Sprintf("the file of %s cannot be made: %v; %s", flag, why, hint), err}
}

// unnamed is err about what the command line names, told as what where it is not there.
func unnamed(what, path string, err error) error {
	why := unnamedWhy(path, err)
	if why == nil {
		return err
	}
	hint := "put it there"
	if errors.Is(why, fs.ErrPermission) { // nobody can tell whether it is there
		hint = fmt.Sprintf("let uid %d, which assd runs as, read it", os.Geteuid())
	}
	return &unnamedError{fmt.Sprintf("%s cannot be used: %v; %s, or give another path", what, why, hint), err}
}

// unnamedWhy is why err came of a file that is not there, without its name; nil: there is
// no error, or there is something at path.
func unnamedWhy(path string, err error) error {
	why := lookFor(path)
	if err == nil || why == nil {
		return nil
	}
	if no := syscall.Errno(0); errors.As(err, &no) {
		return no
	}
	return why
}

// unnamedError is an error that leaves out the name of a file.
type unnamedError struct {
	text string
	err  error
}

func (e *unnamedError) Error() string { return e.text }
func (e *unnamedError) Unwrap() error { return e.err }

// lookFor is why nothing is found at path, without its name; nil: something is there.
func lookFor(path string) error {
	_, err := os.Lstat(path)
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
