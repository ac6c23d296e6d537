package store

import (
	"context"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// backupName is where the file at path lies as it was before its format was changed.
func backupName(path string, format uint32) string {
	return fmt.Sprintf("%s.format-%d", path, format)
}

// migrate makes of an older file one of today's format: first a copy of it beside it,
// then one commit. Killed before that commit, the file is what it was, and the next Open
// begins again; a copy from an attempt before is replaced.
func (db *DB) migrate() error {
	format, err := formatOf(db.bolt)
	if err != nil || format == Format {
		return err
	}
	backup := backupName(db.path, format)
	err = db.copyAs(context.Background(), backup, db.disk.rename)
	if errors.Is(err, ErrFull) {
		return fmt.Errorf("it is of format %d and this version writes %d, but there is no space for the copy that is kept of it: free some and start again: %w", format, Format, err)
	}
	if err != nil {
		return fmt.Errorf("copying it to %q before it is made one of format %d: %w", backup, Format, err)
	}
	db.backup = backup
	return setFormat(db.bolt, db.disk.commit)
}

// Backup is where the file lies as it was before Open changed its format; "" when Open
// did not.
func (db *DB) Backup() string { return db.backup }

func formatOf(b *bolt.DB) (format uint32, err error) {
	err = safely(func() error {
		defer markDamage()
		return b.View(func(btx *bolt.Tx) error {
			format, _ = decodeFormat(btx.Bucket([]byte(Meta)).Get(formatKey))
			return nil
		})
	})
	return format, err
}

// setFormat writes today's format in a commit of its own.
func setFormat(b *bolt.DB, commit func(*bolt.Tx) error) error {
	return safely(func() error {
		defer markDamage()
		btx, err := b.Begin(true)
		if err != nil {
			return err
		}
		defer btx.Rollback() //nolint:errcheck // after a commit it does nothing
		if err := btx.Bucket([]byte(Meta)).Put(formatKey, encodeFormat(Format)); err != nil {
			return err
		}
		return ifFull(commit(btx))
	})
}
