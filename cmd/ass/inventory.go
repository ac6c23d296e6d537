package main

import "strings"

// inventory is all that there is of a kind, as the command that lists it prints it.
type inventory[T any] struct {
	items []T
	key   string         // of the list in JSON
	name  func(T) string // for --quiet
	sheet sheet          // without its rows
	row   func(T) []string
}

// print prints what the daemon said as JSON, the names alone, or a sheet.
func (l inventory[T]) print(a *app) error {
	switch {
	case a.JSON:
		return a.json(map[string]any{l.key: append([]T{}, l.items...)})
	case a.Quiet:
		var b strings.Builder
		for _, one := range l.items {
			b.WriteString(foreign(l.name(one), maxName) + "\n")
		}
		return a.answer(b.String())
	}
	for _, one := range l.items {
		l.sheet.rows = append(l.sheet.rows, l.row(one))
	}
	return a.answer(l.sheet.String())
}
