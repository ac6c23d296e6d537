package dotenv

import (
	"errors"
	"fmt"
)

// Limits, in bytes.
const (
	MaxText  = 16 << 20 // of a text
	MaxValue = 1 << 20  // of a value
)

// ErrTooLarge is wrapped by the errors about a text, a value, or a number of
// pairs over its limit.
var ErrTooLarge = errors.New("over a limit")

// Error says what is wrong with a text, and where. It repeats none of it.
type Error struct {
	Line    int // from 1
	Problem string
	cause   error // ErrTooLarge or nil
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Problem) }

// Unwrap gives [ErrTooLarge] where a limit is the problem.
func (e *Error) Unwrap() error { return e.cause }

// Pair is a name and its value. It prints without the value.
type Pair struct {
	Name  string
	Value []byte // the pair's own, to be cleared by whoever has it
	Line  int    // where the name stands, from 1
}

// Format implements [fmt.Formatter].
func (p Pair) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%s=[REDACTED]", p.Name) }

// Wipe overwrites the values.
func Wipe(pairs []Pair) {
	for _, p := range pairs {
		clear(p.Value)
	}
}

// isName reports whether s has the characters of a name.
func isName(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && s[i] != '_' && s[i] != '.' && s[i] != '-' {
			return false
		}
	}
	return s != ""
}

func isAlphanumeric(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
}
