package chain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
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
}

// OK reports whether the act of the event was done.
func (g *Glance) OK() bool { return string(g.Outcome) == "ok" }

// at looks at an event. One that is laid out as the daemon writes nearly all of them is
// read without encoding/json, anything else with it; both judge alike. like is the time
// of another event, which saves time where they are of the same second.
func (g *Glance) at(event []byte, like Time) error {
	if g.quick(event, like) {
		return nil
	}
	return g.slow(event)
}

var errGlance = errors.New("decoding event: id, time, actor, action or outcome is missing")

// quick reports whether event could be read the short way. What it refuses may be an
// event nevertheless; of what it accepts, each member comes once.
func (g *Glance) quick(event []byte, like Time) bool {
	if !plain(event) {
		return false
	}
	s := scanner{event}
	id := s.after(`{"id":"`)
	at := s.after(`,"time":"`)
	actor := s.after(`,"actor":{"id":"`)
	kind := s.after(`,"kind":"`)
	name := s.after(`,"name":"`)
	s.skip(`}`)
	action := s.after(`,"action":"`)
	outcome := s.after(`,"outcome":"`)
	if s.rest == nil || len(id) == 0 || len(kind) == 0 || len(action) == 0 || len(outcome) == 0 || !isTime(at, like[:]) {
		return false
	}
	var namespace []byte
	if bytes.HasPrefix(s.rest, []byte(`,"namespace":"`)) {
		namespace = s.after(`,"namespace":"`)
	}
	s.members(afterNamespace, ",")
	records := s.records()
	s.members(afterRecords, ",")
	if s.skip(`}`); s.rest == nil || len(s.rest) > 0 {
		return false
	}
	copy(g.Time[:], at)
	g.Actor, g.Name, g.Action, g.Outcome, g.Namespace, g.Records = actor, name, action, outcome, namespace, records
	return true
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
	return err == nil && !t.IsZero() && b[second] == '.'
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
	if err := onceEach(event); err != nil {
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
