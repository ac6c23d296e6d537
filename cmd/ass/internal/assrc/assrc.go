// Package assrc owns ~/.assrc, the file that remembers a login: which key goes
// to which daemon.
//
// The invariant: the file is readable by its owner alone, appears whole or not
// at all, and what this version does not know stays in it. Parsing, printing
// and parsing again gives the same file. No error repeats a line of it, since
// any line may hold a key.
package assrc

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Keys of the file that ass reads and writes.
const (
	AgentKey    = "ASS_AGENT_KEY"   // key of an owner or agent
	APIURL      = "ASS_API_URL"     // the one daemon that the key goes to
	CACert      = "ASS_CA_CERT"     // certificate file that vouches for it
	Fingerprint = "ASS_FINGERPRINT" // or the fingerprint of its own
	ClientCert  = "ASS_CLIENT_CERT" // our own certificate, for a daemon that asks for one
	ClientKey   = "ASS_CLIENT_KEY"  // and the file of its key
	VerifyKey   = "ASS_VERIFY_KEY"  // key that signs its audit trail
)

// MaxSize bounds the file, in bytes.
const MaxSize = 64 << 10

// File is the content of ~/.assrc: lines in their order, comments included.
// The zero value is an empty file.
type File struct {
	lines []line
}

// line is a setting, or, with an empty key, a comment or blank line.
type line struct {
	key  string
	text string // value of a setting; otherwise the line itself
}

// ErrSyntax is wrapped by every error about the file's content.
var ErrSyntax = errors.New("~/.assrc is malformed")

func syntax(n int, fault string) error {
	return fmt.Errorf("%w: line %d %s", ErrSyntax, n, fault)
}

// Parse reads lines of the form KEY=value; empty lines and lines that start
// with # are kept and mean nothing. A value reaches to the end of its line;
// blanks at its ends are dropped. A key that comes twice, a quoted value and a
// control character are errors.
func Parse(b []byte) (*File, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrSyntax, MaxSize)
	}
	text, f := strings.TrimSuffix(string(b), "\n"), &File{}
	if text == "" && len(b) == 0 {
		return f, nil
	}
	n := 0
	for raw := range strings.SplitSeq(text, "\n") {
		n++
		l, fault := parseLine(strings.TrimSuffix(raw, "\r"))
		if fault == "" && f.index(l.key) >= 0 {
			fault = "sets a key for the second time"
		}
		if fault != "" {
			return nil, syntax(n, fault)
		}
		f.lines = append(f.lines, l)
	}
	return f, nil
}

// parseLine reads one line, or says what is wrong with it.
func parseLine(s string) (line, string) {
	if fault := textFault(s); fault != "" {
		return line{}, fault
	}
	if bare := strings.TrimSpace(s); bare == "" || bare[0] == '#' {
		return line{text: s}, ""
	}
	key, value, ok := strings.Cut(s, "=")
	if !ok || !validKey(key) {
		return line{}, "is not KEY=value"
	}
	value = strings.TrimSpace(value)
	if strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "'") {
		return line{}, "has a quoted value: write it without quotes"
	}
	return line{key: key, text: value}, ""
}

func textFault(s string) string {
	if !utf8.ValidString(s) {
		return "is not UTF-8"
	}
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }) {
		return "holds a control character"
	}
	return ""
}

// validKey reports whether s is a name as environment variables have them.
func validKey(s string) bool {
	for i, r := range []byte(s) {
		letter := r == '_' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// index is where key is set, or -1.
func (f *File) index(key string) int {
	for i, l := range f.lines {
		if l.key == key && key != "" {
			return i
		}
	}
	return -1
}

// Get returns the value of key, "" when it is not set.
func (f *File) Get(key string) string {
	if i := f.index(key); i >= 0 {
		return f.lines[i].text
	}
	return ""
}

// Set sets key where it stands, or at the end; an empty value removes it. The
// error is about a value that the file cannot carry.
func (f *File) Set(key, value string) error {
	if value == "" {
		f.Unset(key)
		return nil
	}
	l, fault := parseLine(key + "=" + value)
	if fault != "" || l.key != key || l.text != value {
		return fmt.Errorf("%w: the value of %s cannot be kept there", ErrSyntax, key)
	}
	if i := f.index(key); i >= 0 {
		f.lines[i] = l
		return nil
	}
	f.lines = append(f.lines, l)
	return nil
}

// Unset removes keys.
func (f *File) Unset(keys ...string) {
	for _, key := range keys {
		if i := f.index(key); i >= 0 {
			f.lines = append(f.lines[:i], f.lines[i+1:]...)
		}
	}
}

// Empty reports whether nothing is left but blank lines.
func (f *File) Empty() bool {
	for _, l := range f.lines {
		if l.key != "" || strings.TrimSpace(l.text) != "" {
			return false
		}
	}
	return true
}

// String prints the file; [Parse] reads it back.
func (f *File) String() string {
	var b strings.Builder
	for _, l := range f.lines {
		if l.key != "" {
			b.WriteString(l.key + "=")
		}
		b.WriteString(l.text + "\n")
	}
	return b.String()
}
