package server_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// reportUnseen tells, for information, what the document says that operations can
// end in and no test has seen.
func reportUnseen() {
	c := theContract.contract
	if c == nil || !testing.Verbose() {
		return
	}
	for _, op := range c.operations {
		name := c.name(op)
		var missing []string
		for outcome := range c.outcomes(op) {
			if !c.seen[name+" "+outcome] {
				missing = append(missing, outcome)
			}
		}
		if slices.Sort(missing); len(missing) > 0 {
			fmt.Fprintf(os.Stdout, "never seen: %s %s\n", name, strings.Join(missing, " "))
		}
	}
}

// outcomes are the statuses of an operation's successes and the codes of its
// errors.
func (c *contract) outcomes(op *documented) map[string]bool {
	out := map[string]bool{}
	for status := range c.from(op.node, "responses").fields() {
		codes := c.codes(op, status)
		for _, code := range codes {
			out[code] = true
		}
		if len(codes) == 0 {
			out[status] = true
		}
	}
	return out
}

// codes are the error codes of an operation's answers with that status.
func (c *contract) codes(op *documented, status string) (out []string) {
	all, _ := c.from(op.node, "responses", status, "content", "application/json", "schema", "allOf").value.([]any)
	for _, part := range all {
		enum, _ := c.from(node{value: part}, "properties", "error", "properties", "code", "enum").value.([]any)
		for _, code := range enum {
			out = append(out, code.(string))
		}
	}
	return out
}

// schemaNames are the names of the schemas of the document.
func (c *contract) schemaNames() []string {
	return slices.Sorted(maps.Keys(c.at("components", "schemas").fields()))
}
