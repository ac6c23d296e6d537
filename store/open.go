package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"runtime/debug"
	"syscall"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// mapSize is how much address space is mapped at once, in bytes. While the file
// is smaller, growing it needs no new map, which would wait for every open
// snapshot: 64 GiB, or 1 GiB where addresses have 32 bits.
const mapSize = 1 << 30 * (1 + 63*(bits.UintSize/64))

// openFile opens a vault file that exists. It looks at it read-only first, since
// opening for writing may already write; with check also at every page.
func openFile(path string, readOnly, check bool) (handle, error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	h, err := openBolt(path, true, check, 0)
	if err != nil || readOnly {
		return h, err
	}
	if err := h.bolt.Close(); err != nil {
		return handle{}, err
	}
	h, err = openBolt(path, false, false, mapSize)
	if errors.Is(err, syscall.ENOMEM) { // a limit on address space (ulimit -v)
		h, err = openBolt(path, false, false, 0)
	}
	return h, err
}

// addLater makes the buckets that an older version of this program did not know.
func addLater(b *bolt.DB) error {
	return safely(func() error {
		defer markDamage()
		missing := false
		err := b.View(func(btx *bolt.Tx) error {
			for _, name := range later {
				missing = missing || btx.Bucket([]byte(name)) == nil
			}
			return nil
		})
		if err != nil || !missing {
			return err
		}
		return b.Update(func(btx *bolt.Tx) error {
			for _, name := range later {
				if _, err := btx.CreateBucketIfNotExists([]byte(name)); err != nil {
					return fmt.Errorf("adding bucket %q: %w", string(name), err)
				}
			}
			return nil
		})
	})
}

// openBolt opens path and checks its format, and before that, with check, its pages;
// size is that of the map in bytes.
func openBolt(path string, readOnly, check bool, size int) (h handle, err error) {
	err = safely(func() (err error) {
		defer markDamage()
		h.bolt, err = bolt.Open(path, fileMode, options(readOnly, size, &h.file))
		return err
	})
	if errors.Is(err, berrors.ErrTimeout) {
		return handle{}, ErrLocked
	}
	if err != nil {
		return handle{}, err
	}
	h.bolt.AllocSize = growStep
	err = checkInPlace(path, h.file)
	if err == nil && check {
		err = checkPages(h.file)
	}
	if err == nil {
		err = checkFormat(h.bolt)
	}
	if err != nil {
		h.bolt.Close() //nolint:errcheck // nothing was written
		return handle{}, err
	}
	return h, nil
}

// checkInPlace refuses a file that Compact has replaced while this waited for the
// lock on it: what is written there is lost.
func checkInPlace(path string, f *os.File) error {
	there, err := os.Lstat(path)
	if err != nil {
		return err
	}
	return checkSame(there, f)
}

// checkSame refuses a file that is not the one which lies in its place now.
func checkSame(there fs.FileInfo, f *os.File) error {
	opened, err := f.Stat()
	if err == nil && !os.SameFile(opened, there) {
		err = ErrLocked
	}
	return err
}

func options(readOnly bool, size int, opened **os.File) *bolt.Options {
	return &bolt.Options{
		Timeout:         lockTimeout,
		ReadOnly:        readOnly,
		InitialMmapSize: size,
		FreelistType:    bolt.FreelistMapType,
		NoStatistics:    true,
		OpenFile: func(path string, flag int, _ os.FileMode) (f *os.File, err error) {
			f, err = openProbed(path, flag&^os.O_CREATE, readOnly)
			*opened = f
			return f, err
		},
	}
}

// checkFormat refuses what is not a vault of our format with all its buckets.
func checkFormat(b *bolt.DB) error {
	return safely(func() error {
		defer markDamage()
		return b.View(checkFormatTx)
	})
}

func checkFormatTx(btx *bolt.Tx) error {
	meta := btx.Bucket([]byte(Meta))
	if meta == nil {
		return fmt.Errorf("%w: it has no bucket %q", ErrForeign, string(Meta))
	}
	format, ok := decodeFormat(meta.Get(formatKey))
	switch {
	case !ok:
		return fmt.Errorf("%w: it does not say its format", ErrForeign)
	case format > Format:
		return fmt.Errorf("%w: its format is %d, the newest known is %d", ErrNewer, format, Format)
	}
	for _, name := range buckets {
		if btx.Bucket([]byte(name)) == nil {
			return fmt.Errorf("%w: it has no bucket %q", ErrForeign, string(name))
		}
	}
	return nil
}
