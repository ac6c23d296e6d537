package wipe

import (
	"errors"
	"io"
)

// Room in bytes: at first where nobody knows how much comes, and the most that is
// believed about it before it has come.
const (
	firstRoom = 512
	mostRoom  = 1 << 20
)

// ReadAll is [io.ReadAll] that leaves no copies where it needs more room. Size is how
// many bytes probably come, 0 or less where that is not known.
func ReadAll(r io.Reader, size int64) ([]byte, error) {
	if size = min(size, mostRoom) + 1; size <= 1 { // one more, in which it finds the end
		size = firstRoom
	}
	b := make([]byte, 0, size)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			clear(b)
			return nil, err
		case len(b) == cap(b):
			b = grow(b)
		}
	}
}

// grow is b with as much room again, and wipes the b that was.
func grow(b []byte) []byte {
	more := make([]byte, len(b), 2*cap(b))
	copy(more, b)
	clear(b)
	return more
}
