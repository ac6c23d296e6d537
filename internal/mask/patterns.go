package mask

import "strings"

const (
	// MinLength is how long a value must be to be looked for, in bytes, without the
	// white space around it.
	MinLength = 8
	// minLine is how long a line of a value must be to be looked for by itself.
	minLine = 16
)

const space = " \t\r\n"

// core is what is looked for of a value; empty: nothing.
func core(value string) string {
	s := strings.Trim(value, space)
	if len(evened(s)) < MinLength {
		return ""
	}
	return s
}

// TooShort reports whether value is too short to be looked for.
func TooShort(value string) bool { return core(value) == "" }

// patterns is what is looked for, and in what ways a match can begin.
type patterns struct {
	text, hex, base64 *automaton
	begin             pairs
}

func newPatterns(cores []string) *patterns {
	n := 0
	for _, s := range cores {
		n += len(s)
	}
	p := &patterns{text: newAutomaton(2 * n), hex: newAutomaton(2 * n), base64: newAutomaton(4 * n)}
	for _, s := range cores {
		whole := evened(s)
		p.addText(whole)
		if all := strings.Split(whole, "\n"); len(all) > 1 {
			p.addLines(all)
		}
		p.addHex(s)
		p.addBase64(s)
	}
	p.text.link()
	p.hex.link()
	p.base64.link()
	return p
}

func (p *patterns) addLines(all []string) {
	for _, line := range all {
		line = strings.Trim(line, space)
		if len(line) >= minLine && !strings.HasPrefix(line, "-----") {
			p.addText(line)
		}
	}
}

func (p *patterns) addText(s string) {
	p.text.add([]byte(s), false)
	p.begin.text(s)
}

func (p *patterns) addHex(s string) {
	digits := nibbles(s)
	p.hex.add(digits, false)
	p.begin.digits(digits, &hexDigit, hexApart)
}

func (p *patterns) addBase64(s string) {
	for _, skip := range []int{0, 2, 4} {
		digits, leftOver := sextets(s, skip)
		p.base64.add(digits, leftOver)
		p.begin.digits(digits, &base64Digit, base64Apart)
	}
}

// pairs are the two bytes that a match can begin with. Most output has none, and
// is passed on without a closer look.
type pairs [256][4]uint64

func (p *pairs) add(a, b byte) { p[a][b>>6] |= 1 << (b & 63) }

func (p *pairs) has(a, b byte) bool { return p[a][b>>6]>>(b&63)&1 != 0 }

// text adds the beginnings of s, plain and escaped.
func (p *pairs) text(s string) {
	for _, next := range []byte{s[1], '%', '\\', '+', '\r'} {
		p.add(s[0], next)
	}
	for c, digit := range hexDigit {
		if digit == s[0]>>4 {
			p.add('%', byte(c))
		}
	}
	p.add('\\', 'u')
	p.add('\\', 'x')
	for c, decoded := range simple {
		if decoded == s[0] {
			p.add('\\', c)
		}
	}
}

// digits adds the beginnings of a number, written by table.
func (p *pairs) digits(number []byte, table *[256]byte, apart string) {
	for a, digit := range table {
		if digit != number[0] {
			continue
		}
		for _, b := range []byte(apart) {
			p.add(byte(a), b)
		}
		for b, digit := range table {
			if digit == number[1] {
				p.add(byte(a), byte(b))
			}
		}
	}
}
