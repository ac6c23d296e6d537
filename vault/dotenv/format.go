package dotenv

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Format is a form that pairs are printed in.
type Format string

// The formats.
const (
	Dotenv    Format = "dotenv"     // what Parse reads back
	DockerEnv Format = "docker-env" // for docker run --env-file
	Shell     Format = "shell"      // for a POSIX shell to source
	JSON      Format = "json"       // one object of texts by their names
)

// Unfit is a pair that a format cannot carry, and why.
type Unfit struct{ Name, Problem string }

// UnfitError names all pairs that a format cannot carry.
type UnfitError struct {
	Format Format
	Pairs  []Unfit
}

func (e *UnfitError) Error() string {
	var problems []string
	names := map[string][]string{}
	for _, p := range e.Pairs {
		if names[p.Problem] == nil {
			problems = append(problems, p.Problem)
		}
		names[p.Problem] = append(names[p.Problem], p.Name)
	}
	var says []string
	for _, problem := range problems {
		says = append(says, strings.Join(names[problem], ", ")+" ("+problem+")")
	}
	return string(e.Format) + " cannot carry " + strings.Join(says, "; ")
}

// printer is how a format is printed.
type printer struct {
	open, between, end string                          // round the pairs, and between two of them
	unfit              func(Pair) string               // what keeps a pair out of a text, or ""
	most               int                             // bytes that one of a value may become
	add                func(dst []byte, p Pair) []byte // a pair, with at most maxAround bytes round it
	limit              int                             // of a text, in bytes; 0: none
}

// maxAround is how much stands round a name and its value, in bytes.
const maxAround = 16

var printers = map[Format]printer{
	Dotenv:    {end: "", unfit: unfitDotenv, most: 2, add: addDotenv, limit: MaxText},
	DockerEnv: {unfit: unfitDockerEnv, most: 1, add: addDockerEnv},
	Shell:     {unfit: unfitShell, most: len(`'\''`), add: addShell},
	JSON:      {open: "{\n", between: ",\n", end: "\n}\n", unfit: unfitJSON, most: len(`\u0000`), add: addJSON},
}

// Print prints pairs in their order. It prints all or fails with *[UnfitError], or
// for a text that [Parse] would not take for its length with [ErrTooLarge].
func (f Format) Print(pairs []Pair) ([]byte, error) {
	p, ok := printers[f]
	if !ok {
		return nil, fmt.Errorf("there is no format %q", string(f))
	}
	if err := p.check(f, pairs); err != nil {
		return nil, err
	}
	text := []byte(p.open)
	for i, pair := range pairs {
		if i > 0 {
			text = append(room(text, len(p.between)), p.between...)
		}
		text = p.add(room(text, len(pair.Name)+p.most*len(pair.Value)+maxAround), pair)
	}
	text = append(room(text, len(p.end)), p.end...)
	if p.limit > 0 && len(text) > p.limit {
		clear(text)
		return nil, fmt.Errorf("printing %d values: %w of %d bytes", len(pairs), ErrTooLarge, p.limit)
	}
	return text, nil
}

func (p printer) check(f Format, pairs []Pair) error {
	var unfit []Unfit
	seen := make(map[string]bool, len(pairs))
	for _, pair := range pairs {
		problem := p.unfit(pair)
		if seen[pair.Name] {
			problem = "the name stands twice"
		}
		seen[pair.Name] = true
		if problem != "" {
			unfit = append(unfit, Unfit{pair.Name, problem})
		}
	}
	if unfit != nil {
		return &UnfitError{f, unfit}
	}
	return nil
}

// room is text with room for n bytes more. What it leaves behind is cleared.
func room(text []byte, n int) []byte {
	if cap(text)-len(text) >= n {
		return text
	}
	grown := slices.Grow([]byte(nil), 2*len(text)+n)[:len(text)]
	copy(grown, text)
	clear(text)
	return grown
}

// unfitName says what keeps a name out of any text.
func (p Pair) unfitName() string {
	if !isName(p.Name) {
		return "the name is empty or has a character outside A-Z a-z 0-9 _ . -"
	}
	return ""
}

// unfitText says what keeps a value out of any text that has no escapes for all.
func (p Pair) unfitText() string {
	switch {
	case bytes.IndexByte(p.Value, 0) >= 0:
		return "the value has a NUL byte"
	case !utf8.Valid(p.Value):
		return "the value is not UTF-8"
	}
	return ""
}
