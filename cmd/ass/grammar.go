package main

import (
	"reflect"
	"strings"
)

// grammarFor returns the command line that kong is to read, and where it puts the
// flags of every command. Kong reads the tags of all that it is given, a third of
// what starting ass takes; where args begin with a command's name, no other command
// can be meant, and the others are left empty.
func grammarFor(args []string) (grammar any, flags *globals) {
	var whole cli
	fields := reflect.VisibleFields(reflect.TypeOf(whole))
	found := false
	for i, field := range fields {
		if _, ok := field.Tag.Lookup("cmd"); !ok {
			continue
		}
		if len(args) > 0 && args[0] == strings.ToLower(field.Name) {
			found = true
			continue
		}
		fields[i].Type = reflect.TypeFor[struct{}]()
	}
	if !found {
		return &whole, &whole.Globals
	}
	part := reflect.New(reflect.StructOf(fields))
	return part.Interface(), part.Elem().FieldByName("Globals").Addr().Interface().(*globals)
}
