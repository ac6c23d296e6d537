package mask

import "strings"

// What may stand between two digits: the ends of lines, and in hex what some
// programs put between bytes.
const (
	hexApart    = "\n\r :"
	base64Apart = "\n\r"
)

// none stands in a table of digits for a byte that is no digit.
const none = 0xff

// hexDigit and base64Digit say which digit a byte is, in any case and alphabet.
var hexDigit, base64Digit = digitTables()

func digitTables() (hex, base64 [256]byte) {
	for i := range 256 {
		hex[i], base64[i] = none, none
	}
	for i, c := range []byte("0123456789abcdef") {
		hex[c] = byte(i)
	}
	for i, c := range []byte("ABCDEF") {
		hex[c] = byte(10 + i)
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		base64[c] = byte(i)
	}
	base64['-'], base64['_'] = 62, 63
	return hex, base64
}

// digits follows the output as hex or base64, over the ends of lines.
type digits struct {
	track
	table *[256]byte
	apart string // what may stand between two digits
	gap   int    // white space since the last digit: an end of line and what follows
	tail  bool   // the next digit belongs to the match that ended at end
	end   int64
	mark  func(start, end int64)
}

// step takes the byte at pos.
func (d *digits) step(c byte, pos int64) {
	digit := d.table[c]
	if digit == none {
		d.pass(c)
		return
	}
	if d.tail {
		d.mark(d.end, pos+1)
	}
	d.gap, d.tail = 0, false
	if n := d.take(digit, pos); n > 0 {
		d.end, d.tail = pos+1, d.a.nodes[d.node].tail
		d.mark(d.back(n), d.end)
	}
}

// pass overlooks the end of a line and what may stand between digits, and starts
// anew behind anything else.
func (d *digits) pass(c byte) {
	inGap := strings.IndexByte(d.apart, c) >= 0 || d.gap > 0 && (c == ' ' || c == '\t')
	if inGap && d.gap < maxIndent {
		d.gap++
		return
	}
	d.gap, d.tail, d.node = 0, false, 0
}

// nibbles is s as hex digits.
func nibbles(s string) []byte {
	out := make([]byte, 0, 2*len(s))
	for i := range len(s) {
		out = append(out, s[i]>>4, s[i]&15)
	}
	return out
}

// sextets is s as base64 digits where skip of its bits, 0, 2 or 4, share a digit
// with what is before it. Left over are the bits at its end that share one with
// what follows, or with the padding.
func sextets(s string, skip int) (out []byte, leftOver bool) {
	out = make([]byte, 0, len(s)*4/3+1)
	bits, n := 0, -skip // n bits of bits are not used yet
	for i := range len(s) {
		bits, n = bits<<8|int(s[i]), n+8
		for ; n >= 6; n -= 6 {
			out = append(out, byte(bits>>(n-6))&63)
		}
		bits &= 1<<max(n, 0) - 1
	}
	return out, n > 0
}
