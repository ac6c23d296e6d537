package store

import (
	"os"
)

// wipeFree fills with zeros the pages that the newest state of a file does not use. A
// state before it cannot be gone back to any more. Nobody may use the file meanwhile.
func wipeFree(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	m, err := readMeta(f, info.Size())
	if err != nil {
		return err
	}
	free, err := freePages(f, m)
	if err != nil {
		return err
	}
	zeros := make([]byte, m.pageSize)
	for _, id := range free {
		if _, err := f.WriteAt(zeros, int64(id*m.pageSize)); err != nil {
			return err
		}
	}
	return nil
}

// freePages are the pages that the file lists as free.
func freePages(f *os.File, m metaPage) (free []uint64, err error) {
	c := &pageCheck{from: f, meta: m, taken: make([]uint64, m.pages/64+1)}
	err = c.freelist(func(id uint64) { free = append(free, id) })
	return free, err
}
