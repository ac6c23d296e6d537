package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/agent-secret-store/assd/vault/api"
)

// tally counts the events of an export as it is written, and knows the number of the last.
type tally struct {
	to     io.Writer
	csv    bool
	events uint64
	last   uint64
	begin  []byte // of the line that is being written: room for a number
	quoted bool   // inside a cell of csv that may have line breaks
	header bool   // of csv has been written
}

// tallyRoom is as much of a line as has the number: of jsonl {"seq":N, and of csv N,.
const tallyRoom = 32

func (t *tally) Write(b []byte) (int, error) {
	n, err := t.to.Write(b)
	stops := "\n"
	if t.csv {
		stops = "\n\""
	}
	for rest := b[:n]; len(rest) > 0; {
		i := bytes.IndexAny(rest, stops)
		if i < 0 {
			t.keep(rest)
			break
		}
		t.keep(rest[:i])
		switch {
		case rest[i] == '"':
			t.quoted = !t.quoted
		case !t.quoted:
			t.end()
			t.begin = t.begin[:0]
		}
		rest = rest[i+1:]
	}
	return n, err
}

func (t *tally) keep(part []byte) {
	t.begin = append(t.begin, part[:min(len(part), tallyRoom-len(t.begin))]...)
}

func (t *tally) end() {
	text := t.begin
	if t.csv && !t.header {
		t.header = true
		return
	}
	if !t.csv {
		rest, ok := bytes.CutPrefix(text, []byte(`{"seq":`))
		if !ok {
			return // a signed head
		}
		text = rest
	}
	number, _, _ := bytes.Cut(text, []byte(","))
	t.events++
	t.last, _ = strconv.ParseUint(string(number), 10, 64)
}

// String says what was written.
func (t *tally) String() string {
	if t.events == 0 {
		return "no events"
	}
	return fmt.Sprintf("%s, the last one number %d", plural(int(t.events), "event"), t.last)
}

// onScreen is what a terminal is shown of an export: lines as they are, but for what
// would move the cursor or hide something.
type onScreen struct {
	to   io.Writer
	line []byte
}

// maxShown is how much of a line is held back until its end, in bytes.
const maxShown = 1 << 20

func (s *onScreen) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		part, after, ends := bytes.Cut(rest, []byte("\n"))
		s.line, rest = append(s.line, part...), after
		if !ends && len(s.line) < maxShown {
			break
		}
		text := foreign(strings.TrimSuffix(string(s.line), "\r"), uncut)
		if s.line = s.line[:0]; ends {
			text += "\n"
		}
		if _, err := io.WriteString(s.to, text); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// tallied counts what is written to w in that format.
func tallied(w io.Writer, format string) *tally { return &tally{to: w, csv: format == api.AuditCSV} }
