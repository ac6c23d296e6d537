package store

import (
	"errors"
	"fmt"
)

// A Size is how large the vault file is.
type Size struct {
	File int64 // bytes of the file
	Free int64 // bytes of it in pages that are free: later commits use them, Compact gives them back
}

// Size returns the size of the file as it is now. Its errors: ErrStopped, ErrDamaged.
func (db *DB) Size() (size Size, err error) {
	for range 100 { // two commits in the moment between are rare
		if size, err = db.measure(); !errors.Is(err, errOverwritten) {
			break
		}
	}
	if err != nil {
		return Size{}, fmt.Errorf("measuring %q: %w", db.path, err)
	}
	return size, nil
}

var errOverwritten = errors.New("the meta page of a snapshot is not there any more")

// measure counts the pages that were free in a snapshot: while that is open, the list of
// them stays, though its meta page may be written over.
func (db *DB) measure() (size Size, err error) {
	btx, h, err := db.begin()
	if err != nil {
		return Size{}, db.beginError(err)
	}
	defer btx.Rollback() //nolint:errcheck // of a read transaction: cannot fail
	info, err := h.file.Stat()
	if err != nil {
		return Size{}, err
	}
	m, err := readMeta(h.file, info.Size())
	if err != nil {
		return Size{}, err
	}
	if m.txid != uint64(btx.ID()) {
		return Size{}, errOverwritten
	}
	free, err := freePages(h.file, m)
	return Size{File: info.Size(), Free: int64(uint64(len(free)) * m.pageSize)}, err
}
