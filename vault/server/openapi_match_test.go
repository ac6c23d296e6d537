package server_test

import (
	"net/url"
	"strings"
)

// find is the operation that a request means: the longest whose path it fits, else one
// whose path it resembles, else nil.
func (c *contract) find(method, escaped string) (op *documented, fits bool) {
	for _, o := range c.operations {
		if o.method != method {
			continue
		}
		vars, like := resembles(o.path, escaped)
		if like && !fits && (op == nil || !strings.Contains(o.path, "{")) {
			op = o
		}
		if like && vars != nil && c.fit(o, vars) && (!fits || len(o.path) > len(op.path)) {
			op, fits = o, true
		}
	}
	return op, fits
}

func (c *contract) fit(op *documented, vars map[string]string) bool {
	for name, value := range vars {
		if c.fault(c.from(c.parameters(op)["path "+name], "schema"), value) != "" {
			return false
		}
	}
	return true
}

// resembles reports whether a path as sent has the form of a templated one, and
// what stands in it for the variables; nil when no pieces can be told apart. A
// namespace may be several pieces where a key follows.
func resembles(template, escaped string) (vars map[string]string, like bool) {
	base, rest, secret := strings.Cut(template, "{namespace}")
	if !secret {
		return plainVars(strings.Split(template, "/"), strings.Split(escaped, "/"))
	}
	sent, ok := strings.CutPrefix(escaped, base)
	if !ok {
		return nil, false
	}
	var pieces []string
	for piece := range strings.SplitSeq(sent, "/") {
		text, err := url.PathUnescape(piece)
		if err != nil {
			return nil, true
		}
		pieces = append(pieces, text)
	}
	keyed, tail := strings.CutPrefix(rest, "/{key}")
	if sub := strings.TrimPrefix(keyed, "/"); sub != "" {
		if pieces[len(pieces)-1] != sub {
			return nil, false
		}
		pieces = pieces[:len(pieces)-1]
	}
	last := len(pieces) - 1
	switch {
	case !tail:
		return map[string]string{"namespace": strings.Join(pieces, "/")}, last == 0
	case last < 1 || strings.Contains(pieces[last], "/"):
		return nil, true
	}
	return map[string]string{"namespace": strings.Join(pieces[:last], "/"), "key": pieces[last]}, true
}

func plainVars(template, sent []string) (map[string]string, bool) {
	vars := map[string]string{}
	if len(template) != len(sent) {
		return nil, false
	}
	for i, piece := range template {
		if name, ok := strings.CutPrefix(piece, "{"); ok {
			text, err := url.PathUnescape(sent[i])
			if err != nil {
				return nil, true
			}
			vars[strings.TrimSuffix(name, "}")] = text
		} else if piece != sent[i] {
			return nil, false
		}
	}
	return vars, true
}
