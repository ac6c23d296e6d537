package store

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// allocate gives f blocks for size bytes.
func allocate(f *os.File, size int64) error {
	if allocated(f, size) {
		return nil
	}
	err := unix.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return writeBlocks(f, size)
	}
	return err
}
