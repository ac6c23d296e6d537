package seal

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// Bounds of Argon2Params. They are checked before anything is computed, so
// that a slot in a foreign file can neither exhaust the machine nor make a
// passphrase cheap to guess.
const (
	minMemoryKiB = 64 << 10 // 64 MiB
	maxMemoryKiB = 1 << 20  // 1 GiB
	maxTime      = 10
	maxThreads   = 8
)

// Argon2Params are the costs of Argon2id (RFC 9106) where a person remembers the
// secret.
type Argon2Params struct {
	MemoryKiB uint32 `json:"memory_kib"` // 64 MiB to 1 GiB
	Time      uint32 `json:"time"`       // passes, 1 to 10
	Threads   uint8  `json:"threads"`    // lanes, 1 to 8
}

// DefaultArgon2 is the cost of a new passphrase: 64 MiB and 3 passes, the second
// recommendation of RFC 9106 section 4, in 2 lanes, since a vault may run on a
// machine of two cores.
func DefaultArgon2() Argon2Params {
	return Argon2Params{MemoryKiB: minMemoryKiB, Time: 3, Threads: 2}
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

// addTo binds the parameters: 4, 4 and 1 bytes.
func (p Argon2Params) addTo(b *cryptobyte.Builder) {
	b.AddUint32(p.MemoryKiB)
	b.AddUint32(p.Time)
	b.AddUint8(p.Threads)
}
