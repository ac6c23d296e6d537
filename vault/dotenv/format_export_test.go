// The printer that the tests read back; the programs print no .env text yet.

package dotenv

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Format prints pairs so that [Parse] reads them back, a line for each. Values
// without quotes, or in single quotes, mean the same to a shell. It fails, naming
// the pair, when a text cannot carry it: a value that is not UTF-8, has a NUL byte
// or is too long, a name that is none or stands twice. A text over [MaxText] is
// ErrTooLarge.
func Format(pairs []Pair) ([]byte, error) {
	size := 0
	seen := make(map[string]bool, len(pairs))
	for _, p := range pairs {
		if fault := p.fault(); fault != "" {
			return nil, fmt.Errorf("printing %q: %s", p.Name, fault)
		}
		if seen[p.Name] {
			return nil, fmt.Errorf("printing %q: the name stands twice", p.Name)
		}
		seen[p.Name] = true
		size += len(p.Name) + 2*len(p.Value) + len("=\"\"\n")
	}
	text := make([]byte, 0, size) // grown, it would leave copies behind
	for _, p := range pairs {
		text = append(append(text, p.Name...), '=')
		text = append(appendQuoted(text, p.Value), '\n')
	}
	if len(text) > MaxText {
		clear(text)
		return nil, fmt.Errorf("printing %d values: %w of %d bytes", len(pairs), ErrTooLarge, MaxText)
	}
	return text, nil
}

// fault says what keeps p out of a text, or "".
func (p Pair) fault() string {
	switch {
	case !isName(p.Name):
		return "the name is empty or has a character outside A-Z a-z 0-9 _ . -"
	case len(p.Value) > MaxValue:
		return fmt.Sprintf("the value is longer than %d bytes", MaxValue)
	case bytes.IndexByte(p.Value, 0) >= 0:
		return "the value has a NUL byte"
	case !utf8.Valid(p.Value):
		return "the value is not UTF-8"
	}
	return ""
}

// appendQuoted appends value in the first form that carries it: bare, in single
// quotes, in double quotes.
func appendQuoted(dst, value []byte) []byte {
	switch {
	case isBare(value):
		return append(dst, value...)
	case !bytes.ContainsAny(value, "'\r\n"):
		return append(append(append(dst, '\''), value...), '\'')
	}
	dst = append(dst, '"')
	for _, c := range value {
		if i := strings.IndexByte(standFor, c); i >= 0 && c != '\t' {
			dst = append(dst, '\\', escaped[i])
		} else {
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// isBare reports whether value is the same without quotes, here and in a shell.
func isBare(value []byte) bool {
	for _, c := range value {
		if !isAlphanumeric(c) && strings.IndexByte("_./:@%+,=-", c) < 0 {
			return false
		}
	}
	return true
}
