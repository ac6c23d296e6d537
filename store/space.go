package store

import (
	"fmt"
	"os"
)

// Space is how large the vault file is, and how much of it holds nothing that is
// alive, both in bytes. The latter is what the last transaction of the writer has left.
func (db *DB) Space() (file, free int64, err error) {
	err = db.View(func(s *Snapshot) error {
		info, err := os.Stat(db.path)
		if err != nil {
			return fmt.Errorf("looking at the vault file: %w", err)
		}
		file = info.Size()
		free = max(0, file-s.btx.Size()) + int64(db.bolt.Stats().FreeAlloc)
		return nil
	})
	return file, free, err
}
