package away

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/agent-secret-store/assd/internal/backups"
	"github.com/agent-secret-store/assd/internal/confine"
	"github.com/agent-secret-store/assd/internal/durable"
	"github.com/agent-secret-store/assd/internal/operator"
	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/internal/shell"
)

// Folder is a folder that backups are put into, each a file of its own, and from which
// the oldest are removed.
type Folder struct {
	path     string
	attempts attempts
}

// NewFolder is the folder at an absolute path.
func NewFolder(path string) *Folder { return &Folder{path: filepath.Clean(path)} }

// String is the path.
func (f *Folder) String() string { return f.path }

// Folders are those that it is: where it is a symbolic link, the one that it leads to
// too.
func (f *Folder) Folders() []string {
	dirs := []string{f.path}
	if real, err := filepath.EvalSymlinks(f.path); err == nil && real != f.path {
		dirs = append(dirs, real)
	}
	return dirs
}

// Check says why the folder cannot be used: it is missing, or others could have put it
// there or can write in it. The error wraps [operator.ErrBeyond] where this process has
// given up writing. It changes nothing.
func (f *Folder) Check() error {
	missing := fmt.Errorf("the folder %q is missing: mkdir -p %s, or mount what belongs there", f.path, shell.Quote(f.path))
	if err := peer.CheckParents(filepath.Join(f.path, "x"), os.Geteuid()); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return missing
		}
		return err
	}
	info, err := os.Stat(f.path)
	if err != nil || !info.IsDir() {
		return missing
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch uid := os.Geteuid(); {
	case !ok || stat.Uid != 0 && int(stat.Uid) != uid:
		return fmt.Errorf("the folder %q belongs neither to root nor to uid %d, which assd runs as: chown %d %s", f.path, uid, uid, shell.Quote(f.path))
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others can write in the folder %q (mode %04o): chmod go-w %s", f.path, info.Mode().Perm(), shell.Quote(f.path))
	}
	for _, dir := range f.Folders() {
		if confine.Unwritable(dir) {
			return operator.ErrBeyond
		}
	}
	return nil
}

// Put writes a backup of the vault, with that SHA-256 in hex, as a file of its own, for
// us alone to read, whole or not at all; reads it again; and then removes the oldest of
// the same vault but for the newest few. It takes as long as it takes; when ctx ends it
// is waited for no longer. What is read from b is read by it alone, until done is called.
func (f *Folder) Put(ctx context.Context, tenant string, at time.Time, b io.Reader, sum string, keep int, done func()) error {
	err := f.attempts.runLong(ctx, func() error {
		defer done()
		if err := f.Check(); err != nil {
			return err
		}
		name, ok := backups.Name(tenant, at)
		if !ok {
			return fmt.Errorf("%q is no name of a backup", name)
		}
		if err := f.write(draftName+tenant, name, b, sum); err != nil {
			return fmt.Errorf("writing a backup: %w", plain(err))
		}
		if err := backups.Prune(f.path, tenant, name, keep); err != nil {
			return fmt.Errorf("removing an old backup: %w", plain(err))
		}
		return nil
	})
	if err == errBusy { // it has not begun
		done()
	}
	return err
}

// draftName and the vault's tenant are the name of a draft, since the daemons of several
// vaults may share a folder.
const draftName = ".assd-backup-draft-"

// write puts a file there. One draft of a vault at a time: one that a power cut has left
// is overwritten.
func (f *Folder) write(draft, name string, b io.Reader, sum string) (err error) {
	draft = filepath.Join(f.path, draft)
	if err := os.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	o, err := os.OpenFile(draft, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(o, b)
	if err = errors.Join(err, o.Sync()); err == nil {
		err = rereads(o, sum)
	}
	if err = errors.Join(err, o.Close()); err == nil {
		err = os.Rename(draft, filepath.Join(f.path, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(draft))
	}
	return durable.TrySyncDir(f.path)
}

func rereads(o *os.File, sum string) error {
	if _, err := o.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(h, o); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != sum {
		return errors.New("what was written reads otherwise")
	}
	return nil
}

// Newest is when the newest backup of the vault that is there was taken; zero: there is
// none, or it cannot be told now. One that says that it was taken after now is of a clock
// that ran ahead, and does not count.
func (f *Folder) Newest(ctx context.Context, tenant string, now time.Time) time.Time {
	found := make(chan time.Time, 1)
	err := f.attempts.run(ctx, func() error {
		at, err := backups.Newest(f.path, tenant, now)
		found <- at
		return err
	})
	if err != nil {
		return time.Time{}
	}
	return <-found
}
