//go:build unix

package main

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// syncFolder makes the names in a folder durable. One that we may not read, or whose file
// system has no sync of folders, is as durable as it gets.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err == nil {
		err = d.Sync()
		d.Close() //nolint:errcheck // only read
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}
