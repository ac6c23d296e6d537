package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// partSuffix is what a copy's name ends in while it is not whole.
const partSuffix = ".assd-part"

// CopyTo writes all that is alive, as one commit left it, to a new file at path: a vault
// file of mode 0600, durable, and without the pages that are free. It appears whole or
// not at all; killed before, CopyTo leaves a file path.assd-part, which the next one
// to the same path replaces.
//
// Meanwhile all goes on, except that at the end no commit is made while what changed
// during the last moments is copied. One copy is made at a time; others wait.
//
// Errors: fs.ErrExist, that of ctx, ErrFull, ErrStopped, ErrDamaged, ErrReadOnly.
func (db *DB) CopyTo(ctx context.Context, path string) error {
	if err := db.copyTo(ctx, path); err != nil {
		return fmt.Errorf("copying %q to %q: %w", db.path, path, err)
	}
	return nil
}

func (db *DB) copyTo(ctx context.Context, path string) error {
	done, err := db.copyAlone(ctx)
	if err != nil {
		return err
	}
	defer done()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fs.ErrExist)
	}
	c, err := db.startCopy(ctx, path+partSuffix)
	if err != nil {
		return err
	}
	err = c.run()
	if err == nil {
		err = db.writer.alone(ctx, c.last)
	}
	if err == nil {
		err = c.settle()
	}
	if err == nil {
		err = c.publish(path)
	}
	return errors.Join(err, c.abandon()) // all but the name that it has now
}

// copyAlone waits until no other copy is being made.
func (db *DB) copyAlone(ctx context.Context) (done func(), err error) {
	if db.writer == nil {
		return nil, ErrReadOnly
	}
	select {
	case db.copying <- struct{}{}:
		return func() { <-db.copying }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-db.closing:
		return nil, ErrStopped
	}
}

// publish gives the copy its name, and takes it away again when that did not succeed.
func (c *copier) publish(path string) error {
	err := c.db.disk.link(c.path, path)
	if err == nil {
		err = c.db.disk.syncDir(filepath.Dir(path))
	}
	if err != nil && c.liesAt(path) {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// liesAt reports whether the copy has that name.
func (c *copier) liesAt(path string) bool {
	there, err := os.Lstat(path)
	if err != nil {
		return false
	}
	opened, err := c.file.Stat()
	return err == nil && os.SameFile(opened, there)
}
