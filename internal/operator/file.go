package operator

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/agent-secret-store/assd/internal/confine"
	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/internal/shell"
)

// File is one to read.
type File struct {
	Path string
	Max  int64 // bytes
	// What it is, for errors: "TLS key". "": "file".
	What string
	// Flag is the option that named it, for errors; "": none.
	Flag string
	// Closed are the bits that its mode must not have, and Fix the mode that chmod
	// takes then. 0: those that let group and others write.
	Closed fs.FileMode
	Fix    string
	// Kept: in a folder that assd made itself, and the way to it is not looked at.
	Kept bool
}

// Read reads the whole of a file that is at most max bytes, may be read by all,
// and was written and put there by nobody but root or our user.
func Read(path string, max int64) ([]byte, error) {
	return File{Path: path, Max: max}.Read()
}

// Read reads the whole of f. It does not wait for a save to end; see [File.Settled].
func (f File) Read() ([]byte, error) {
	f = f.defaults()
	if err := f.checkWay(); err != nil {
		return nil, err
	}
	// O_NONBLOCK: a fifo must not hold up the start.
	o, err := os.OpenFile(f.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, f.explain("reading "+f.What, err)
	}
	defer o.Close()
	info, err := o.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.What, err)
	}
	if err := f.check(info); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(o, f.Max+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.What, err)
	}
	if int64(len(b)) > f.Max {
		clear(b)
		return nil, kindError{fmt.Errorf("%s %q is longer than %d bytes", f.What, f.Path, f.Max), ErrTooLarge}
	}
	return b, nil
}

func (f File) defaults() File {
	f.Path = filepath.Clean(f.Path)
	if f.What == "" {
		f.What = "file"
	}
	if f.Closed == 0 {
		f.Closed, f.Fix = 0o022, "go-w"
	}
	return f
}

// checkWay refuses a path that others could lead to a file of theirs.
func (f File) checkWay() error {
	if f.Kept {
		return nil
	}
	err := peer.CheckParents(f.Path, os.Geteuid())
	if err == nil {
		return nil
	}
	what := f.What
	if f.Flag != "" {
		what += " (" + f.Flag + ")"
	}
	return f.explain(what, err)
}

// explain is err with what to do about it.
func (f File) explain(what string, err error) error {
	explained := fmt.Errorf("%s: %w%s", what, err, f.hint(err))
	if f.beyond(err) {
		return kindError{explained, ErrBeyond}
	}
	return explained
}

// beyond reports whether err says that the process has given up getting there.
func (f File) beyond(err error) bool {
	return errors.Is(err, fs.ErrPermission) && confine.Beyond(f.Path)
}

// check refuses what others may have written or, of a key, read.
func (f File) check(info fs.FileInfo) error {
	uid, perm := os.Geteuid(), info.Mode().Perm()
	switch stat, ok := info.Sys().(*syscall.Stat_t); {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s %q is no regular file", f.What, f.Path)
	case !ok:
		return fmt.Errorf("%s %q has no owner that is known", f.What, f.Path)
	case stat.Uid != 0 && int(stat.Uid) != uid:
		return kindError{fmt.Errorf("%s %q belongs to uid %d, neither root nor uid %d, which assd runs as; if what it holds is right: chown %d %s",
			f.What, f.Path, stat.Uid, uid, uid, shell.Quote(f.Path)), ErrExposed}
	case perm&f.Closed != 0:
		return kindError{fmt.Errorf("%s %q is open to others (mode %04o): chmod %s %s",
			f.What, f.Path, perm, f.Fix, shell.Quote(f.Path)), ErrExposed}
	}
	return nil
}

// hint says what to do about a file that cannot be opened.
func (f File) hint(err error) string {
	switch {
	case f.Kept:
		return ""
	case f.beyond(err):
		return "; " + ErrBeyond.Error()
	case f.Flag != "" && errors.Is(err, fs.ErrNotExist):
		return "; " + f.Flag + " says where it is: put it there, or give another path"
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("; let uid %d, which assd runs as, read it", os.Geteuid())
	}
	return ""
}
