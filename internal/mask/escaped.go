package mask

import (
	"unicode/utf16"
	"unicode/utf8"
)

// escaped follows the output as if it were encoded. Without an escape it would go
// where the plain text goes, so it is only apart from it (on) since an escape that
// matters.
type escaped struct {
	text
	on     bool
	plus   bool                 // + is a space, as in a query
	opens  byte                 // begins an escape
	length func(esc []byte) int // bytes that esc will have; 0: it is none
	decode func(esc []byte) []byte
	esc    []byte // begun, not complete
	at     int64  // where it began
}

// step takes the byte at pos; plain is the plain text before that byte.
func (e *escaped) step(c byte, pos int64, plain *text) {
	if !e.on {
		if c != e.opens && !(e.plus && c == '+' && plain.node != 0) {
			return
		}
		e.on = true
		e.copyFrom(plain)
	}
	if len(e.esc) == 0 {
		e.begin(c, pos)
		return
	}
	e.esc = append(e.esc, c)
	switch e.length(e.esc) {
	case 0:
		e.giveUp(c, pos)
	case len(e.esc):
		for _, b := range e.decode(e.esc) {
			e.feed(b, span{e.at, pos + 1})
		}
		e.esc = e.esc[:0]
	}
}

// begin takes a byte outside of escapes.
func (e *escaped) begin(c byte, pos int64) {
	if c == e.opens {
		e.esc, e.at = append(e.esc, c), pos
		return
	}
	if e.plus && c == '+' {
		c = ' '
	}
	e.feed(c, span{pos, pos + 1})
}

// giveUp takes what looked like an escape as it is; its last byte, c, may begin
// another.
func (e *escaped) giveUp(c byte, pos int64) {
	before := e.esc[:len(e.esc)-1]
	for i, b := range before {
		e.feed(b, span{e.at + int64(i), e.at + int64(i) + 1})
	}
	e.esc = e.esc[:0]
	e.begin(c, pos)
}

// settle ends being apart when there is no difference any more.
func (e *escaped) settle(plain *text) {
	if e.on && len(e.esc) == 0 && (e.node == 0 || e.same(plain)) {
		e.on = false
	}
}

// percentLength is the length of %41; see RFC 3986, 2.1.
func percentLength(esc []byte) int { return whenHex(esc[1:], 3) }

func percentDecode(esc []byte) []byte { return []byte{byte(number(esc[1:]))} }

// whenHex is n, or 0 when a byte is no hex digit.
func whenHex(digits []byte, n int) int {
	for _, c := range digits {
		if hexDigit[c] == none {
			return 0
		}
	}
	return n
}

func number(digits []byte) rune {
	var n rune
	for _, c := range digits {
		n = n<<4 | rune(hexDigit[c])
	}
	return n
}

// simple are the escapes of one letter of JSON (RFC 8259, 7), and \' of others.
var simple = map[byte]byte{
	'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', '"': '"', '\\': '\\', '/': '/', '\'': '\'',
}

// jsonLength is the length of \n, \u00e9, \ud83d\ude00 or \x41.
func jsonLength(esc []byte) int {
	switch esc[1] {
	case 'x':
		return whenHex(esc[2:], 4)
	case 'u':
		return unicodeLength(esc)
	}
	if _, ok := simple[esc[1]]; ok {
		return 2
	}
	return 0
}

func unicodeLength(esc []byte) int {
	if len(esc) < 6 {
		return whenHex(esc[2:], 6)
	}
	if n := number(esc[2:6]); n < 0xd800 || n >= 0xdc00 {
		return whenHex(esc[2:6], 6)
	}
	for i, c := range esc[6:] { // the second half of a surrogate pair
		if i < 2 && c != `\u`[i] || i >= 2 && hexDigit[c] == none {
			return 0
		}
	}
	return 12
}

func jsonDecode(esc []byte) []byte {
	switch {
	case esc[1] == 'x':
		return []byte{byte(number(esc[2:]))}
	case esc[1] != 'u':
		return []byte{simple[esc[1]]}
	case len(esc) == 12:
		return utf8.AppendRune(nil, utf16.DecodeRune(number(esc[2:6]), number(esc[8:])))
	}
	return utf8.AppendRune(nil, number(esc[2:]))
}
