package main

import (
	"strings"

	"github.com/agent-secret-store/assd/internal/helper"
)

// settings are what the tables of a configuration file say.
type settings struct {
	digest   string // of the whole file
	limits   limits
	rotators []rotator
	hooks    []hook
}

// tables are those that a file may have, and what reads each; nil is one that is
// not there.
var tables = []struct {
	name string // as it stands in the file
	form string // how its first line looks
	read func(*settings, any) error
}{
	{"limits", "[limits]", func(s *settings, table any) (err error) { s.limits, err = readLimits(table); return err }},
	{"rotator", "[[rotator]]", func(s *settings, table any) (err error) { s.rotators, err = readRotators(table); return err }},
	{"webhook", "[[webhook]]", func(s *settings, table any) (err error) { s.hooks, err = readHooks(table); return err }},
}

// tableForms lists the tables for a person.
func tableForms() string {
	var forms []string
	for _, t := range tables {
		forms = append(forms, t.form)
	}
	return strings.Join(forms, ", ")
}

// settings reads the tables, strictly.
func (c *fileConfig) settings() (s settings, err error) {
	s.digest = helper.Digest(c.text)
	for _, t := range tables {
		if err := t.read(&s, c.tables[t.name]); err != nil {
			return s, &contentError{c.path, err}
		}
	}
	return s, nil
}
