package mask

import (
	"io"
	"sync"
	"time"
)

const (
	// Text is written where a value was; values that touch become one.
	Text = "[REDACTED]"
	// Idle is how long what looks like the first bytes of a value waits for the next.
	Idle = 100 * time.Millisecond
	// idleBytes is how many bytes of a value may be passed on after that.
	idleBytes = MinLength / 2
	// chunk is how much output is looked at before it is passed on, in bytes.
	chunk = 32 << 10
)

// Writer passes on what is written to it, without the values. It may be used by
// many goroutines, one write after the other.
type Writer struct {
	cores []string
	w     io.Writer

	mu       sync.Mutex
	err      error // of w; the first one stays
	timer    *time.Timer
	patterns *patterns // nil until something is written
	plain    text
	escaped  [3]escaped // as in a path, in a query, in JSON
	hex      digits
	base64   digits

	held   []byte // the stream from base on
	base   int64
	masked int64  // the stream up to here, at least, ends in a mask
	spans  []span // to be masked, in order, apart; none ends before base
	out    []byte
}

// New returns a Writer that passes on to w what is written to it, without values.
// Those that are TooShort stay. It must be closed.
func New(w io.Writer, values []string) *Writer {
	m := &Writer{w: w, masked: -1}
	for _, v := range values {
		if s := core(v); s != "" {
			m.cores = append(m.cores, s)
		}
	}
	return m
}

// prepare builds what New did not, so that a program that writes nothing costs
// nothing.
func (m *Writer) prepare() {
	p := newPatterns(m.cores)
	m.patterns, m.cores = p, nil
	m.plain = text{track: track{a: p.text}, mark: m.mark}
	percent := escaped{text: m.plain, opens: '%', length: percentLength, decode: percentDecode}
	query := percent
	query.plus = true
	json := escaped{text: m.plain, opens: '\\', length: jsonLength, decode: jsonDecode}
	m.escaped = [...]escaped{percent, query, json}
	m.hex = digits{track: track{a: p.hex}, table: &hexDigit, apart: hexApart, mark: m.mark}
	m.base64 = digits{track: track{a: p.base64}, table: &base64Digit, apart: base64Apart, mark: m.mark}
}

// Write takes p; an error is the underlying writer's.
func (m *Writer) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.patterns == nil && len(m.cores) == 0 {
		return m.w.Write(p)
	}
	if m.patterns == nil {
		m.prepare()
	}
	for n := 0; n < len(p); {
		part := p[n:min(len(p), n+chunk)]
		n += len(part)
		m.look(part)
		if m.pass(m.safe(0)); m.err != nil {
			return 0, m.err
		}
	}
	m.wait()
	return len(p), m.err
}

// Close passes on what is held back. It does not close the underlying writer.
func (m *Writer) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.timer != nil {
		m.timer.Stop()
	}
	m.pass(m.base + int64(len(m.held)))
	clear(m.held[:cap(m.held)])
	return m.err
}

// wait lets what is held back go after a while, as far as it is no more than the
// first bytes of a value.
func (m *Writer) wait() {
	if len(m.held) == 0 {
		return
	}
	if m.timer == nil {
		m.timer = time.AfterFunc(Idle, m.idle)
		return
	}
	m.timer.Reset(Idle)
}

func (m *Writer) idle() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass(m.safe(idleBytes))
}

// look takes p into held, and marks what is to be masked.
func (m *Writer) look(p []byte) {
	pos := m.base + int64(len(m.held))
	m.held = append(m.held, p...)
	quiet := m.quiet()
	for i := 0; i < len(p); i++ {
		if quiet && i+1 < len(p) && !m.patterns.begin.has(p[i], p[i+1]) {
			continue
		}
		m.step(p[i], pos+int64(i))
		quiet = m.quiet()
	}
}

func (m *Writer) step(c byte, pos int64) {
	for i := range m.escaped {
		m.escaped[i].step(c, pos, &m.plain)
	}
	m.plain.feed(c, span{pos, pos + 1})
	for i := range m.escaped {
		m.escaped[i].settle(&m.plain)
	}
	m.hex.step(c, pos)
	m.base64.step(c, pos)
}

// quiet reports whether nothing has begun.
func (m *Writer) quiet() bool {
	return m.plain.node == 0 && m.hex.node == 0 && m.base64.node == 0 && !m.base64.tail &&
		!m.escaped[0].on && !m.escaped[1].on && !m.escaped[2].on
}

// mark adds a part of the stream to what is to be masked. Parts come in the order
// of their ends.
func (m *Writer) mark(start, end int64) {
	for n := len(m.spans); n > 0 && m.spans[n-1].end >= start; n-- {
		start, end = min(start, m.spans[n-1].start), max(end, m.spans[n-1].end)
		m.spans = m.spans[:n-1]
	}
	m.spans = append(m.spans, span{start, end})
}

// safe is up to where the stream may be passed on: what has begun, and is longer
// than atMost bytes of a value, stays.
func (m *Writer) safe(atMost int32) int64 {
	end := m.base + int64(len(m.held))
	hold := func(t *track, symbols int32) {
		if d := t.depth(); d > symbols {
			end = min(end, t.back(d))
		}
	}
	hold(&m.plain.track, atMost)
	hold(&m.hex.track, atMost*2)
	hold(&m.base64.track, atMost*4/3)
	for i := range m.escaped {
		e := &m.escaped[i]
		if e.on {
			hold(&e.track, atMost)
		}
		if len(e.esc) > 0 && atMost == 0 {
			end = min(end, e.at)
		}
	}
	return end
}

// pass passes the stream on up to end, and beyond it what is masked anyway.
func (m *Writer) pass(end int64) {
	m.out = m.out[:0]
	pos := m.base
	for len(m.spans) > 0 && m.spans[0].start <= end {
		s := m.spans[0]
		m.spans = m.spans[1:]
		m.out = append(m.out, m.from(pos, s.start)...)
		if s.end > pos && m.masked < max(s.start, pos) {
			m.out = append(m.out, Text...)
		}
		pos = max(pos, s.end)
		m.masked = max(m.masked, s.end)
	}
	m.out = append(m.out, m.from(pos, end)...)
	pos = max(pos, end)
	m.held = m.held[:copy(m.held, m.held[pos-m.base:])]
	m.base = pos
	if len(m.out) > 0 && m.err == nil {
		_, m.err = m.w.Write(m.out)
	}
}

// from is the stream from start to end, where that is something.
func (m *Writer) from(start, end int64) []byte {
	if end <= start {
		return nil
	}
	return m.held[start-m.base : end-m.base]
}
