package operator

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

const (
	gap   = 200 * time.Millisecond // between two reads that must agree
	looks = 8                      // reads before a save is given up on
)

// Settled is [Read] of a file that nobody is in the middle of saving.
func Settled(ctx context.Context, path string, max int64) ([]byte, error) {
	return File{Path: path, Max: max}.Settled(ctx)
}

// Settled reads f until two reads, 200 ms apart, agree. Two that fail alike agree
// as well, since an editor may put the old file aside before it writes the new
// one; two that find nothing in it do not. After 1.4 s, or when ctx ends, the
// error is [ErrSaving].
func (f File) Settled(ctx context.Context) ([]byte, error) {
	f = f.defaults()
	last := f.look()
	for range looks - 1 {
		select {
		case <-ctx.Done():
			return nil, kindError{fmt.Errorf("reading %s %q twice: %w", f.What, f.Path, ctx.Err()), ErrSaving}
		case <-time.After(gap):
		}
		next := f.look()
		if next.agrees(last) {
			return next.b, next.err
		}
		last = next
	}
	return nil, kindError{fmt.Errorf("%s %q is empty or goes on changing, as one that is being saved: save it whole", f.What, f.Path), ErrSaving}
}

// look is what one read came to.
type look struct {
	b   []byte
	err error
}

func (f File) look() look {
	b, err := f.Read()
	return look{b, err}
}

// agrees reports whether two looks found the same, and no empty file.
func (l look) agrees(other look) bool {
	if l.err != nil || other.err != nil {
		return l.err != nil && other.err != nil && l.err.Error() == other.err.Error()
	}
	return len(l.b) > 0 && bytes.Equal(l.b, other.b)
}
