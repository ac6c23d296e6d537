package store

import (
	"os"

	bolt "go.etcd.io/bbolt"
)

// A disk is the steps of a copy that may fail; tests make them fail.
type disk struct {
	commit  func(*bolt.Tx) error // of a piece
	sync    func(*os.File) error
	link    func(from, to string) error
	rename  func(from, to string) error
	syncDir func(dir string) error
}

var realDisk = disk{
	commit:  (*bolt.Tx).Commit,
	sync:    (*os.File).Sync,
	link:    os.Link,
	rename:  os.Rename,
	syncDir: syncDir,
}
