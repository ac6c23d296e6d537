package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/agent-secret-store/assd/internal/helper"
)

// settings are what the tables of a configuration file say, and which command opens slots.
type settings struct {
	digest   string // of the whole file
	limits   limits
	rotators []rotator
	hooks    []hook
	points   []checkpoint
	backup   *backup  // nil: none
	seal     []string // the command whose output opens command slots; empty: none
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
	{"checkpoint", "[[checkpoint]]", func(s *settings, table any) (err error) { s.points, err = readCheckpoints(table); return err }},
	{"backup", "[backup]", func(s *settings, table any) (err error) { s.backup, err = readBackup(table); return err }},
}

// tableForms lists the tables for a person.
func tableForms() string {
	var forms []string
	for _, t := range tables {
		forms = append(forms, t.form)
	}
	return strings.Join(forms, ", ")
}

// listOf is the tables below lines [[name]], at most so many; nil is none.
func listOf(name string, value any, most int) (all []map[string]any, err error) {
	if value == nil {
		return nil, nil
	}
	list, ok := value.([]any)
	for _, one := range list {
		table, isTable := one.(map[string]any)
		ok = ok && isTable
		all = append(all, table)
	}
	switch {
	case !ok:
		return nil, fmt.Errorf("%s is a list of tables, each below a line [[%s]]", name, name)
	case len(list) > most:
		return nil, fmt.Errorf("there are more than %d tables [[%s]]", most, name)
	}
	return all, nil
}

// setAll hands each setting of a table to set, in the order of their names, until one is
// refused.
func setAll(values map[string]any, set func(name string, value any) error) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := set(name, values[name]); err != nil {
			return err
		}
	}
	return nil
}

// unknownIn is what is said of a name that a table [[table]] does not have.
func unknownIn(table, name string, known []string) error {
	hint := "; a setting of assd itself stands above the first table"
	if near := nearest(name, known); near != "" {
		hint = "; is it " + near + "?"
	}
	return fmt.Errorf("this version of assd knows no %q in [[%s]]%s", name, table, hint)
}

// settings reads the tables, strictly.
func (c *fileConfig) settings() (s settings, err error) {
	s.digest = helper.Digest(c.text)
	if line, ok := c.values[sealCommandName].(string); ok {
		if s.seal, err = splitCommand(line); err != nil {
			return s, &contentError{c.path, fmt.Errorf("%s: %w", sealCommandName, err)}
		}
	}
	for _, t := range tables {
		if err := t.read(&s, c.tables[t.name]); err != nil {
			return s, &contentError{c.path, err}
		}
	}
	return s, nil
}
