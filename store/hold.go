package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Hold locks the vault file at path against whoever opens it for writing, without
// reading it, so that a damaged one can be held too. ErrLocked: another process has it
// open; ErrMissing: there is none. Who has waited for it meanwhile finds, with ErrLocked,
// that another file was put in its place.
func Hold(path string) (release func() error, err error) {
	f, err := os.OpenFile(filepath.Clean(path), os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("holding %q: %w", path, ErrMissing)
	}
	if err != nil {
		return nil, fmt.Errorf("holding the vault file: %w", err)
	}
	err = lockAlone(f)
	if err == nil {
		err = checkInPlace(path, f)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("holding %q: %w", path, err), f.Close())
	}
	return f.Close, nil
}

// HoldDir locks the folder at path against whoever calls it as well, for what is done where
// no vault file is yet. ErrLocked: another process has it.
func HoldDir(path string) (release func() error, err error) {
	f, err := os.OpenFile(filepath.Clean(path), os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("holding the data dir: %w", err)
	}
	err = lockAlone(f)
	if err == nil {
		err = checkDirInPlace(path, f)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("holding %q: %w", path, err), f.Close())
	}
	return f.Close, nil
}

// checkDirInPlace refuses a folder that whoever held it has removed. A link to one is one.
func checkDirInPlace(path string, f *os.File) error {
	there, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return ErrLocked
	}
	if err != nil {
		return err
	}
	return checkSame(there, f)
}

// lockAlone locks f as bbolt does: first for us alone, which says that nobody has it
// open, then so that it can be read still, and not written.
func lockAlone(f *os.File) error {
	for _, how := range []int{syscall.LOCK_EX, syscall.LOCK_SH} {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return ErrLocked
		}
		if err != nil {
			return err
		}
	}
	return nil
}
