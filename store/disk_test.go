package store

import (
	"errors"
	"os"
	"syscall"

	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/internal/durable"
)

// faultyDisk is one whose step fails with err, the first time that it is come to, whether
// it has happened or not.
func faultyDisk(step string, happened bool, err error) (d *disk, reached *bool) {
	return diskWith(step, func(do func() error) error {
		if happened {
			if err := do(); err != nil {
				return err
			}
		}
		return err
	})
}

// OpenKilled is Open, and the process is killed at a step of the disk that it comes to,
// before that happens or behind it.
func OpenKilled(cfg Config, step string, happened bool) error {
	cfg.disk, _ = diskWith(step, func(do func() error) error {
		if happened {
			if err := do(); err != nil {
				return err
			}
		}
		syscall.Kill(syscall.Getpid(), syscall.SIGKILL) //nolint:errcheck // there is no after
		select {}
	})
	db, err := Open(cfg)
	if err == nil {
		err = errors.Join(errors.New("the step is not come to"), db.Close())
	}
	return err
}

// diskWith is one that does something else in place of a step, the first time that it is
// come to.
func diskWith(step string, other func(do func() error) error) (d *disk, reached *bool) {
	reached = new(bool)
	f := realDisk
	fails := func(name string, do func() error) error {
		if name != step || *reached {
			return do()
		}
		*reached = true
		return other(do)
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
