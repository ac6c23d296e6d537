package server

import (
	"encoding/json"
	"maps"
	"slices"
)

// Document is the description that the server serves.
func (s *Server) Document() (json.RawMessage, error) { return s.document() }

// Routes are the method and the pattern of each row of the table.
func (s *Server) Routes() (out [][2]string) {
	for _, rt := range s.routes {
		out = append(out, [2]string{rt.method, rt.pattern})
	}
	return out
}

// RouteNames are the names of the routes, as the table of guards has them: each
// with whether it asks for no key.
func (s *Server) RouteNames() map[string]bool {
	out := map[string]bool{}
	for _, rt := range s.routes {
		out[rt.name] = rt.open()
	}
	return out
}

// DescribedFields are the fields that have a description, as Type.field.
func DescribedFields() []string { return slices.Sorted(maps.Keys(fieldDocs)) }

// DescribedTypes are the wire types that have one.
func DescribedTypes() []string { return slices.Sorted(maps.Keys(typeDocs)) }
