package policy

import (
	"errors"
	"fmt"
)

// ErrInvalid is what every error of this package's parsers wraps.
var ErrInvalid = errors.New("invalid")

// invalidError is a refusal of one text: a sentence for the person who sent
// it, without the text itself.
type invalidError struct{ msg string }

func (e *invalidError) Error() string { return e.msg }
func (e *invalidError) Unwrap() error { return ErrInvalid }

func invalid(format string, args ...any) error {
	return &invalidError{fmt.Sprintf(format, args...)}
}
