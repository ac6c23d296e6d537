package testenv

import (
	"os"
	"testing"
)

// Skip ends t, which cannot run here: skipped, or failed where CI is set in the
// environment.
func Skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal("no test is skipped where CI is set: " + why)
	}
	t.Skip(why)
}
