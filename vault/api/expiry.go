package api

import (
	"errors"
	"time"
)

// ErrExpiry says how an expiry is written.
var ErrExpiry = errors.New(`expires_at must be a time like "2027-03-01T12:00:00Z"`)

// Expiry is a time in a request, as RFC 3339 has it.
type Expiry time.Time

// MarshalJSON writes e as RFC 3339.
func (e Expiry) MarshalJSON() ([]byte, error) { return time.Time(e).MarshalJSON() }

// UnmarshalJSON fails with ErrExpiry alone, which repeats nothing.
func (e *Expiry) UnmarshalJSON(b []byte) error {
	var t time.Time
	if err := t.UnmarshalJSON(b); err != nil {
		return ErrExpiry
	}
	*e = Expiry(t)
	return nil
}
