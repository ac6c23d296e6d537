package main

import "testing"

func TestDecodeKey(t *testing.T) {
	for in, want := range map[string]struct {
		key  rune
		size int
	}{
		"a": {'a', 1}, "ü!": {'ü', 2}, "\x1b[A": {keyUp, 3}, "\x1bOB": {keyDown, 3}, "\x1b": {keyEscape, 1}, "\x1ba": {keyEscape, 1},
		"\x1b[1;5A": {keyOther, 6}, "\x1b[3~a": {keyOther, 4}, "\x1b[": {keyOther, 2}, "\x1b[200~a": {keyOther, 6},
	} {
		if key, size := decodeKey([]byte(in)); key != want.key || size != want.size {
			t.Errorf("%q: key %d in %d bytes", in, key, size)
		}
	}
}

func TestHiddenLine(t *testing.T) {
	for in, want := range map[string]string{
		"abc\r": "abc", "ab\x7fc\n": "ac", "ü\x7f\x08a\r": "a", "abc\x15d\r": "d", "a\x04": "a",
	} {
		var l hiddenLine
		for _, c := range in {
			if done, err := l.key(c); done && (err != nil || string(l.text) != want) {
				t.Errorf("%q: %q, %v", in, l.text, err)
			}
		}
	}
	var l hiddenLine
	l.key('x')
	if done, err := l.key(ctrlC); !done || err == nil || len(l.text) != 0 {
		t.Error("an interrupt leaves the line")
	}
}
