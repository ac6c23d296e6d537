package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode"
)

// sealCommandTime is how long the command of a slot may take: long enough to touch a key.
const sealCommandTime = 30 * time.Second

// splitCommand takes a command line apart as a shell does, without one: words, 'as it
// stands', "with \" and \\". Whatever a shell would act on besides is refused, so that
// nobody thinks that it counts. "" is no command.
func splitCommand(line string) (argv []string, err error) {
	if len(line) > maxArgument {
		return nil, fmt.Errorf("it is longer than %d bytes", maxArgument)
	}
	for rest := strings.TrimLeft(line, " \t"); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		var word string
		if word, rest, err = firstWord(rest); err != nil {
			return nil, err
		}
		argv = append(argv, word)
	}
	switch {
	case len(argv) > maxArguments:
		return nil, fmt.Errorf("it has more than %d parts", maxArguments)
	case len(argv) > 0 && !filepath.IsAbs(argv[0]):
		return nil, errors.New("it begins with no absolute path, and no shell looks for one")
	}
	return argv, nil
}

// firstWord is the word that text, not empty, begins with.
func firstWord(text string) (word, rest string, err error) {
	var b strings.Builder
	for text != "" && text[0] != ' ' && text[0] != '\t' {
		var piece string
		switch text[0] {
		case '\'':
			piece, text, err = singleQuoted(text[1:])
		case '"':
			piece, text, err = doubleQuoted(text[1:])
		default:
			piece, text, err = bare(text)
		}
		if err != nil {
			return "", "", err
		}
		b.WriteString(piece)
	}
	return b.String(), text, nil
}

// Characters that a shell acts on, outside quotes and inside double ones.
const (
	shellActs       = "$`\\|&;<>()*?[]{}#~!"
	shellActsQuoted = "$`!"
)

func bare(text string) (piece, rest string, err error) {
	n := strings.IndexAny(text, " \t'\"")
	if n < 0 {
		n = len(text)
	}
	return text[:n], text[n:], literal(text[:n], shellActs)
}

func singleQuoted(text string) (piece, rest string, err error) {
	piece, rest, closed := strings.Cut(text, "'")
	if !closed {
		return "", "", errOpenQuote
	}
	return piece, rest, literal(piece, "")
}

func doubleQuoted(text string) (piece, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:], literal(b.String(), shellActsQuoted)
		case c == '\\' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\'):
			i++
			b.WriteByte(text[i])
		case c == '\\':
			return "", "", errors.New(`a \ in double quotes stands before " or \ alone`)
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errOpenQuote
}

var errOpenQuote = errors.New("a quote is not closed")

func literal(piece, acts string) error {
	if i := strings.IndexFunc(piece, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }); i >= 0 {
		return errors.New("it has a control character, or is not UTF-8")
	}
	if i := strings.IndexAny(piece, acts); i >= 0 {
		return fmt.Errorf("no shell reads it, so %q would mean nothing there: put it in single quotes if it belongs to an argument", piece[i:i+1])
	}
	return nil
}
