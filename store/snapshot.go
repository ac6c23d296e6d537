package store

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// A Snapshot is the store as one commit left it.
type Snapshot struct{ view }

// View calls fn with a snapshot and returns its error. It waits for no one.
//
// fn should be short: as long as a snapshot is open, pages that later commits
// free cannot be used again, and the file grows. For long walks see Chunks.
//
// The newest commit may be seen a moment before its fsync has returned. What
// must not be told before it is durable has to go through Update.
//
// Its own errors: ErrStopped, and ErrDamaged when fn came upon a damaged page.
func (db *DB) View(fn func(*Snapshot) error) (err error) {
	if err := db.Failed(); err != nil {
		return err
	}
	btx, _, err := db.begin()
	if err != nil {
		return db.beginError(err)
	}
	defer btx.Rollback() //nolint:errcheck // of a read transaction: cannot fail
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = db.damageError(p)
		}
	}()
	return fn(&Snapshot{view{btx}})
}

// begin opens a snapshot, and says of which file.
func (db *DB) begin() (*bolt.Tx, handle, error) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	btx, err := db.bolt.Begin(false)
	return btx, db.handle, err
}

// damageError turns a thrown damage into an error and throws anything else on.
func (db *DB) damageError(p any) error {
	d, ok := p.(*damage)
	if !ok {
		panic(p)
	}
	return fmt.Errorf("reading %q: %w", db.path, d.err())
}

func (db *DB) beginError(err error) error {
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return fmt.Errorf("reading %q: %w", db.path, ErrStopped)
	}
	return fmt.Errorf("reading %q: %w", db.path, err)
}

// Chunks calls fn for each key of b from the first that is >= from, in
// ascending order, until fn returns false or an error, which it returns. It
// copies n entries at a time, fewer where they are large, out of a snapshot of
// their own, and fn runs outside of any: so it may take as long as it likes, may
// keep the slices, and may call Update. Entries written meanwhile are seen when
// they lie ahead.
func (db *DB) Chunks(b Bucket, from []byte, n int, fn func(k, v []byte) (bool, error)) error {
	if n <= 0 {
		return fmt.Errorf("scanning %q: %d entries at a time", string(b), n)
	}
	for {
		chunk, rest, err := db.piece(b, from, n, maxChunk)
		if err != nil {
			return err
		}
		if rest {
			from = append(bytes.Clone(chunk[len(chunk)-1].key), 0) // the next key there can be
		}
		for _, e := range chunk {
			if more, err := fn(e.key, e.value); err != nil || !more {
				return err
			}
		}
		if !rest {
			return nil
		}
	}
}

type entry struct{ key, value []byte }

// piece copies the next entries, up to n, or to most bytes and one entry more; rest says
// that there may be more.
func (db *DB) piece(b Bucket, from []byte, n, most int) (chunk []entry, rest bool, err error) {
	size := 0
	err = db.View(func(s *Snapshot) error {
		return s.Scan(b, from, func(k, v []byte) (bool, error) {
			chunk = append(chunk, entry{bytes.Clone(k), clone(v)})
			size += len(k) + len(v)
			rest = len(chunk) == n || size >= most
			return !rest, nil
		})
	})
	return chunk, rest, err
}

// clone copies a value; unlike bytes.Clone it never returns nil, which would
// mean that there is no such key.
func clone(value []byte) []byte {
	return append(make([]byte, 0, len(value)), value...)
}

// txid returns the number of the newest commit that can be seen.
func txid(b *bolt.DB) (int, error) {
	btx, err := b.Begin(false)
	if err != nil {
		return 0, err
	}
	defer btx.Rollback() //nolint:errcheck // of a read transaction: cannot fail
	return btx.ID(), nil
}
