package main

import (
	"context"
	"os"
	"time"
	"unicode/utf8"
)

// Keys that are no characters.
const (
	keyUp rune = -1 - iota
	keyDown
	keyEscape
	keyOther
)

// keyPress is a key and when it came.
type keyPress struct {
	key rune
	at  time.Time
}

// readKeys sends keys as they come and closes the channel when the terminal is gone.
func readKeys(ctx context.Context, in *os.File, out chan<- keyPress) {
	defer close(out)
	buf, held := make([]byte, 256), 0
	defer clear(buf)
	for {
		n, err := in.Read(buf[held:])
		if err != nil {
			return
		}
		at := time.Now()
		rest := buf[:held+n]
		for len(rest) > 0 && (utf8.FullRune(rest) || len(rest) >= utf8.UTFMax) {
			key, size := decodeKey(rest)
			rest = rest[size:]
			select {
			case out <- keyPress{key, at}:
			case <-ctx.Done():
				return
			}
		}
		held = copy(buf, rest)
	}
}

// decodeKey is the first key in b and how long it is. A sequence that begins with
// escape comes in one piece.
func decodeKey(b []byte) (key rune, size int) {
	if b[0] != 0x1b {
		return utf8.DecodeRune(b)
	}
	if len(b) == 1 || b[1] != '[' && b[1] != 'O' {
		return keyEscape, 1
	}
	for i := 2; i < len(b); i++ {
		if b[i] < 0x40 || b[i] > 0x7e {
			continue
		}
		switch {
		case i == 2 && b[i] == 'A':
			return keyUp, 3
		case i == 2 && b[i] == 'B':
			return keyDown, 3
		}
		return keyOther, i + 1
	}
	return keyOther, len(b)
}
