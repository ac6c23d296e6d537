package operator

import (
	"errors"
	"io/fs"

	"github.com/agent-secret-store/assd/internal/peer"
)

// What is wrong with a file. The errors that wrap these name it, and say what to
// type where something can be typed. One that wraps none of them is about a file
// that cannot be read, or is no regular one.
var (
	// ErrMissing: there is none, or no folder for it.
	ErrMissing = fs.ErrNotExist
	// ErrSaving: it is empty or goes on changing, as while it is saved. The change
	// that ends the save is worth another look.
	ErrSaving = errors.New("the file is being saved")
	// ErrExposed: someone besides root and our user can have written it or put it
	// there, or can read what is ours alone.
	ErrExposed = peer.ErrExposed
	// ErrBeyond: it lies where this process does not get to any more.
	ErrBeyond = errors.New("it lies outside the folders that assd has kept itself to since its start: restart assd")
	// ErrTooLarge: it is longer than it may be.
	ErrTooLarge = errors.New("the file is too large")
)

// kindError is an error of a kind that its words leave out.
type kindError struct {
	error
	kind error
}

func (e kindError) Is(target error) bool { return target == e.kind }

func (e kindError) Unwrap() error { return e.error }
