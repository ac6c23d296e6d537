package policy

import (
	"bytes"
	"fmt"
)

// FileError is what is wrong with a policy file, and where. It wraps
// [ErrInvalid].
type FileError struct {
	// Line and Column count from 1; Column counts bytes.
	Line, Column int
	// Problem is a sentence that repeats nothing of the file but the names of
	// its own keys.
	Problem string
}

// Error returns "line L, column C: problem".
func (e *FileError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Problem)
}

func (e *FileError) Unwrap() error { return ErrInvalid }

// fault is a problem at an offset of the text, until someone who has the text
// makes a [FileError] of it.
type fault struct {
	at      int
	problem string
}

func (f *fault) Error() string { return f.problem }
func (f *fault) Unwrap() error { return ErrInvalid }

func faultAt(at int, format string, args ...any) error {
	return &fault{at, fmt.Sprintf(format, args...)}
}

// fileError says where in text the fault is.
func (f *fault) fileError(text []byte) *FileError {
	before := text[:min(f.at, len(text))]
	return &FileError{
		Line:    bytes.Count(before, []byte("\n")) + 1,
		Column:  len(before) - bytes.LastIndexByte(before, '\n'),
		Problem: f.problem,
	}
}
