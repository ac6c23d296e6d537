package seal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const (
	keySize  = 32 // bytes of every key here
	redacted = "[REDACTED]"
)

// ErrWiped means that a key was used after its Wipe, or was never made.
var ErrWiped = errors.New("key has been wiped")

var errNotPrintable = errors.New("key material cannot be marshalled")

// material is what the keys, of keySize bytes, and the passphrases share: secret
// bytes that print as [REDACTED], refuse to be marshalled and, holding a
// function, cannot be compared with ==. Copies share the bytes.
type material struct {
	// A closure, because fmt reads the unexported fields of a struct round this
	// one, where it calls no Format, and with %s follows even a pointer there,
	// but cannot look into a function.
	access func(wipe bool) []byte
}

func newMaterial() material {
	b := make([]byte, keySize)
	rand.Read(b)
	return materialOf(b)
}

// materialOf takes b over; for a key it must have keySize bytes.
func materialOf(b []byte) material {
	return material{access: func(wipe bool) []byte {
		if wipe {
			clear(b)
			b = nil
		}
		return b
	}}
}

// bytes returns the key itself, not a copy.
func (m material) bytes() ([]byte, error) {
	if m.access == nil {
		return nil, ErrWiped
	}
	if b := m.access(false); b != nil {
		return b, nil
	}
	return nil, ErrWiped
}

// Wipe overwrites the key. It must not run beside another method of the same
// key; whatever is called afterwards fails with [ErrWiped].
func (m material) Wipe() {
	if m.access != nil {
		m.access(true)
	}
}

// Format implements [fmt.Formatter]; it prints [REDACTED] for every verb.
func (material) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// String implements [fmt.Stringer].
func (material) String() string { return redacted }

// GoString implements [fmt.GoStringer].
func (material) GoString() string { return redacted }

// LogValue implements [slog.LogValuer].
func (material) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON always fails.
func (material) MarshalJSON() ([]byte, error) { return nil, errNotPrintable }

// MarshalText always fails.
func (material) MarshalText() ([]byte, error) { return nil, errNotPrintable }

// GobEncode always fails.
func (material) GobEncode() ([]byte, error) { return nil, errNotPrintable }
