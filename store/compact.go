package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/internal/crashpoint"
)

// compactSuffix is behind the vault file's name in that of its copy.
const compactSuffix = ".compact"

// Compact is DB.Compact for a file that nobody has open, else it is ErrLocked.
func Compact(path string) error {
	db, err := Open(Config{Path: path, MustExist: true})
	if err != nil {
		return fmt.Errorf("compacting: %w", err)
	}
	return errors.Join(db.Compact(context.Background()), db.Close())
}

// Compact writes the vault file anew, without the pages that are free, which keep what
// they held, and goes on in the new file. That takes the old one's place whole, durably,
// or not at all; killed before, it leaves a file beside it that the next one replaces.
//
// Readers wait for the exchange alone, and no snapshot that is open ends; Compact itself
// waits for those of the old file, since until then its bytes are on the disk. Writers
// wait while what changed during the last moments is copied, synced and renamed. One
// copy is made at a time; others wait.
//
// Errors: that of ctx, ErrFull (there is no space for a second file), ErrDamaged,
// ErrReadOnly, ErrStopped: also where it cannot be said which file a crash would leave
// at the name, and the store has stopped for good.
func (db *DB) Compact(ctx context.Context) error {
	if err := db.compact(ctx); err != nil {
		return fmt.Errorf("compacting %q: %w", db.path, err)
	}
	return nil
}

func (db *DB) compact(ctx context.Context) error {
	done, err := db.copyAlone(ctx)
	if err != nil {
		return err
	}
	defer done()
	c, err := db.startCopy(ctx, db.path+compactSuffix)
	if err != nil {
		return err
	}
	if err := c.run(); err != nil {
		return errors.Join(err, c.abandon())
	}
	var old *bolt.DB
	err = db.writer.alone(ctx, func() (err error) { old, err = c.replace(); return err })
	if err != nil {
		return errors.Join(err, c.abandon())
	}
	return old.Close()
}

// replace puts the copy in the place of the store's file. The writer runs it.
func (c *copier) replace() (old *bolt.DB, err error) {
	if err := c.last(); err != nil {
		return nil, err
	}
	if err := c.settle(); err != nil {
		return nil, err
	}
	crashpoint.At("compact.copied")
	if err := c.rename(); err != nil {
		return nil, err
	}
	crashpoint.At("compact.renamed")
	c.to.NoSync = false
	return c.db.exchange(c.to, c.file), nil
}

// rename gives the copy the store's name, for good. Once the name may have changed there
// is no way back: a crash could leave either file, and what is committed to the other
// would be lost.
func (c *copier) rename() error {
	w := c.db.writer
	if err := c.db.disk.rename(c.path, c.db.path); err != nil && !c.liesAt(c.db.path) {
		if c.db.liesAt(c.db.path) {
			return err
		}
		return w.fail(fmt.Errorf("renaming: %w", err))
	}
	if err := c.db.disk.syncDir(filepath.Dir(c.db.path)); err != nil {
		return w.fail(fmt.Errorf("syncing the folder of %q: %w", c.db.path, err))
	}
	return nil
}

// exchange makes b, which holds the same, the file of the store.
func (db *DB) exchange(b *bolt.DB, f *os.File) (old *bolt.DB) {
	db.mu.Lock()
	defer db.mu.Unlock()
	old = db.bolt
	db.bolt, db.file = b, f
	db.writer.bolt = b
	return old
}

// liesAt reports whether the open file has that name.
func (db *DB) liesAt(path string) bool {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return checkInPlace(path, db.file) == nil
}
