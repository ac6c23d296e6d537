package dotenv

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
)

// unfitDotenv: what Parse would not take.
func unfitDotenv(p Pair) string {
	if len(p.Value) > MaxValue {
		return fmt.Sprintf("the value is longer than %d bytes", MaxValue)
	}
	return cmp.Or(p.unfitName(), p.unfitText())
}

// addDotenv adds a line that [Parse] reads back. A value without quotes, or in
// single quotes, means the same to a shell.
func addDotenv(dst []byte, p Pair) []byte {
	dst = append(append(dst, p.Name...), '=')
	return append(appendQuoted(dst, p.Value), '\n')
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
