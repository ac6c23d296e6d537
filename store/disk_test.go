package store

import (
	"os"

	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/internal/durable"
)

// faultyDisk is one whose step fails with err, the first time that it is come to, whether
// it has happened or not.
func faultyDisk(step string, happened bool, err error) (d *disk, reached *bool) {
	reached = new(bool)
	f := realDisk
	fails := func(name string, do func() error) error {
		if name != step || *reached {
			return do()
		}
		*reached = true
		if happened {
			if err := do(); err != nil {
				return err
			}
		}
		return err
	}
	f.commit = func(btx *bolt.Tx) error {
		name := "commit of the copy"
		if !inCopy(btx) {
			name = "commit"
		}
		return fails(name, btx.Commit)
	}
	f.sync = func(file *os.File) error { return fails("sync", file.Sync) }
	f.link = func(from, to string) error { return fails("link", func() error { return os.Link(from, to) }) }
	f.rename = func(from, to string) error { return fails("rename", func() error { return os.Rename(from, to) }) }
	f.syncDir = func(dir string) error { return fails("folder sync", func() error { return durable.SyncDir(dir) }) }
	return &f, reached
}

// inCopy reports whether a transaction is one of a copy.
func inCopy(btx *bolt.Tx) bool { return btx.DB().NoSync }
