package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"github.com/agent-secret-store/assd/vault/api"
)

// The screen, from above: a title, a few lines of what waits, a rule, the request
// that is selected, and at the bottom a rule, the keys and a message.
const (
	screenFrame = 5  // all but the list and the request
	maxIndex    = 5  // lines of the list
	minCols     = 20 // with fewer, nothing is whole
	otherCols   = 80
	otherRows   = 24 // where the terminal does not say
)

func (w *watch) size() (cols, rows int) {
	cols, rows, err := term.GetSize(int(w.out.Fd()))
	if err != nil || cols <= 0 || rows <= 0 {
		return otherCols, otherRows
	}
	return cols, rows
}

// draw draws what has changed. The time since when a request is on the screen
// begins anew when anything of it is another.
func (w *watch) draw() error {
	cols, rows := w.size()
	lines, v := w.screen(cols, rows)
	frame := "\x1b[H" + strings.Join(lines, "\x1b[K\r\n") + "\x1b[J"
	if frame == w.last {
		return nil
	}
	w.last = frame
	if _, err := fmt.Fprint(w.out, frame); err != nil {
		return fmt.Errorf("drawing on the terminal: %w", err)
	}
	v.at = w.drawn.at
	if v != w.drawn {
		v.at = time.Now()
	}
	w.drawn = v
	return nil
}

// screen is the lines of the screen, and what they show.
func (w *watch) screen(cols, rows int) (lines []string, v view) {
	v = view{cols: cols, rows: rows}
	lines = append(lines, clip(w.title(), cols))
	rule := strings.Repeat("─", cols)
	if r := w.current(); r != nil {
		v.id, v.digest = r.ID, r.Digest
		shown := requestLines(*r, cols)
		index := w.index(cols, max(1, min(maxIndex, rows-screenFrame-len(shown))))
		room := max(rows-screenFrame-len(index), 1)
		v.whole = len(shown) <= room && cols >= minCols
		if len(shown) > room {
			shown = append(shown[:room-1:room-1], clip(fmt.Sprintf("… and %d lines more: ass approvals approve %s", len(shown)-room+1, foreign(r.ID, maxName)), cols))
		}
		lines = append(append(append(lines, index...), rule), shown...)
	}
	for len(lines) < rows-3 {
		lines = append(lines, "")
	}
	lines = append(lines, rule, clip("a approve   d deny   j/k or a number select   q quit", cols))
	return append(lines, clip(w.bottom(), cols)), v
}

func (w *watch) title() string {
	s := plural(len(w.items), "request")
	switch {
	case w.lost:
		s = "the daemon does not answer; trying again"
	case !w.loaded:
		s = "…"
	case len(w.items) == 0:
		s = "nothing waits"
	}
	return "Approvals: " + s + " — " + foreign(w.cl.URL(), maxMessage)
}

// bottom is the message, or what is asked.
func (w *watch) bottom() string {
	if w.asking == nil {
		s, _, _ := strings.Cut(w.message, "\n")
		return s
	}
	s := "Approval passphrase, to approve " + foreign(w.asking.ID, maxName) + " (not shown; Esc: no): "
	if w.message != "" {
		s = w.message + ". " + s
	}
	return s
}

// index is the lines of the list round the one that is selected.
func (w *watch) index(cols, room int) (lines []string) {
	at := max(w.at(), 0)
	from := max(0, min(at-room/2, len(w.items)-room))
	for i := from; i < min(from+room, len(w.items)); i++ {
		r, mark := w.items[i], " "
		if r.ID == w.selected {
			mark = ">"
		}
		what := foreign(strings.Join(acts(r), ", "), maxMessage)
		lines = append(lines, clip(fmt.Sprintf("%s%3d  %s  %s  %s", mark, i+1, foreign(r.ID, maxName), foreign(r.AgentID, maxName), what), cols))
	}
	return lines
}

// requestLines are all of a request, in lines of at most cols columns.
func requestLines(r api.Approval, cols int) (lines []string) {
	head := foreign(r.ID, uncut) + ": " + foreign(r.AgentID, uncut) + ", " + foreign(r.AccessTier, uncut) + ", from " + foreign(r.Source, uncut)
	all := []string{head, "asked " + moment(r.CreatedAt) + ", expires " + moment(r.ExpiresAt) + " UTC"}
	for _, part := range [][]string{acts(r), terms(r), circumstances(r), claim(r)} {
		for _, l := range part {
			all = append(all, "  "+foreign(l, uncut))
		}
	}
	for _, l := range all {
		lines = append(lines, strings.Split(foldedAs(l, max(cols, minCols)), "\n")...)
	}
	return lines
}

// clip cuts a line that is our own, or safe, to the width of the screen.
func clip(s string, cols int) string {
	if text.StringWidth(s) <= cols {
		return s
	}
	var b strings.Builder
	room := cols - 1
	for _, r := range s {
		if room -= text.RuneWidth(r); room < 0 {
			break
		}
		b.WriteRune(r)
	}
	return b.String() + "…"
}
