package certs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/agent-secret-store/assd/internal/peer"
)

// file is one to read: with a mode that has none of the bits in closed, or fix
// is what to type. flag is what named it; "": assd keeps it.
type file struct {
	what, path, flag string
	closed           fs.FileMode
	fix              string
}

// read reads the whole of a regular file that nobody but root and our user can
// have put there. It looks at the way first and then at the open file, so that
// nothing can be put in its place between the looks and the read.
func (f file) read() ([]byte, error) {
	path := filepath.Clean(f.path)
	if err := f.checkWay(path); err != nil {
		return nil, err
	}
	// O_NONBLOCK: a fifo must not hold up the start.
	o, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w%s", f.what, err, f.hint(err))
	}
	defer o.Close()
	info, err := o.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.what, err)
	}
	if err := f.check(info); err != nil {
		return nil, err
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

// checkWay refuses a path that others could lead to a file of theirs. The folder
// of what assd keeps is one that it has made itself.
func (f file) checkWay(path string) error {
	if f.flag == "" {
		return nil
	}
	if err := peer.CheckParents(path, os.Geteuid()); err != nil {
		return fmt.Errorf("%s (%s): %w%s", f.what, f.flag, err, f.hint(err))
	}
	return nil
}

// check refuses what others may have written or, of a key, read.
func (f file) check(info fs.FileInfo) error {
	uid, perm := os.Geteuid(), info.Mode().Perm()
	switch stat, ok := info.Sys().(*syscall.Stat_t); {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s %q is no regular file", f.what, f.path)
	case !ok:
		return fmt.Errorf("%s %q has no owner that is known", f.what, f.path)
	case stat.Uid != 0 && int(stat.Uid) != uid:
		return fmt.Errorf("%s %q belongs to uid %d, neither root nor uid %d, which assd runs as; if what it holds is right: chown %d %s",
			f.what, f.path, stat.Uid, uid, uid, f.path)
	case perm&f.closed != 0:
		return fmt.Errorf("%s %q is open to others (mode %04o): chmod %s %s", f.what, f.path, perm, f.fix, f.path)
	}
	return nil
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
