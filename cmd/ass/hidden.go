package main

import "unicode/utf8"

// What a terminal in raw mode sends for the keys that edit a line.
const (
	ctrlC     = 0x03
	ctrlD     = 0x04
	ctrlU     = 0x15
	backspace = 0x08
	del       = 0x7f
)

// maxHidden bounds a line that is typed without echo, in bytes.
const maxHidden = 1 << 20

// hiddenLine is a line that is being typed without echo.
type hiddenLine struct{ text []byte }

// key takes one key and reports whether it ends the line: Enter does, Ctrl-D too
// where something was typed, and Ctrl-C with errInterrupted.
func (l *hiddenLine) key(c rune) (done bool, err error) {
	switch {
	case c == ctrlC, c == ctrlD && len(l.text) == 0:
		l.wipe()
		return true, errInterrupted
	case c == '\r', c == '\n', c == ctrlD:
		return true, nil
	case c == ctrlU:
		l.wipe()
	case c == backspace || c == del:
		_, n := utf8.DecodeLastRune(l.text)
		l.text = l.text[:len(l.text)-n]
	case len(l.text) < maxHidden:
		l.add(c)
	}
	return false, nil
}

// add grows the line by hand: append would leave copies behind.
func (l *hiddenLine) add(c rune) {
	if cap(l.text) < len(l.text)+utf8.UTFMax {
		grown := make([]byte, len(l.text), 2*cap(l.text)+64)
		copy(grown, l.text)
		clear(l.text)
		l.text = grown
	}
	l.text = utf8.AppendRune(l.text, c)
}

func (l *hiddenLine) wipe() {
	clear(l.text[:cap(l.text)])
	l.text = l.text[:0]
}
