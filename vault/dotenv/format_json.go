package dotenv

import (
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// unfitJSON: JSON has an escape for all that is text.
func unfitJSON(p Pair) string {
	if !utf8.Valid(p.Value) {
		return "the value is not UTF-8"
	}
	return p.unfitName()
}

// addJSON adds a member of an object.
func addJSON(dst []byte, p Pair) []byte {
	dst = append(append(append(dst, `  "`...), p.Name...), `": "`...) // a name needs no escapes
	for i := 0; i < len(p.Value); {
		r, n := utf8.DecodeRune(p.Value[i:])
		dst = addJSONRune(dst, r)
		i += n
	}
	return append(dst, '"')
}

// addJSONRune adds a character, and an escape for one that a terminal would act on
// or not show: it means the same.
func addJSONRune(dst []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case r == '\n':
		return append(dst, `\n`...)
	case unicode.IsPrint(r):
		return utf8.AppendRune(dst, r)
	case r > 0xffff:
		high, low := utf16.EncodeRune(r)
		return addEscape(addEscape(dst, high), low)
	}
	return addEscape(dst, r)
}

func addEscape(dst []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
