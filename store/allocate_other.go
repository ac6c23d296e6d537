//go:build !linux

package store

import "os"

// allocate gives f blocks for size bytes.
func allocate(f *os.File, size int64) error {
	if allocated(f, size) {
		return nil
	}
	return writeBlocks(f, size)
}
