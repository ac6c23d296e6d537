package server

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

// schemas makes a schema of each wire type that the operations name, from the
// type itself and from fieldDocs.
type schemas map[string]*schema

// direction is where a type travels. In a request a field that may be absent may
// be null as well, and there are no others than those described; in an answer
// there may be more one day.
type direction bool

const (
	inRequest direction = true
	inAnswer  direction = false
)

// of is the schema of t; a struct is a reference to what is kept under its name.
func (all schemas) of(t reflect.Type, dir direction) *schema {
	switch t {
	case reflect.TypeFor[time.Time](), reflect.TypeFor[api.Expiry]():
		return &schema{Type: "string", Format: "date-time"}
	case reflect.TypeFor[api.TTL]():
		return ttlSchema()
	case reflect.TypeFor[api.Code]():
		return schemaRef(errorCode)
	}
	if t == reflect.TypeFor[[]byte]() {
		return &schema{Type: "string", Format: "byte"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return all.of(t.Elem(), dir)
	case reflect.Struct:
		return all.named(t, dir)
	case reflect.Slice:
		return &schema{Type: "array", Items: all.of(t.Elem(), dir)}
	case reflect.Map:
		return &schema{Type: "object", AdditionalProperties: all.of(t.Elem(), dir)}
	default:
		return plain(t.Kind())
	}
}

// plain is the schema of what has no parts; an interface is anything.
func plain(k reflect.Kind) *schema {
	switch k {
	case reflect.String:
		return &schema{Type: "string"}
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Int:
		return &schema{Type: "integer"}
	case reflect.Uint64:
		return &schema{Type: "integer", Minimum: new(0)}
	case reflect.Interface:
		return &schema{}
	}
	panic("openapi: a wire type has a field of kind " + k.String())
}

// named is a reference to the schema of a struct, made at its first mention.
// One without a name has no fields, and stands where it is mentioned.
func (all schemas) named(t reflect.Type, dir direction) *schema {
	if t.Name() == "" {
		return &schema{Type: "object", AdditionalProperties: false}
	}
	if all[t.Name()] == nil {
		all[t.Name()] = all.object(t, dir)
	}
	return schemaRef(t.Name())
}

func (all schemas) object(t reflect.Type, dir direction) *schema {
	s := &schema{Type: "object", Description: typeDocs[t.Name()], Properties: map[string]*schema{}}
	if dir == inRequest {
		s.AdditionalProperties = false
	}
	all.fields(s, t, dir)
	slices.Sort(s.Required)
	return s
}

// fields adds the fields of t to s, also those of the structs that it embeds.
func (all schemas) fields(s *schema, t reflect.Type, dir direction) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			all.fields(s, f.Type, dir)
			continue
		case name == "-":
			continue
		}
		must := !strings.Contains(options, "omit")
		s.Properties[name] = all.field(t.Name()+"."+name, f.Type, dir, must)
		if must {
			s.Required = append(s.Required, name)
		}
	}
}

func (all schemas) field(name string, t reflect.Type, dir direction, must bool) *schema {
	s, doc := all.of(t, dir), fieldDocs[name]
	s.Description = doc.text
	for _, narrow := range doc.rules {
		narrow(s)
	}
	if dir == inRequest && !must || dir == inAnswer && must && t.Kind() == reflect.Pointer {
		orNull(s)
	}
	return s
}

// ttlSchema is how api.ParseTTL reads a lifetime.
func ttlSchema() *schema {
	return &schema{AnyOf: []*schema{
		{Type: "string", Pattern: "^[0-9]{1,9}[smhd]?$"},
		{Type: "integer", Minimum: new(1)},
	}}
}
