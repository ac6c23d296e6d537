package envelope

import (
	"fmt"
	"io"
	"log/slog"

	"golang.org/x/crypto/cryptobyte"
)

// Payload is what a sealed value holds. Metadata is JSON, or nil for none; it
// is not read here. A payload prints as [REDACTED].
type Payload struct {
	Value    Plaintext
	Metadata []byte
}

// Wipe overwrites value and metadata.
func (p Payload) Wipe() {
	p.Value.Wipe()
	clear(p.Metadata)
}

// Format implements [fmt.Formatter].
func (Payload) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue implements [slog.LogValuer].
func (Payload) LogValue() slog.Value { return slog.StringValue(redacted) }

// marshal gives len32 ‖ value ‖ metadata, to be cleared by the caller.
func (p Payload) marshal() ([]byte, error) {
	value := p.Value.Reveal()
	if len(value) > MaxValue {
		return nil, fmt.Errorf("value has %d bytes, over %d", len(value), MaxValue)
	}
	if len(p.Metadata) > MaxMetadata {
		return nil, fmt.Errorf("metadata has %d bytes, over %d", len(p.Metadata), MaxMetadata)
	}
	// Room for all of it at once: growing would leave plaintext in buffers
	// that nobody clears.
	b := cryptobyte.NewFixedBuilder(make([]byte, 0, lenValue+len(value)+len(p.Metadata)))
	b.AddUint32(uint32(len(value)))
	b.AddBytes(value)
	b.AddBytes(p.Metadata)
	return b.Bytes()
}

// parsePayload takes b over; the result shares its bytes.
func parsePayload(b []byte) (Payload, bool) {
	s := cryptobyte.String(b)
	var n uint32
	var value []byte
	if !s.ReadUint32(&n) || n > MaxValue || !s.ReadBytes(&value, int(n)) || len(s) > MaxMetadata {
		return Payload{}, false
	}
	out := Payload{Value: NewPlaintext(value[:len(value):len(value)])}
	if len(s) > 0 {
		out.Metadata = []byte(s)
	}
	return out, true
}
