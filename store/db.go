package store

import (
	"context"
	"fmt"
	"os"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// A DB is an open vault file. Its methods may be called by any goroutine.
type DB struct {
	path    string
	writer  *writer // nil when open for reading only
	disk    disk
	noted   int           // changed keys that may pile up before a copy is brought up to them
	copying chan struct{} // holds one while a copy is being made
	closing chan struct{} // closed when a copy has to end
	closed  sync.Once

	mu sync.RWMutex // held to begin a snapshot, and to exchange the file
	handle
}

// A handle is an open file.
type handle struct {
	bolt *bolt.DB
	file *os.File // that bbolt has open
}

// Open opens the vault file, making it if need be, and starts the writer.
//
// A file that is not a vault's is refused before anything is written to it or
// mapped: ErrForeign, ErrExposed, ErrNewer. Further errors: ErrLocked,
// ErrMissing, ErrDamaged, ErrFull (no space to make the file). A reserve that cannot
// be made for want of space is no error: the store then starts as if the disk had
// just become full.
func Open(cfg Config) (*DB, error) {
	cfg = cfg.withDefaults()
	if err := ensure(cfg); err != nil {
		return nil, fmt.Errorf("opening %q: %w", cfg.Path, err)
	}
	h, err := openFile(cfg.Path, cfg.ReadOnly, cfg.CheckPages)
	if err != nil {
		return nil, fmt.Errorf("opening %q: %w", cfg.Path, err)
	}
	db := &DB{path: cfg.Path, handle: h, disk: realDisk, noted: maxNoted, copying: make(chan struct{}, 1), closing: make(chan struct{})}
	if cfg.ReadOnly {
		return db, nil
	}
	r, err := openReserve(cfg)
	if err != nil {
		h.bolt.Close() //nolint:errcheck // nothing was written
		return nil, fmt.Errorf("opening reserve %q: %w", cfg.ReservePath, err)
	}
	db.writer = newWriter(cfg, h.bolt, r)
	return db, nil
}

// Update runs op, on the goroutine of any of those who call it, in a transaction
// that it shares with other operations, and returns nil when what op did is durable. When op
// returns an error, Update returns just that, after the transaction's commit,
// and nothing that op did stands.
//
// op should be quick, since everyone waits for it. It may run more than once,
// so it should set, not add to, what it shares with its caller; it may not call
// Update, nor runtime.Goexit (which t.Fatal does).
//
// When ctx ends before op has begun, Update returns ctx.Err() and op never runs.
// Once op has begun, Update waits for the result.
//
// Its own errors: ErrFull, ErrBusy, ErrStopped, ErrDamaged, ErrReadOnly, and
// whatever Config.Prepare returns.
func (db *DB) Update(ctx context.Context, op func(*Tx) error) error {
	return db.submit(newRequest(ctx, op, false))
}

// UpdateReserved is Update for what must be possible on a full disk too: the
// reserve is given up for it.
func (db *DB) UpdateReserved(ctx context.Context, op func(*Tx) error) error {
	return db.submit(newRequest(ctx, op, true))
}

func (db *DB) submit(r *request) error {
	if db.writer == nil {
		return fmt.Errorf("writing %q: %w", db.path, ErrReadOnly)
	}
	return db.writer.submit(r)
}

// Failed returns nil while the store works, and an ErrStopped with its cause
// once it has stopped for good. Close is no failure.
func (db *DB) Failed() error {
	if db.writer == nil {
		return nil
	}
	return db.writer.failed()
}

// Done is closed once Failed is not nil.
func (db *DB) Done() <-chan struct{} {
	if db.writer == nil {
		return nil // never
	}
	return db.writer.stopped
}

// Path returns the path of the vault file.
func (db *DB) Path() string { return db.path }

// Close refuses further calls with ErrStopped, waits for the operations that
// are queued, for a copy, which ends early, and for open snapshots, and unlocks the
// file. Closing again does nothing.
func (db *DB) Close() (err error) {
	db.closed.Do(func() {
		close(db.closing)
		if db.writer != nil {
			db.writer.close()
		}
		db.copying <- struct{}{}
		if err = db.bolt.Close(); err != nil {
			err = fmt.Errorf("closing %q: %w", db.path, err)
		}
	})
	return err
}
