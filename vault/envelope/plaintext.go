package envelope

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[REDACTED]"

var errNotMarshalled = errors.New("plaintext cannot be marshalled; Reveal it where it must leave")

// Plaintext is the value of a secret in the clear. It prints as [REDACTED],
// refuses to be marshalled and, holding a function, cannot be compared with ==;
// Reveal is the only way out. Copies share the bytes. The zero value is an empty, nil value.
type Plaintext struct {
	// A closure, because fmt reads the unexported fields of a struct round this
	// one, where it calls no Format, but cannot look into a function.
	access func(wipe bool) []byte
}

// NewPlaintext takes b over: the caller must neither change nor keep it.
func NewPlaintext(b []byte) Plaintext {
	return Plaintext{access: func(wipe bool) []byte {
		if wipe {
			clear(b)
			b = nil
		}
		return b
	}}
}

// Reveal returns the bytes themselves, not a copy; nil after Wipe.
func (p Plaintext) Reveal() []byte {
	if p.access == nil {
		return nil
	}
	return p.access(false)
}

// Wipe overwrites the bytes, for all copies of p. It must not run beside a use
// of what Reveal returned.
func (p Plaintext) Wipe() {
	if p.access != nil {
		p.access(true)
	}
}

// Format implements [fmt.Formatter]; it prints [REDACTED] for every verb.
func (Plaintext) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// String implements [fmt.Stringer].
func (Plaintext) String() string { return redacted }

// GoString implements [fmt.GoStringer].
func (Plaintext) GoString() string { return redacted }

// LogValue implements [slog.LogValuer].
func (Plaintext) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON always fails.
func (Plaintext) MarshalJSON() ([]byte, error) { return nil, errNotMarshalled }

// MarshalText always fails.
func (Plaintext) MarshalText() ([]byte, error) { return nil, errNotMarshalled }

// GobEncode always fails.
func (Plaintext) GobEncode() ([]byte, error) { return nil, errNotMarshalled }
