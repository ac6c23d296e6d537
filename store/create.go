package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// ensure makes the vault file when there is none and there may be one.
func ensure(cfg Config) error {
	_, err := os.Lstat(cfg.Path)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case cfg.MustExist || cfg.ReadOnly:
		return ErrMissing
	}
	err = create(cfg.Path, cfg.disk)
	if isNoSpace(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// create builds an empty vault under a temporary name and links it to path when
// it is whole. Where two processes create at once one of them wins; the other
// finds the winner's file.
func create(path string, d *disk) error {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, base+".new-*") // mode 0600
	if err != nil {
		return err
	}
	temp := f.Name()
	defer os.Remove(temp) //nolint:errcheck // at worst a name too many
	if err := f.Close(); err != nil {
		return err
	}
	if err := build(temp, d); err != nil {
		return fmt.Errorf("creating: %w", err)
	}
	// Link and not Rename, which would replace another's file.
	if err := d.link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("creating: %w", err)
	}
	return d.syncDir(dir)
}

// build writes the buckets and the format into the empty file at path.
func build(path string, d *disk) error {
	b, err := bolt.Open(path, fileMode, &bolt.Options{Timeout: lockTimeout, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return err
	}
	defer b.Close() //nolint:errcheck // the commit has fsynced
	btx, err := b.Begin(true)
	if err != nil {
		return err
	}
	defer btx.Rollback() //nolint:errcheck // after a commit it does nothing
	for _, name := range slices.Concat(buckets, later) {
		if _, err := btx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	if err := btx.Bucket([]byte(Meta)).Put(formatKey, encodeFormat(Format)); err != nil {
		return err
	}
	return d.commit(btx)
}
