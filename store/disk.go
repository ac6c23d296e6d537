package store

import (
	"os"

	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/internal/durable"
)

// A disk is the steps that make files and change names, which may fail; tests make them
// fail. The commits of the writer have a hook of their own.
type disk struct {
	commit  func(*bolt.Tx) error // of a new file, of a piece of a copy, of another format
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
	syncDir: durable.SyncDir,
}
