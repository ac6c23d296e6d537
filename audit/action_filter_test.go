package audit_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/agent-secret-store/assd/audit"
)

func TestParseActionFilter(t *testing.T) {
	for s, want := range map[string]string{
		"secret": "secret", "secret.*": "secret", "secret.read": "secret.read", "secret.read.*": "secret.read",
		"secret.read.denied": "secret.read.denied", "step_up": "step_up", "vault.seal": "vault.seal",
		"kek": "kek", "vault.seal.denied": "vault.seal.denied",
	} {
		if got, err := audit.ParseActionFilter(s); got != want || err != nil {
			t.Errorf("%q: %q, %v; want %q", s, got, err, want)
		}
	}
	for s, near := range map[string]string{
		"secret.rea": "secret.read", "Secret.read": "secret.read", "SECRET": "secret", "secrt.read": "secret.read",
		"secret.raed": "secret.read", "secret.": "secret", "secret.read.": "secret.read", "secret..read": "secret.read",
		"secret.read.denied.denied": "secret.read.denied", "secret.read.denied.*": "secret.read.denied", "secret.read x": "secret.read", "secret.read\x00": "secret.read",
		"secret.read.failed": "secret.read", "secret*": "secret", "*": "vault", ".*": "vault", ".": "vault", "": "vault", "hunter2": "vault", "secret.read*": "secret.read",
	} {
		got, err := audit.ParseActionFilter(s)
		unknown, ok := errors.AsType[*audit.UnknownActionError](err)
		if !ok || !errors.Is(err, audit.ErrUnknownAction) {
			t.Errorf("%q: %q, %v", s, got, err)
			continue
		}
		if !slices.Contains(unknown.Nearest, near) {
			t.Errorf("%q: nearest are %q, want %q among them", s, unknown.Nearest, near)
		}
	}
}

// Each action and each refusal can be asked for.
func TestParseActionFilterKnowsAll(t *testing.T) {
	for _, a := range audit.Actions() {
		for _, s := range []string{string(a), string(a.Denied()), a.Room()} {
			if got, err := audit.ParseActionFilter(s); got != s || err != nil {
				t.Errorf("%q: %q, %v", s, got, err)
			}
		}
	}
}
