package store

import "golang.org/x/sys/unix"

// spaceIn is how many bytes the file system of dir has left for us, if it says so.
func spaceIn(dir string) (bytes int64, known bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil || s.Blocks == 0 {
		return 0, false
	}
	return int64(s.Bavail) * s.Bsize, true
}
