package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/agent-secret-store/assd/internal/durable"
)

var errKeyFileThere = usage("the file of --key-file is there already, and a key file is never overwritten", "name another one, or move it away first")

// newKeyFile writes a key to a new file, mode 0600, which appears whole or not at all.
func newKeyFile(path string, key []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".ass-key-*") // mode 0600
	if err != nil {
		return keyFileFault(err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(key)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Link(f.Name(), path) // and not Rename, which would replace another's
	}
	if errors.Is(err, fs.ErrExist) {
		return errKeyFileThere
	}
	if err == nil { // before the daemon has a slot for it
		err = durable.TrySyncDir(filepath.Dir(path))
	}
	if err != nil {
		return keyFileFault(err)
	}
	return nil
}

func keyFileFault(err error) error {
	return writeFault("the file of --key-file", err, "name another file")
}
