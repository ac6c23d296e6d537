package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// setColor decides about colour once: only on a terminal, and only when nobody
// objects.
func (a *app) setColor() {
	for _, name := range []string{"ASS_NO_COLOR", "NO_COLOR"} {
		if os.Getenv(name) != "" {
			return
		}
	}
	a.color = !a.NoColor && !a.JSON && os.Getenv("TERM") != "dumb" && stdoutIsTerminal()
}

func stdoutIsTerminal() bool { return isTerminal(os.Stdout) }

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// answer prints text to stdout as it is.
func (a *app) answer(text string) error {
	if _, err := os.Stdout.WriteString(text); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}

// json prints v as the one document on stdout.
func (a *app) json(v any) error {
	doc, err := encode(v, "  ")
	if err != nil {
		return err
	}
	return a.answer(doc)
}

// encode makes a JSON document of v that a terminal shows as it is.
func encode(v any, indent string) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return "", fmt.Errorf("encoding the answer: %w", err)
	}
	return plainJSON(b.Bytes()), nil
}

// done prints what a command has done, to stdout, unless only answers are
// asked for.
func (a *app) done(text string) error {
	if a.Quiet {
		return nil
	}
	return a.answer(a.good("✓") + " " + text + "\n")
}

// note prints a remark for people to stderr, unless only answers are asked for.
func (a *app) note(text string) {
	if !a.Quiet && !a.JSON {
		fmt.Fprintln(os.Stderr, text)
	}
}

// debug prints a remark to stderr when asked for.
func (a *app) debug(text string) {
	if a.Verbose {
		fmt.Fprintln(os.Stderr, "ass: "+text)
	}
}

func (a *app) good(s string) string { return a.paint("32", s) }
func (a *app) bad(s string) string  { return a.paint("31", s) }

func (a *app) paint(sgr, s string) string {
	if !a.color {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

// row is one line of a box.
type row struct{ label, text string }

// box prints rows under a title.
func (a *app) box(title string, rows ...row) error {
	var b strings.Builder
	fmt.Fprintf(&b, "┌ %s\n", title)
	for _, r := range rows {
		fmt.Fprintf(&b, "│ %s: %s\n", r.label, r.text)
	}
	b.WriteString("└\n")
	return a.answer(b.String())
}

// day, minute and moment print times in UTC, as the JSON has them.
func day(t time.Time) string    { return t.UTC().Format(time.DateOnly) }
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }
func moment(t time.Time) string { return t.UTC().Format(time.DateTime) }

// plural prints a count with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// list prints items for a cell, or what an empty list means.
func list(items []string, none string) string {
	if len(items) == 0 {
		return none
	}
	return strings.Join(items, ", ")
}
