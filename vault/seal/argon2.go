package seal

import "fmt"

// Bounds of Argon2Params. They are checked before anything is computed, so
// that a slot in a foreign file can neither exhaust the machine nor make a
// passphrase cheap to guess.
const (
	minMemoryKiB = 64 << 10 // 64 MiB
	maxMemoryKiB = 1 << 20  // 1 GiB
	maxTime      = 10
	maxThreads   = 8
)

// Argon2Params are the costs of Argon2id (RFC 9106) for slots whose secret a
// person remembers.
type Argon2Params struct {
	MemoryKiB uint32 `json:"memory_kib"` // 64 MiB to 1 GiB
	Time      uint32 `json:"time"`       // passes, 1 to 10
	Threads   uint8  `json:"threads"`    // lanes, 1 to 8
}

// Check reports the first parameter that is out of bounds.
func (p Argon2Params) Check() error {
	switch {
	case p.MemoryKiB < minMemoryKiB || p.MemoryKiB > maxMemoryKiB:
		return fmt.Errorf("argon2 memory %d KiB is not within %d and %d", p.MemoryKiB, minMemoryKiB, maxMemoryKiB)
	case p.Time < 1 || p.Time > maxTime:
		return fmt.Errorf("argon2 time %d is not within 1 and %d", p.Time, maxTime)
	case p.Threads < 1 || p.Threads > maxThreads:
		return fmt.Errorf("argon2 threads %d is not within 1 and %d", p.Threads, maxThreads)
	}
	return nil
}
