package audit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/audit"
)

func TestPattern(t *testing.T) {
	for _, tc := range []struct {
		pattern      string
		means, spare string
	}{
		{"approval.request", "approval.request", "approval.request.denied approval.approve approval"},
		{"approval.*", "approval.request approval.approve.denied", "approval approvals.x token.create"},
		{"secret.read.denied", "secret.read.denied", "secret.read secret.write.denied"},
		{"secret.read.*", "secret.read.denied", "secret.read"},
		{"*", "secret.read vault.lockdown.denied auth.failed", "webhook.failed webhook.test.denied"},
	} {
		p, err := audit.ParsePattern(tc.pattern)
		if err != nil {
			t.Errorf("%s: %v", tc.pattern, err)
		}
		for _, a := range strings.Fields(tc.means) {
			if !p.Matches(audit.Action(a)) {
				t.Errorf("%s does not mean %s", p, a)
			}
		}
		for _, a := range strings.Fields(tc.spare) {
			if p.Matches(audit.Action(a)) {
				t.Errorf("%s means %s", p, a)
			}
		}
	}
	for _, s := range []string{"", "secret", "secret.", ".*", "secret.re*", "secret*", "**", "*.read", "secret.read.", "Secret.read", "secret.read.denied.denied", "nothing.*"} {
		if p, err := audit.ParsePattern(s); !errors.Is(err, audit.ErrUnknownAction) {
			t.Errorf("%q: %q, %v", s, p, err)
		}
	}
	for _, s := range []string{"webhook.failed", "webhook.*", "webhook"} {
		if p, err := audit.ParsePattern(s); err == nil || errors.Is(err, audit.ErrUnknownAction) {
			t.Errorf("%q: %q, %v", s, p, err)
		}
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{"*", "approval.*", "secret.read.denied", "webhook.*", "secret.re*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := audit.ParsePattern(s)
		if err != nil {
			return
		}
		found := false
		for _, a := range audit.Actions() {
			for _, one := range []audit.Action{a, a.Denied()} {
				if !p.Matches(one) {
					continue
				}
				if found = true; one.Room() == "webhook" {
					t.Errorf("%q means %s", s, one)
				}
			}
		}
		if again, err := audit.ParsePattern(string(p)); !found || err != nil || again != p {
			t.Errorf("%q means nothing, or is another when it is read again: %v", s, err)
		}
	})
}
