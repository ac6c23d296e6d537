package audit_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/agent-secret-store/assd/audit"
)

// TestActionsAreComplete: each constant is in the list, once.
func TestActionsAreComplete(t *testing.T) {
	source, err := os.ReadFile("event.go")
	if err != nil {
		t.Fatal(err)
	}
	listed := audit.Actions()
	if len(slices.Compact(slices.Clone(listed))) != len(listed) {
		t.Error("an action is listed twice")
	}
	found := regexp.MustCompile(`(?m)^\t(\w+) +Action = "([a-z_.]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(found) < 40 {
		t.Fatalf("only %d constants in the source", len(found))
	}
	for _, m := range found {
		if !slices.Contains(listed, audit.Action(m[2])) {
			t.Errorf("%s is not listed", m[1])
		}
	}
}
