package store

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Space is how much of the file system that dir lies on is free for this user, and its
// size, in bytes; a size of 0 is one that does not say.
func Space(dir string) (free, size uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, fmt.Errorf("looking at the disk of %q: %w", dir, err)
	}
	block := uint64(s.Bsize) //nolint:unconvert // its type differs between systems
	return s.Bavail * block, s.Blocks * block, nil
}
