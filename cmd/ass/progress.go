package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// From when on an import shows how far it is.
const (
	longText   = 1 << 20 // bytes
	manyValues = 1000
)

// redraw is how often a line of progress is drawn anew.
const redraw = 100 * time.Millisecond

// progress is a line on the terminal that says how far something is. The zero value
// shows nothing.
type progress struct {
	shown bool
	names int

	mu   sync.Mutex // net/http reads a body on a goroutine of its own
	last time.Time
	over bool
}

// progress begins to show how far an import is: on stderr, if that is a terminal and
// nobody objects, and only of a long one.
func (a *app) progress(bytes, names int) *progress {
	return &progress{
		names: names,
		shown: !a.Quiet && !a.JSON && (bytes >= longText || names >= manyValues) && isTerminal(os.Stderr),
	}
}

// sent draws the line when some of the text has gone.
func (p *progress) sent(done, all int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.shown || p.over:
	case done >= all:
		p.draw(fmt.Sprintf("Sent %s, storing %s ...", size(all), plural(p.names, "secret")))
	case time.Since(p.last) >= redraw:
		p.draw(fmt.Sprintf("Sending %s of %s ...", size(done), size(all)))
	}
}

func (p *progress) draw(text string) {
	fmt.Fprint(os.Stderr, "\r\x1b[K"+text)
	p.last = time.Now()
}

// end takes the line away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown && !p.last.IsZero() {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
	p.over = true
}

func size(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
