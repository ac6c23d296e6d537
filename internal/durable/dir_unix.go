//go:build unix

package durable

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// SyncDir makes the names in dir durable. The error is that of the system.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// TrySyncDir is SyncDir for a folder that is somebody else's choice: one that we may not
// read, or whose file system has no sync of folders, is as durable as it gets.
func TrySyncDir(dir string) error {
	err := SyncDir(dir)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}
