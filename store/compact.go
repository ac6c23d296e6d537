package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
)

// compactTx is how much one transaction copies, in bytes.
const compactTx = 8 << 20

// Compact writes the vault file at path anew, without the pages that are free:
// they keep what they held. The new file takes the old one's place whole, durably, or
// not at all; killed before, it leaves a file beside it that the next one removes.
//
// It needs the file to itself: ErrLocked says that someone has it open. ErrFull:
// there is no space for a second one.
func Compact(path string) error {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // see damage
	if err := compact(path); err != nil {
		return fmt.Errorf("compacting %q: %w", path, err)
	}
	return nil
}

func compact(path string) (err error) {
	from, err := openFile(path, false, false) // for writing, so that nobody else has it
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	temp := path + ".compact"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := copyTo(temp, from); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncDir(filepath.Dir(path))
}

// copyTo copies what is alive to a new file; Close has synced it.
func copyTo(path string, from *bolt.DB) error {
	to, err := bolt.Open(path, fileMode, &bolt.Options{Timeout: lockTimeout, FreelistType: bolt.FreelistMapType, NoSync: true})
	if err != nil {
		return ifFull(err)
	}
	err = safely(func() error {
		defer markDamage()
		return bolt.Compact(to, from, compactTx)
	})
	return errors.Join(ifFull(err), to.Sync(), to.Close())
}

// ifFull is err, as ErrFull where it says that there was no space.
func ifFull(err error) error {
	if err != nil && (isNoSpace(err) || isFullResize(err.Error())) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
