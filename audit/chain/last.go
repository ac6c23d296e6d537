package chain

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// tail is how much of a file of notes is looked at, from its end: room for the last
// whole one behind half of another.
const tail = 2 * MaxCheckpoint

// LastNote is the last whole note of a file that checkpoints are appended to, with empty
// lines between them; behind it may stand a note that was cut short. It reads r to its
// end and keeps no more than 8 KiB. Without a whole note it is ErrGarbled. What the note
// says is still to be read, by [ParseCheckpoint].
func LastNote(r io.Reader) ([]byte, error) {
	b, err := lastBytes(r)
	if err != nil {
		return nil, err
	}
	return lastNote(b)
}

// ReadCheckpoint reads what a person gives as a checkpoint: one note, or a file of them,
// of which the last whole one counts.
func ReadCheckpoint(r io.Reader) (Checkpoint, error) {
	b, err := lastBytes(r)
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := ParseCheckpoint(b)
	if note, none := lastNote(b); err != nil && none == nil {
		return ParseCheckpoint(note)
	}
	return c, err
}

// ReadCheckpoints reads what a person gives, as [ReadCheckpoint] does, and with the last
// note each one that a smaller one, or another of the same size, came behind. A daemon
// whose vault was put back to an older state appends that state's, so the last note alone
// would not show it.
func ReadCheckpoints(r io.Reader) ([]Checkpoint, error) {
	w := turns{newest: map[string]Checkpoint{}}
	last, err := ReadCheckpoint(io.TeeReader(r, &w))
	if err == nil && len(w.found) > maxTurns {
		err = fmt.Errorf("%w: its notes go back more than %d times", ErrGarbled, maxTurns)
	}
	if err != nil {
		return nil, err
	}
	return append(slices.DeleteFunc(w.found, func(c Checkpoint) bool { return c.Tenant != last.Tenant }), last), nil
}

// maxTurns is how often the notes of a file may go back, and how many vaults they may be of.
const maxTurns = 100

// turns is an io.Writer that finds the notes behind which the trail goes back.
type turns struct {
	lines  [6]string // the newest ones, as many as a note has; the last is yet to end
	newest map[string]Checkpoint
	found  []Checkpoint
}

func (t *turns) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		line, after, ends := bytes.Cut(rest, []byte("\n"))
		room := MaxCheckpoint - len(t.lines[5])
		t.lines[5] += string(line[:min(len(line), max(room, 0))])
		if rest = after; ends {
			t.end()
		}
	}
	return len(b), nil
}

// end takes the line that has ended.
func (t *turns) end() {
	if strings.HasPrefix(t.lines[5], "— ") {
		if c, err := ParseCheckpoint([]byte(strings.Join(t.lines[:], "\n") + "\n")); err == nil {
			t.take(c)
		}
	}
	copy(t.lines[:], t.lines[1:])
	t.lines[5] = ""
}

func (t *turns) take(c Checkpoint) {
	was, known := t.newest[c.Tenant]
	if back := c.Seq < was.Seq || c.Seq == was.Seq && c.Hash != was.Hash; known && back && len(t.found) <= maxTurns {
		t.found = append(t.found, was)
	}
	if known || len(t.newest) < maxTurns {
		t.newest[c.Tenant] = c
	}
}

func lastNote(b []byte) ([]byte, error) {
	for end := len(b); ; {
		i := lastOrigin(b[:end])
		if i < 0 {
			return nil, fmt.Errorf("%w: there is no whole one in it", ErrGarbled)
		}
		if n := noteLength(b[i:end]); n > 0 {
			return bytes.Clone(b[i : i+n]), nil
		}
		end = i
	}
}

// lastBytes is the end of what r has, at most tail bytes.
func lastBytes(r io.Reader) ([]byte, error) {
	b := make([]byte, 0, 2*tail)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if over := len(b) - tail; over > 0 && (len(b) == cap(b) || err != nil) {
			b = b[:copy(b, b[over:])]
		}
		switch {
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return nil, fmt.Errorf("reading checkpoint: %w", err)
		}
	}
}

// lastOrigin is where the last line that a note can begin with begins; -1: nowhere.
func lastOrigin(b []byte) int {
	if i := bytes.LastIndex(b, []byte("\n"+origin)); i >= 0 {
		return i + 1
	}
	if bytes.HasPrefix(b, []byte(origin)) {
		return 0
	}
	return -1
}

// noteLength is how long the whole note is that b begins with; 0: there is none. Its
// signatures are the lines behind its first empty one.
func noteLength(b []byte) int {
	at := bytes.Index(b, []byte("\n\n"))
	if at < 0 {
		return 0
	}
	begin := at + 2
	n := begin
	for bytes.HasPrefix(b[n:], []byte("— ")) {
		line := bytes.IndexByte(b[n:], '\n')
		if line < 0 {
			break
		}
		n += line + 1
	}
	if n == begin {
		return 0
	}
	return n
}
