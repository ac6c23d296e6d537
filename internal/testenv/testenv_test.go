package testenv_test

import (
	"testing"

	"github.com/agent-secret-store/assd/internal/testenv"
)

// spy is a test that says how it was ended.
type spy struct {
	testing.TB
	ended string
}

func (*spy) Helper() {}

func (s *spy) Fatal(...any) { s.ended += "failed" }

func (s *spy) Skip(...any) { s.ended += "skipped" }

func TestSkip(t *testing.T) {
	for ci, want := range map[string]string{"": "skipped", "true": "failedskipped", "1": "failedskipped"} {
		t.Setenv("CI", ci)
		s := &spy{}
		testenv.Skip(s, "no reason")
		if s.ended != want { // Fatal of a spy returns
			t.Errorf("with CI=%q the test ended %q, want %q", ci, s.ended, want)
		}
	}
}
