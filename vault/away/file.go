package away

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/agent-secret-store/assd/internal/confine"
	"github.com/agent-secret-store/assd/internal/durable"
	"github.com/agent-secret-store/assd/internal/operator"
	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/internal/shell"
)

// File is a file that each checkpoint is appended to: notes with an empty line
// between them. It is opened anew each time, so it may be moved away, and the device
// may come and go.
type File struct {
	path     string
	attempts attempts
}

// NewFile is the file at an absolute path.
func NewFile(path string) *File { return &File{path: filepath.Clean(path)} }

// String is the path.
func (f *File) String() string { return f.path }

// Same reports whether other is the same file, by its path.
func (f *File) Same(other Place) bool {
	o, ok := other.(*File)
	return ok && o.path == f.path
}

// Close has nothing to do.
func (f *File) Close() {}

// Folders are those that it is written in: its own, and where it is a symbolic link
// the one of the file that it leads to.
func (f *File) Folders() []string {
	dirs := []string{filepath.Dir(f.path)}
	if real, err := filepath.EvalSymlinks(f.path); err == nil {
		dirs = append(dirs, filepath.Dir(real))
	}
	return dirs
}

// Check says why the file cannot be used: its folder is missing, others could have
// put it there or can write it, or it is no regular file. The error wraps
// [operator.ErrBeyond] where this process has given up writing. It changes nothing.
func (f *File) Check() error {
	dir := filepath.Dir(f.path)
	if err := peer.CheckParents(f.path, os.Geteuid()); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("its folder %q is missing: mkdir -p %s, or mount what belongs there", dir, shell.Quote(dir))
		}
		return err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("its folder %q is missing: mkdir -p %s, or mount what belongs there", dir, shell.Quote(dir))
	}
	for _, dir := range f.Folders() {
		if confine.Unwritable(dir) {
			return operator.ErrBeyond
		}
	}
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("looking at it: %w", plain(err))
	}
	return f.judge(info)
}

// judge refuses what is no file of ours alone.
func (f *File) judge(info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch uid := os.Geteuid(); {
	case !info.Mode().IsRegular():
		return errors.New("it is no regular file: give the path of one, or of none yet")
	case !ok || stat.Uid != 0 && int(stat.Uid) != uid:
		return fmt.Errorf("it belongs neither to root nor to uid %d, which assd runs as: move it away, or chown %d %s", uid, uid, shell.Quote(f.path))
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others can write it (mode %04o): chmod go-w %s", info.Mode().Perm(), shell.Quote(f.path))
	}
	return nil
}

// Send appends the note of c and waits until it is on the device, with its name.
func (f *File) Send(ctx context.Context, c Checkpoint) error {
	return f.attempts.run(ctx, func() error {
		if err := f.Check(); err != nil {
			return err
		}
		// O_NONBLOCK: what is a fifo now must not hold the attempt up.
		o, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("opening it: %w; let uid %d, which assd runs as, write it, or restart assd if the device was plugged in anew", plain(err), os.Geteuid())
		}
		if err != nil {
			return fmt.Errorf("opening it: %w", plain(err))
		}
		if err := errors.Join(f.add(o, c.Note), plain(o.Close())); err != nil {
			return err
		}
		return f.syncFolders()
	})
}

// syncFolders makes the file's name durable, each time: it may be new, or another try at
// one whose folder failed.
func (f *File) syncFolders() error {
	for _, dir := range f.Folders() {
		if err := durable.TrySyncDir(dir); err != nil {
			return fmt.Errorf("syncing its folder: %w", plain(err))
		}
	}
	return nil
}

func (f *File) add(o *os.File, note []byte) error {
	info, err := o.Stat()
	if err != nil {
		return fmt.Errorf("looking at it: %w", plain(err))
	}
	if err := f.judge(info); err != nil {
		return err
	}
	size := info.Size()
	n, err := o.Write(append(gap(o, size), note...))
	if err != nil {
		if n > 0 { // half a note; where it stays, the next one keeps its distance
			err = errors.Join(plain(err), plain(o.Truncate(size)))
		}
		return fmt.Errorf("writing to it: %w", plain(err))
	}
	if err := o.Sync(); err != nil {
		return fmt.Errorf("writing to it: %w", plain(err))
	}
	return nil
}

// gap is what stands between the end of the file and the next note.
func gap(o *os.File, size int64) []byte {
	last := []byte{0}
	if size == 0 {
		return nil
	}
	if _, err := o.ReadAt(last, size-1); err == nil && last[0] == '\n' {
		return []byte("\n")
	}
	return []byte("\n\n")
}

// plain is what the system said, without the path, which stands before it.
func plain(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
