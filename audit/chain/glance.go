package chain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

const timeLayout = "2006-01-02T15:04:05.000Z"

// Time is one of an event as it stands there, always of one length, so that they
// compare as times do.
type Time [len(timeLayout)]byte

// When is that time; the zero one where there is none.
func (t Time) When() time.Time {
	at, err := time.Parse(timeLayout, string(t[:]))
	if err != nil {
		return time.Time{}
	}
	return at
}

// Glance is what a check wants to know of every event. Its slices are parts of the
// event, or copies.
type Glance struct {
	Time      Time
	Actor     []byte // id
	Name      []byte // of the actor
	Action    []byte
	Outcome   []byte
	Namespace []byte
	Records   bool // it may name records

	id, kind []byte
}

// OK reports whether the act of the event was done.
func (g *Glance) OK() bool { return string(g.Outcome) == "ok" }

// at looks at the next event. An event that is laid out as the daemon writes most of
// them is read without encoding/json, anything else with it; both judge alike. before
// is the time of the event before.
func (g *Glance) at(event []byte, before Time) error {
	if g.quick(event, before) {
		return nil
	}
	return g.slow(event)
}

var errGlance = errors.New("decoding event: id, time, actor, action or outcome is missing")

const namespaceMember = `,"namespace":"`

// quick reports whether event could be read the short way.
func (g *Glance) quick(event []byte, before Time) bool {
	s := scanner{event}
	g.id = s.after(`{"id":"`)
	at := s.after(`,"time":"`)
	g.Actor = s.after(`,"actor":{"id":"`)
	g.kind = s.after(`,"kind":"`)
	g.Name = s.after(`,"name":"`)
	s.skip(`}`)
	g.Action = s.after(`,"action":"`)
	g.Outcome = s.after(`,"outcome":"`)
	if s.rest == nil || len(g.id) == 0 || len(g.kind) == 0 || len(g.Action) == 0 || len(g.Outcome) == 0 || !isTime(at, before[:]) {
		return false
	}
	g.Namespace = nil
	if bytes.HasPrefix(s.rest, []byte(namespaceMember)) {
		g.Namespace = s.after(namespaceMember)
	}
	if bytes.Contains(s.rest, []byte(`"namespace":`)) { // it comes twice, or inside of something
		return false
	}
	copy(g.Time[:], at)
	g.Records = bytes.Contains(s.rest, []byte(`"records":`))
	return !g.Records && s.members(1) && len(s.rest) == 0
}

// isTime reports whether b is a time, other than that of the year 1; like has one.
func isTime(b, like []byte) bool {
	if len(b) != len(timeLayout) {
		return false
	}
	const second = len("2006-01-02T15:04:05")
	if len(like) == len(b) && bytes.Equal(b[:second], like[:second]) {
		return b[second] == '.' && b[len(b)-1] == 'Z' && digits(b[second+1:len(b)-1])
	}
	t, err := time.Parse(timeLayout, string(b))
	return err == nil && !t.IsZero()
}

func digits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func (g *Glance) slow(event []byte) error {
	var e struct {
		ID    string `json:"id"`
		Time  string `json:"time"`
		Actor struct {
			ID   string `json:"id"`
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"actor"`
		Action    string          `json:"action"`
		Outcome   string          `json:"outcome"`
		Namespace string          `json:"namespace"`
		Records   json.RawMessage `json:"records"`
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return fmt.Errorf("decoding event: %w", err)
	}
	if e.Time != "" && !isTime([]byte(e.Time), nil) {
		return errors.New("decoding event: its time is malformed")
	}
	if e.ID == "" || e.Time == "" || e.Action == "" || e.Outcome == "" || e.Actor.Kind == "" {
		return errGlance
	}
	copy(g.Time[:], e.Time)
	g.Actor, g.Name, g.Action, g.Outcome, g.Namespace = []byte(e.Actor.ID), []byte(e.Actor.Name), []byte(e.Action), []byte(e.Outcome), []byte(e.Namespace)
	g.Records = e.Records != nil
	return nil
}

// scanner reads the plain part of JSON that nearly all events are written in: no
// blanks, no backslashes, small depth. rest is nil once something was not.
type scanner struct{ rest []byte }

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
	return s.str()
}

// str reads a string up to its closing quote.
func (s *scanner) str() []byte {
	high := false
	for i, c := range s.rest {
		switch {
		case c == '"':
			out := s.rest[:i]
			s.rest = s.rest[i+1:]
			if high && !utf8.Valid(out) {
				s.rest = nil
			}
			return out
		case c < ' ' || c == '\\':
			s.rest = nil
			return nil
		case c >= utf8.RuneSelf:
			high = true
		}
	}
	s.rest = nil
	return nil
}

// members reads the members of an object that has had one, up to its end.
func (s *scanner) members(depth int) bool {
	for len(s.rest) > 0 && s.rest[0] == ',' {
		if s.rest = s.rest[1:]; !s.member(depth) {
			return false
		}
	}
	s.skip(`}`)
	return s.rest != nil
}

func (s *scanner) member(depth int) bool {
	s.after(`"`)
	s.skip(`:`)
	if len(s.rest) == 0 {
		return false
	}
	switch c := s.rest[0]; {
	case c == '"':
		s.after(`"`)
	case c == '{' && depth < 4:
		s.rest = s.rest[1:]
		return s.member(depth+1) && s.members(depth+1)
	case c >= '1' && c <= '9':
		for len(s.rest) > 0 && s.rest[0] >= '0' && s.rest[0] <= '9' {
			s.rest = s.rest[1:]
		}
	default:
		return false
	}
	return s.rest != nil
}
