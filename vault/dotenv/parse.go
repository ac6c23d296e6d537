package dotenv

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	bom    = "\uFEFF"
	blanks = " \t"
)

// Parse reads a text of at most [MaxText] bytes and most pairs, and gives the
// pairs in the order in which they stand. Its errors are *Error; those about a
// limit wrap [ErrTooLarge].
func Parse(text string, most int) ([]Pair, error) {
	if err := check(text); err != nil {
		return nil, err
	}
	pairs, err := parse(strings.TrimPrefix(text, bom), most)
	if err != nil {
		Wipe(pairs)
		return nil, err
	}
	return pairs, nil
}

// parse gives what it has read beside an error, too, for it to be wiped.
func parse(text string, most int) (pairs []Pair, err error) {
	s := scanner{rest: text, line: 1}
	lines := map[string]int{} // in which each name stands
	for s.rest != "" {
		p, ok, err := s.statement()
		if err != nil {
			return pairs, err
		}
		if !ok {
			continue
		}
		pairs = append(pairs, p)
		if first := lines[p.Name]; first != 0 {
			return pairs, &Error{Line: p.Line, Problem: fmt.Sprintf("the name already stands in line %d", first)}
		}
		if len(pairs) > most {
			return pairs, &Error{p.Line, fmt.Sprintf("more than %d values", most), ErrTooLarge}
		}
		lines[p.Name] = p.Line
	}
	return pairs, nil
}

// check looks at what must hold of the whole text.
func check(text string) error {
	if len(text) > MaxText {
		return &Error{lineAt(text, MaxText), fmt.Sprintf("the text is longer than %d bytes", MaxText), ErrTooLarge}
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return &Error{Line: lineAt(text, i), Problem: "there is a NUL byte"}
	}
	if i := invalidAt(text); i >= 0 {
		return &Error{Line: lineAt(text, i), Problem: "the text is not UTF-8"}
	}
	return nil
}

func lineAt(text string, i int) int { return 1 + strings.Count(text[:i], "\n") }

// invalidAt is where text stops being UTF-8, or -1.
func invalidAt(text string) int {
	for i, r := range text {
		if r != utf8.RuneError {
			continue
		}
		if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
			return i
		}
	}
	return -1
}

// scanner walks over a text once.
type scanner struct {
	rest string // what has not been read yet
	line int    // the line that rest begins in
}

func (s *scanner) fault(problem string) error { return &Error{Line: s.line, Problem: problem} }

// statement reads a line, and those after it over which its value goes on. It
// reports false for a line without a pair.
func (s *scanner) statement() (p Pair, ok bool, err error) {
	line, _, _ := strings.Cut(s.rest, "\n")
	if start := strings.Trim(line, blanks); start == "" || start == "\r" || start[0] == '#' {
		_, err := s.endLine()
		return p, false, err
	}
	before, _, found := strings.Cut(line, "=")
	if !found {
		return p, false, s.fault(`there is no "="`)
	}
	p.Line, p.Name = s.line, nameOf(before)
	if !isName(p.Name) {
		return p, false, s.fault("the name is empty or has a character outside A-Z a-z 0-9 _ . -")
	}
	s.rest = s.rest[len(before)+1:]
	if p.Value, err = s.value(); err != nil {
		return p, false, err
	}
	if len(p.Value) > MaxValue {
		clear(p.Value)
		return p, false, &Error{p.Line, fmt.Sprintf("the value is longer than %d bytes", MaxValue), ErrTooLarge}
	}
	return p, true, nil
}

// nameOf is the name in what stands before "=".
func nameOf(before string) string {
	name := strings.Trim(before, blanks)
	if rest, ok := strings.CutPrefix(name, "export"); ok {
		if trimmed := strings.TrimLeft(rest, blanks); len(trimmed) < len(rest) {
			name = trimmed
		}
	}
	return strings.Clone(name) // not to keep the whole text in memory
}

// value reads what stands behind "=", and the rest of the line that it ends in.
func (s *scanner) value() ([]byte, error) {
	start := strings.TrimLeft(s.rest, blanks)
	switch {
	case strings.HasPrefix(start, "'"):
		return s.quoted(start[1:], strings.IndexByte(start[1:], '\''), false)
	case strings.HasPrefix(start, `"`):
		return s.quoted(start[1:], closingQuote(start[1:]), true)
	}
	line, err := s.endLine()
	if err != nil {
		return nil, err
	}
	return []byte(strings.Trim(line[:commentAt(line)], blanks)), nil
}

// quoted reads a value whose first n bytes of rest are in quotes; -1 when nothing
// closes them.
func (s *scanner) quoted(rest string, n int, escapes bool) ([]byte, error) {
	if n < 0 {
		return nil, s.fault("nothing closes the quote that the value begins with")
	}
	opened := s.line
	s.rest = rest[n+1:]
	s.line += strings.Count(rest[:n], "\n")
	closed := s.line
	behind, err := s.endLine()
	if err != nil {
		return nil, err
	}
	if strings.Trim(behind[:commentAt(behind)], blanks) != "" {
		return nil, &Error{Line: closed, Problem: fmt.Sprintf("there is text behind the quote that closes the value of line %d", opened)}
	}
	return unquote(rest[:n], escapes), nil
}

// commentAt is where the comment behind a value begins, or the end of the line.
func commentAt(line string) int {
	for i := 1; i < len(line); i++ {
		if line[i] == '#' && strings.IndexByte(blanks, line[i-1]) >= 0 {
			return i
		}
	}
	return len(line)
}

// endLine reads the rest of the line with its end, and gives the rest.
func (s *scanner) endLine() (string, error) {
	line, after, ended := strings.Cut(s.rest, "\n")
	if ended {
		line = strings.TrimSuffix(line, "\r")
	}
	if strings.Contains(line, "\r") {
		return "", s.fault("there is a carriage return that no line feed follows")
	}
	s.rest = after
	if ended {
		s.line++
	}
	return line, nil
}
