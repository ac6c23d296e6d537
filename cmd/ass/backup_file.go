package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/agent-secret-store/assd/internal/durable"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// backupFile is where a backup goes: for its owner alone, whole or not at all.
type backupFile struct {
	path  string
	force bool // in the place of what is there
}

// check finds out, before the daemon is asked for anything, whether it can be written.
func (f backupFile) check() error {
	info, err := os.Lstat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return f.fault(err)
	case !info.Mode().IsRegular():
		return usage("the backup's file: there is something that is no regular file", "name another file")
	case !f.force:
		return f.taken()
	}
	t, err := f.draft()
	if err != nil {
		return err
	}
	return errors.Join(t.Close(), os.Remove(t.Name()))
}

func (f backupFile) taken() error {
	return &fault{code: api.CodeConflict, message: "the backup's file is there already, and stays as it is", hint: "name another file, or add --force"}
}

func (f backupFile) draft() (*os.File, error) {
	t, err := os.CreateTemp(filepath.Dir(f.path), ".ass-backup-*") // 0600
	if err != nil {
		return nil, f.fault(err)
	}
	return t, nil
}

// take writes b there, reads it again, and puts it in its place.
func (f backupFile) take(b *client.Backup) error {
	t, err := f.draft()
	if err != nil {
		return err
	}
	defer os.Remove(t.Name()) // gone, once it has its place
	err = f.fill(t, b)
	if closing := t.Close(); err == nil && closing != nil {
		err = f.fault(closing)
	}
	if err != nil {
		return err
	}
	if err := f.place(t.Name()); err != nil {
		return err
	}
	if err := durable.TrySyncDir(filepath.Dir(f.path)); err != nil {
		return f.fault(err)
	}
	return nil
}

func (f backupFile) fill(t *os.File, b *client.Backup) error {
	w := &drafting{file: t}
	if err := pass(b, w); err != nil {
		if w.err != nil {
			err = f.fault(w.err)
		}
		return err
	}
	_, err := t.Seek(0, io.SeekStart)
	if err = errors.Join(err, t.Sync()); err != nil {
		return f.fault(err)
	}
	h := sha256.New()
	if _, err := io.Copy(h, t); err != nil {
		return f.fault(err)
	}
	if hex.EncodeToString(h.Sum(nil)) != b.SHA256 {
		return f.fault(errors.New("what was written reads otherwise"))
	}
	return nil
}

// pass writes b to w, and holds it against what was said of it.
func pass(b *client.Backup, w io.Writer) error {
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(h, w), b)
	if cut, ok := errors.AsType[*client.CutError](err); ok {
		err = fmt.Errorf("%w: %w", errBackupCut, cut.Err)
	}
	if err == nil && (n != b.Size || hex.EncodeToString(h.Sum(nil)) != b.SHA256) {
		err = errBackupCut
	}
	if errors.Is(err, errBackupCut) {
		return &fault{code: codeFailed, message: err.Error(), hint: "run it again; look at the daemon with: ass status"}
	}
	return err
}

// place gives the draft its name.
func (f backupFile) place(draft string) error {
	if !f.force {
		err := os.Link(draft, f.path)
		if err == nil {
			return nil
		}
		if _, there := os.Lstat(f.path); there == nil {
			return f.taken()
		}
	} // a file system without hard links: what comes there in this moment is lost
	if err := os.Rename(draft, f.path); err != nil {
		return f.fault(err)
	}
	return nil
}

func (backupFile) fault(err error) error {
	return writeFault("the backup's file", err, "name a file elsewhere")
}
