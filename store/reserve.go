package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// A reserve is a file of allocated blocks whose only use is to be given up.
// Once it was, it is made again when there is space for all of it; until then
// only those who may use the reserve are served. It belongs to the writer.
type reserve struct {
	path   string // empty: there is none, and everyone is served
	size   int64  // bytes
	now    func() time.Time
	intact bool
	tried  time.Time // when it was last tried to make it

	allocate func(f *os.File, size int64) error // tests make it fail
}

// openReserve makes the reserve if it is not there. That there is no space for
// it is no error.
func openReserve(cfg Config) (*reserve, error) {
	r := &reserve{path: cfg.ReservePath, size: cfg.ReserveSize, now: cfg.Now, allocate: allocate}
	if r.path == "" {
		return r, nil
	}
	err := r.fill()
	if err == nil || isNoSpace(err) {
		return r, nil
	}
	if info, gone := os.Lstat(r.path); gone == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: move it away, and the next start makes the file", irregular(info))
	}
	return nil, err
}

// ready reports whether everyone may be served: the reserve is intact, or could
// be made again now.
func (r *reserve) ready() bool {
	if r.path == "" || r.intact {
		return true
	}
	if now := r.now(); now.Sub(r.tried).Abs() < reserveRetry {
		return false
	}
	return r.fill() == nil
}

// giveUp reports whether there was a reserve to give up.
func (r *reserve) giveUp() bool {
	if !r.intact {
		return false
	}
	r.intact = false
	// If this fails there is no more space than before, and the commit that
	// follows says so.
	f, err := os.OpenFile(r.path, os.O_WRONLY|syscall.O_NOFOLLOW, 0)
	if err == nil {
		empty(f)  //nolint:errcheck
		f.Close() //nolint:errcheck
	}
	return true
}

// fill makes the file whole, or leaves it empty.
func (r *reserve) fill() error {
	r.tried = r.now()
	f, err := os.OpenFile(r.path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, fileMode)
	if err != nil {
		return err
	}
	err = errors.Join(f.Chmod(fileMode), r.allocate(f, r.size))
	if err != nil {
		err = errors.Join(err, empty(f))
	} else {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	r.intact = err == nil
	return err
}

// empty gives the blocks of f back to the file system.
func empty(f *os.File) error {
	return errors.Join(f.Truncate(0), f.Sync())
}

// allocated reports whether f already has blocks for size bytes.
func allocated(f *os.File, size int64) bool {
	info, err := f.Stat()
	if err != nil || info.Size() < size {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Blocks*512 >= size
}

// writeBlocks allocates by writing. Random bytes, since a file system that
// compresses would keep next to nothing for zeros.
func writeBlocks(f *os.File, size int64) error {
	block := make([]byte, 64<<10)
	for at := int64(0); at < size; at += int64(len(block)) {
		rand.Read(block)
		if _, err := f.WriteAt(block[:min(int64(len(block)), size-at)], at); err != nil {
			return err
		}
	}
	return nil
}
