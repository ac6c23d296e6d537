package dotenv

import "strings"

// Escapes in double quotes: the character behind the backslash, and what it
// stands for at the same place.
const (
	escaped  = `nrt"\$`
	standFor = "\n\r\t\"\\$"
)

// closingQuote is where the double quote is that closes a value, or -1.
func closingQuote(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++ // whatever it is, it closes nothing
		case '"':
			return i
		}
	}
	return -1
}

// unquote is the value that stands in quotes as inside. A line that ends in CRLF
// ends in LF there, so that a text means the same in both forms.
func unquote(inside string, escapes bool) []byte {
	value := make([]byte, 0, len(inside)) // grown, it would leave copies behind
	for i := 0; i < len(inside); i++ {
		next := byte(0)
		if i+1 < len(inside) {
			next = inside[i+1]
		}
		switch c := inside[i]; {
		case c == '\r' && next == '\n':
		case c == '\\' && escapes && strings.IndexByte(escaped, next) >= 0:
			value = append(value, standFor[strings.IndexByte(escaped, next)])
			i++
		default:
			value = append(value, c)
		}
	}
	return value
}
