package chain

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// scanner reads the plain part of JSON that nearly all events are written in: no
// blanks, no backslashes, each object with members that are known, in their order.
// rest is nil once something was not.
type scanner struct{ rest []byte }

// member is one that an object may have, if it has not had a later one.
type member struct {
	name string // with its quotes and colon
	kind byte   // 's': a string, 'n': a number, 'o': an object
	has  []member
}

// The members of an event behind its namespace, but for its records, in the order in
// which the daemon writes them.
var (
	afterNamespace = []member{
		{name: `"key":`, kind: 's'}, {name: `"version":`, kind: 'n'},
		{`"subject":`, 'o', []member{{name: `"id":`, kind: 's'}, {name: `"name":`, kind: 's'}}},
		{name: `"reason":`, kind: 's'},
		{`"source":`, 'o', []member{{name: `"uid":`, kind: 'n'}, {name: `"pid":`, kind: 'n'}, {name: `"ip":`, kind: 's'}, {name: `"exe":`, kind: 's'}}},
		{name: `"request_id":`, kind: 's'}, {name: `"client_request_id":`, kind: 's'},
		{name: `"approval_id":`, kind: 's'}, {name: `"token_id":`, kind: 's'},
		{name: `"count":`, kind: 'n'}, {name: `"clock":`, kind: 's'},
		{`"vault":`, 'o', []member{{name: `"tenant":`, kind: 's'}, {name: `"verify_key":`, kind: 's'}, {name: `"epoch":`, kind: 'n'}}},
	}
	afterRecords = []member{{name: `"anchor":`, kind: 's'}}
)

const (
	eachByte = 0x0101010101010101
	topBits  = 0x80 * eachByte
)

// plain reports whether b has neither a backslash nor a control character, and is UTF-8:
// so each string in it ends at its next quote, and means what it says.
func plain(b []byte) bool {
	var special, high uint64 // the top bit of a byte says that there is one
	rest := b
	for ; len(rest) >= 8; rest = rest[8:] {
		w := binary.LittleEndian.Uint64(rest)
		slash := w ^ '\\'*eachByte
		special |= (w-' '*eachByte)&^w | (slash-eachByte)&^slash
		high |= w
	}
	for _, c := range rest {
		if c < ' ' || c == '\\' {
			return false
		}
		high |= uint64(c)
	}
	return special&topBits == 0 && (high&topBits == 0 || utf8.Valid(b))
}

func (s *scanner) skip(text string) {
	if len(s.rest) < len(text) || string(s.rest[:len(text)]) != text {
		s.rest = nil
		return
	}
	s.rest = s.rest[len(text):]
}

// after is the string that text, up to its opening quote, begins.
func (s *scanner) after(text string) []byte {
	s.skip(text)
	end := bytes.IndexByte(s.rest, '"')
	if end < 0 {
		s.rest = nil
		return nil
	}
	out := s.rest[:end]
	s.rest = s.rest[end+1:]
	return out
}

// members reads those that are there of all; before is what the first one follows, a
// comma or nothing.
func (s *scanner) members(all []member, before string) {
	for i := range all {
		m, skip := &all[i], len(before)
		name := s.rest[min(skip, len(s.rest)):]
		if len(name) < len(m.name) || name[1] != m.name[1] || string(name[:len(m.name)]) != m.name || string(s.rest[:skip]) != before {
			continue
		}
		s.rest = name[len(m.name):]
		s.value(m)
		before = ","
	}
}

func (s *scanner) value(m *member) {
	switch m.kind {
	case 's':
		s.after(`"`)
	case 'n':
		s.number()
	case 'o':
		s.skip(`{`)
		s.members(m.has, "")
		s.skip(`}`)
	}
}

// number reads a natural number.
func (s *scanner) number() {
	n := 0
	for n < len(s.rest) && s.rest[n] >= '0' && s.rest[n] <= '9' {
		n++
	}
	if n == 0 || n > 1 && s.rest[0] == '0' {
		s.rest = nil
		return
	}
	s.rest = s.rest[n:]
}

// records reads those of an event, and reports whether it has the member. Their names
// ascend, so none comes twice.
func (s *scanner) records() bool {
	if !bytes.HasPrefix(s.rest, []byte(`,"records":{`)) {
		return false
	}
	s.skip(`,"records":{`)
	var last []byte
	for first := true; len(s.rest) > 0 && s.rest[0] != '}'; first = false {
		if !first {
			s.skip(`,`)
		}
		name := s.after(`"`)
		if s.after(`:"`); !first && bytes.Compare(name, last) <= 0 {
			s.rest = nil
		}
		last = name
	}
	s.skip(`}`)
	return true
}
