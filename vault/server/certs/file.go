package certs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// file is one to read: with a mode that has none of the bits in closed, or fix
// is what to type. flag is what named it; "": assd keeps it.
type file struct {
	what, path, flag string
	closed           fs.FileMode
	fix              string
}

// read reads the whole of a regular file. It looks at the open file, so that
// nothing can be put in its place between the look and the read.
func (f file) read() ([]byte, error) {
	// O_NONBLOCK: a fifo must not hold up the start.
	o, err := os.OpenFile(filepath.Clean(f.path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w%s", f.what, err, f.hint(err))
	}
	defer o.Close()
	info, err := o.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.what, err)
	}
	switch perm := info.Mode().Perm(); {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s %q is no regular file", f.what, f.path)
	case perm&f.closed != 0:
		return nil, fmt.Errorf("%s %q is open to others (mode %04o): chmod %s %s", f.what, f.path, perm, f.fix, f.path)
	}
	b, err := io.ReadAll(io.LimitReader(o, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.what, err)
	}
	if len(b) > maxFile {
		clear(b)
		return nil, fmt.Errorf("%s %q is longer than %d bytes", f.what, f.path, maxFile)
	}
	return b, nil
}

// hint says what to do about a file that cannot be opened.
func (f file) hint(err error) string {
	switch {
	case f.flag == "":
		return ""
	case errors.Is(err, fs.ErrNotExist):
		return "; " + f.flag + " says where it is: put it there, or give another path"
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("; let uid %d, which assd runs as, read it", os.Geteuid())
	}
	return ""
}

// exists reports whether there is anything at path.
func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// write puts b in a new file at path, whole or not at all, and on disk when it
// returns. Only one process writes there.
func write(path string, b []byte) error {
	draft := path + ".new"
	if err := os.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // left of a start that was killed
	}
	f, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(draft))
	}
	if err := os.Rename(draft, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
