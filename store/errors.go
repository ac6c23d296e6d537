package store

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"syscall"
)

// What can go wrong with the store itself. They come wrapped, with the file
// named; errors of an operation come as the operation returned them.
var (
	// ErrFull: there is no space for the change. Nothing was changed, and the
	// same call succeeds when there is space again.
	ErrFull = errors.New("no space left for the vault")
	// ErrLocked: another process has the file open.
	ErrLocked = errors.New("vault is in use by another process")
	// ErrMissing: there is no file, and none was to be made.
	ErrMissing = errors.New("no vault file")
	// ErrNewer: a newer version made the file.
	ErrNewer = errors.New("vault file was made by a newer assd")
	// ErrForeign: the file is not a vault file, or was cut short, or its meta
	// pages are damaged. It was not touched.
	ErrForeign = errors.New("not a vault file, or a damaged one")
	// ErrIrregular: something else than a file lies in its place. It was not touched.
	ErrIrregular = errors.New("it is not a regular file")
	// ErrExposed: others than its owner may open the file, or it is not ours.
	ErrExposed = errors.New("vault file is not private")
	// ErrDamaged: a page inside the file cannot be read as what it should be.
	ErrDamaged = errors.New("vault file is damaged")
	// ErrStopped: the store was closed, or stopped for good because a commit
	// left the disk in an unknown state. Only opening anew helps.
	ErrStopped = errors.New("store has stopped")
	// ErrBusy: the queue of the writer is full.
	ErrBusy = errors.New("too many operations are waiting to be written")
	// ErrReadOnly: the store was opened with Config.ReadOnly.
	ErrReadOnly = errors.New("store is open for reading only")
)

// noSpace are the ways in which a disk, a quota or a limit says "full".
var noSpace = []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}

func isNoSpace(err error) bool {
	for _, errno := range noSpace {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// isFullCommit reports whether err, of a bbolt commit, says that a write or the
// growing of the file found no space. A failed fsync is something else, whatever
// its errno: the kernel may have dropped pages that it had accepted.
func isFullCommit(err error) bool {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Op == "write" && isNoSpace(pathErr)
	}
	return isFullResize(err.Error())
}

// isFullResize knows bbolt's DB.grow, which turns its cause into text.
func isFullResize(text string) bool {
	if !strings.HasPrefix(text, "file resize error: ") {
		return false
	}
	for _, errno := range noSpace {
		if strings.HasSuffix(text, ": "+errno.Error()) {
			return true
		}
	}
	return false
}

// safely calls fn and turns a panic into an error. The error does not repeat
// the value that was thrown, which may hold anything, unless the runtime threw.
func safely(fn func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *damage:
			err = p.err()
		case runtime.Error:
			err = fmt.Errorf("panicked: %w", p)
		default:
			err = fmt.Errorf("panicked with a %T", p)
		}
	}()
	return fn()
}

// A damage is thrown where bbolt threw: it asserts the shape of pages as it
// walks them, and a page that lies behind the end of the file faults.
type damage struct{ cause any }

func (d *damage) err() error { return fmt.Errorf("%w: %v", ErrDamaged, d.cause) }

// markDamage is deferred round calls of bbolt, and round nothing else.
func markDamage() {
	if p := recover(); p != nil {
		panic(&damage{p})
	}
}
