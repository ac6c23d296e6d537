package store

import "time"

// Bounds that are not configured.
const (
	maxBatch           = 256                    // operations in one commit
	defaultQueue       = 1024                   // operations that wait
	defaultReserveSize = 4 << 20                // bytes
	reserveRetry       = 1 * time.Second        // between tries to make the reserve again
	lockTimeout        = 100 * time.Millisecond // two tries: another start may just be looking
	growStep           = 1 << 20                // bytes that the file grows by beyond what is needed
	maxValueSize       = 64 << 20               // bytes; an event of the trail is never as long
	maxChunk           = 16 << 20               // bytes that Chunks copies at once, and one entry more
	fileMode           = 0o600
)

// Config says which file to open and what to run round each commit.
type Config struct {
	// Path is the database file. It is created, mode 0600, when it does not
	// exist; its directory must exist.
	Path string

	// ReservePath is a file that is kept only to be given up when the disk is
	// full, for UpdateReserved. Empty means there is none.
	ReservePath string
	// ReserveSize is the size of the reserve in bytes; 0 means 4 MiB.
	ReserveSize int64

	// Prepare, if not nil, runs in each transaction that will be committed,
	// after its operations. An error rolls all of them back, and every caller
	// gets it.
	Prepare func(tx *Tx) error
	// Committed, if not nil, is run by the writer after each durable
	// commit, before its callers are answered.
	Committed func()

	// ReadOnly opens without writing a byte: a shared lock, no reserve, every
	// Update refused with ErrReadOnly. Implies MustExist.
	ReadOnly bool
	// CheckPages refuses with ErrDamaged a file in which a page is not what bbolt
	// takes it for, before anything is read by it. Takes about as long as reading
	// the file once. Without it such a page is found when it is come upon, where the
	// type of the page, a size or the order of keys tells.
	CheckPages bool
	// MustExist refuses with ErrMissing when there is no file.
	MustExist bool

	// Queue is how many operations may wait for the writer before further ones
	// are refused with ErrBusy; 0 means 1024.
	Queue int

	disk *disk // in place of the real one, for tests

	// Now is the clock, used to space tries to make the reserve again; nil
	// means time.Now.
	Now func() time.Time
}

func (cfg Config) withDefaults() Config {
	if cfg.ReserveSize <= 0 {
		cfg.ReserveSize = defaultReserveSize
	}
	if cfg.Queue <= 0 {
		cfg.Queue = defaultQueue
	}
	if cfg.disk == nil {
		cfg.disk = &realDisk
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Prepare == nil {
		cfg.Prepare = func(*Tx) error { return nil }
	}
	if cfg.Committed == nil {
		cfg.Committed = func() {}
	}
	return cfg
}
