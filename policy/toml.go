package policy

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// ruleTable is the name of the array of tables that holds the rules.
const ruleTable = "rule"

// read walks over the text, key by key. Decoding into a struct would be
// shorter, but loses where things are, and a refusal has to say so.
func (d *draft) read() error {
	var p unstable.Parser
	p.Reset(d.text)
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		name, at := keyOf(e)
		var err error
		switch e.Kind {
		case unstable.Table:
			table, err = name, checkTable(name, at)
		case unstable.ArrayTable:
			table, err = name, d.startRule(name, at)
		default:
			err = d.readKey(table, table, e)
		}
		if err != nil {
			return err
		}
	}
	return syntaxFault(&p)
}

func checkTable(name string, at int) error {
	if !slices.Contains(tables, name) {
		return unknownTable(at, name)
	}
	return nil
}

func (d *draft) startRule(name string, at int) error {
	if slices.Contains(tables, name) {
		return faultAt(at, "%s is one table: write [%s]", name, name)
	}
	if name != ruleTable {
		return unknownTable(at, name)
	}
	at = bytes.LastIndex(d.text[:at], []byte("[["))
	if len(d.rules) == MaxRules {
		return faultAt(at, "more than %d rules", MaxRules)
	}
	d.rules = append(d.rules, &draftRule{at: at})
	return nil
}

// readKey takes one key with its value; within is the table that it is in, by
// header and inline tables.
func (d *draft) readKey(table, within string, e *unstable.Node) error {
	name, at := keyOf(e)
	if within != "" {
		name = within + "." + name
	}
	v := e.Value()
	if v.Kind != unstable.InlineTable || !slices.Contains(tables, name) {
		return d.set(table, name, at, valueOf(v, d.valueAt(e)))
	}
	for it := v.Children(); it.Next(); {
		if err := d.readKey(table, name, it.Node()); err != nil {
			return err
		}
	}
	return nil
}

// keyOf returns the key of a header or value with dots between its parts, and
// where it begins.
func keyOf(e *unstable.Node) (name string, at int) {
	var parts []string
	for it := e.Key(); it.Next(); {
		if parts == nil {
			at = int(it.Node().Raw.Offset)
		}
		// A quoted part may have dots of its own, and none of our keys has.
		parts = append(parts, strings.ReplaceAll(string(it.Node().Data), ".", "?"))
	}
	return strings.Join(parts, "."), at
}

// valueAt returns where the value of e begins, which the parser does not say
// of arrays: behind the key and what may stand between them.
func (d *draft) valueAt(e *unstable.Node) int {
	at := 0
	for it := e.Key(); it.Next(); {
		at = int(it.Node().Raw.Offset + it.Node().Raw.Length)
	}
	return len(d.text) - len(bytes.TrimLeft(d.text[at:], " \t="))
}

// syntaxFault is why the parser stopped, nil at the end of the text.
func syntaxFault(p *unstable.Parser) error {
	err := p.Error()
	if err == nil {
		return nil
	}
	pe := (*unstable.ParserError)(nil)
	if !errors.As(err, &pe) {
		return faultAt(0, "not TOML")
	}
	// Some of its messages quote the character that they stop at.
	message, _, _ := strings.Cut(pe.Message, " U+")
	message = strings.TrimSuffix(strings.TrimSuffix(message, " but got"), ":")
	return faultAt(int(p.Range(pe.Highlight).Offset), "not TOML: %s", message)
}
