package child

import (
	"errors"
	"io"
	"os"
	"time"
)

const (
	// drainPause is how long a pipe is looked at for more when the time is over.
	drainPause = 2 * time.Millisecond
	// drainMax is how much is then still taken, in bytes: all that a pipe holds.
	drainMax = 1 << 20
)

// relay passes on what the program writes into a pipe.
type relay struct {
	from *os.File
	to   io.WriteCloser // the filter
	over bool           // only what is in the pipe is still taken
	left int
	done chan error
}

// newRelay makes a relay to a file, and returns the end of the pipe that is the
// program's.
func newRelay(to *os.File, filter func(io.Writer) io.WriteCloser) (*relay, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	return &relay{from: r, to: filter(to), left: drainMax, done: make(chan error, 1)}, w, nil
}

// start passes on until the end of what comes, or until it cannot be passed on:
// then the program finds its pipe closed, as it would have found our output.
func (r *relay) start() {
	go func() {
		err := r.copy()
		r.from.Close()
		r.done <- errors.Join(err, r.to.Close())
	}()
}

func (r *relay) copy() error {
	buf := make([]byte, 32<<10)
	for {
		if r.over {
			r.from.SetReadDeadline(time.Now().Add(drainPause))
		}
		n, err := r.from.Read(buf)
		if _, err := r.to.Write(buf[:n]); err != nil {
			return err
		}
		switch {
		case r.over:
			if r.left -= n; err != nil || r.left <= 0 {
				return nil
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			r.over = true
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// finish waits for the end, but not for longer than Grace and what it takes to
// pass on what has been written until then.
func (r *relay) finish() error {
	r.from.SetReadDeadline(time.Now().Add(Grace))
	return <-r.done
}
