package main

import (
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/agent-secret-store/assd/internal/shell"
)

// How much of a foreign text is shown, in characters.
const (
	maxName    = 128
	maxMessage = 1000
	maxCell    = 60
	uncut      = math.MaxInt // of a request: what is left out would be approved unseen
)

// foreign is the one function through which text of others is printed: names,
// descriptions, reasons and messages. What could move the cursor, turn the
// reading direction, hide or forge a line is shown as an escape, and what is
// longer than limit characters is cut.
func foreign(s string, limit int) string {
	var b strings.Builder
	n := 0
	for i, r := range s {
		if n++; n > limit {
			b.WriteString("…")
			break
		}
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			fmt.Fprintf(&b, `\x%02x`, s[i])
		} else if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(escape(r))
		}
	}
	return b.String()
}

// quoted is foreign text in quotes that it cannot close: for what somebody says.
func quoted(s string, limit int) string {
	return `"` + strings.ReplaceAll(foreign(s, limit), `"`, `\"`) + `"`
}

// folded is foreign text whole, in lines of at most width columns; the marker
// before all but the first is in no name and no path.
func folded(s string, width int) string { return foldedAs(foreign(s, uncut), width) }

// foldedAs is folded for text that is safe already.
func foldedAs(s string, width int) string {
	const marker = "↳ "
	var b strings.Builder
	room := width
	for _, r := range s {
		n := text.RuneWidth(r)
		if n > room {
			b.WriteString("\n" + marker)
			room = width - text.StringWidth(marker)
		}
		b.WriteRune(r)
		room -= n
	}
	return b.String()
}

// wrapped is text that is safe already in lines of at most width columns, with the marker
// before all but the first. A line ends at a blank or behind a slash or a point, if one is
// in its second half.
func wrapped(s string, width int, marker string) string {
	var b strings.Builder
	for line := range strings.Lines(s) { // a fold of its own stays one
		line, ends := strings.CutSuffix(line, "\n")
		for room := width; text.StringWidth(line) > room; room = width - text.StringWidth(marker) {
			part := text.Trim(line, room)
			if part == "" { // a character wider than all the room
				break
			}
			if i := strings.LastIndexAny(part, " /."); i >= len(part)/2 {
				part = part[:i+1]
			}
			b.WriteString(strings.TrimRight(part, " ") + "\n" + marker)
			line = line[len(part):]
		}
		b.WriteString(line)
		if ends {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// shellWord prints s as one word of a command that is there to be copied.
func shellWord(s string) string { return shell.Quote(foreign(s, maxMessage)) }

func escape(r rune) string {
	q := fmt.Sprintf("%+q", r)
	return q[1 : len(q)-1]
}

// plainJSON escapes what JSON allows and a terminal would act on: control
// characters past ASCII and those that turn the reading direction. Outside
// strings JSON has none of them, so the document stays the same.
func plainJSON(doc []byte) string {
	var b strings.Builder
	for _, r := range string(doc) {
		switch {
		case r < utf8.RuneSelf && r != 0x7f || unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
