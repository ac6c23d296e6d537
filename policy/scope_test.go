package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/policy"
)

func TestScopeMatches(t *testing.T) {
	for _, tc := range []struct {
		scope, action, path string
		want                bool
	}{
		{"secrets:read:production/*", "read", "production/KEY", true},
		{"secrets:read:production/*", "read", "staging/KEY", false},
		{"secrets:read:production/*", "write", "production/KEY", false},
		{"secrets:read:a/KEY", "read", "a/KEY", true},
		{"secrets:read:a/KEY", "read", "a/KEY2", false},
		{"secrets:read:*", "read", "a/b/KEY", true},
		{"secrets:*:a/*", "read", "a/KEY", true},
		{"secrets:*:a/*", "write", "a/KEY", true},
		{"secrets:*:a/*", "delete", "a/KEY", true},
		{"secrets:*:a/*", "rotate", "a/KEY", true},
		{"secrets:*:a/*", "*", "a/KEY", false},
		{"secrets:*:a/*", "list", "a/KEY", false},
		{"secrets:write:a/*", "delete", "a/KEY", false},
		{"secrets:write:a/*", "rotate", "a/KEY", false},
		{"secrets:write:a/*", "read", "a/KEY", false},
		{"secrets:rotate:a/*", "write", "a/KEY", false},
		{"secrets:delete:a/*", "write", "a/KEY", false},
		{"secrets:read", "read", "a/KEY", true},
		{"secrets:read", "write", "a/KEY", false},
		{"secrets:*", "delete", "a/KEY", true},
		{"read:secrets", "read", "a/KEY", true},
		{"read:secrets", "rotate", "a/KEY", false},
		{"write:secrets", "write", "a/KEY", true},
		{"write:secrets", "delete", "a/KEY", false},
		{"import:secrets", "write", "a/KEY", true},
		{"import:secrets", "read", "a/KEY", false},
		{"delete:secrets", "delete", "a/KEY", true},
		{"rotate:secrets", "rotate", "a/KEY", true},
		{"namespaces:read", "read", "a/KEY", false},
		{"manage:agents", "read", "a/KEY", false},
		{"manage:agents", "write", "a/KEY", false},
	} {
		if got := mustScope(t, tc.scope).Matches(policy.Action(tc.action), mustPath(t, tc.path)); got != tc.want {
			t.Errorf("%q allows to %s %q: %v", tc.scope, tc.action, tc.path, got)
		}
	}
	if (policy.Scope{}).Matches("", mustPath(t, "a/b")) || (policy.Scope{}).Matches(policy.Read, mustPath(t, "a/b")) {
		t.Error("the zero Scope allows something")
	}
	if mustScope(t, "secrets:*").Matches(policy.Read, policy.Path{}) {
		t.Error("a scope allows to read the zero Path")
	}
}

func TestScopeProperties(t *testing.T) {
	for _, tc := range []struct {
		scope           string
		listsNamespaces bool
		action          policy.Action
		path            string
	}{
		{scope: "secrets:read:a/KEY", action: policy.Read, path: "a/KEY"},
		{scope: "secrets:rotate:a/b/KEY", action: policy.Rotate, path: "a/b/KEY"},
		{scope: "secrets:*:a/KEY"},
		{scope: "secrets:read:a/*"},
		{scope: "secrets:read"},
		{scope: "import:secrets"},
		{scope: "namespaces:read", listsNamespaces: true},
		{scope: "manage:agents"},
	} {
		s := mustScope(t, tc.scope)
		action, path, ok := s.Literal()
		if ok != (tc.path != "") || action != tc.action || path.String() != tc.path {
			t.Errorf("%q.Literal() = %q, %q, %v", tc.scope, action, path, ok)
		}
		if s.ListsNamespaces() != tc.listsNamespaces || s.String() != tc.scope || s.IsZero() {
			t.Errorf("%q: lists namespaces %v, printed %q", tc.scope, s.ListsNamespaces(), s)
		}
	}
}

func TestParseScopeRefuses(t *testing.T) {
	const form = "scope must be secrets:ACTION:PATTERN, namespaces:read or a short form such as read:secrets"
	for _, tc := range []struct{ in, err string }{
		{"", form},
		{"read", form},
		{"*", form},
		{"Secrets:read", form},
		{" secrets:read", form},
		{"namespaces:write", form},
		{"manage:agents:x", form},
		{"read:secrets:a/*", form},
		{"secrets", form},
		{"secrets:", "scope action must be read, write, delete, rotate or *"},
		{"secrets:list:a/*", "scope action must be read, write, delete, rotate or *"},
		{"secrets:READ:a/*", "scope action must be read, write, delete, rotate or *"},
		{"secrets:read ", "scope action must be read, write, delete, rotate or *"},
		{"secrets:read:", "scope pattern is empty"},
		{"secrets:read:a:b", "scope pattern segment 1 has a character outside A-Z a-z 0-9 _ . -"},
		{"secrets:read:production*", "scope pattern can match no key, which has a namespace before it: write production/*"},
	} {
		s, err := policy.ParseScope(tc.in)
		if err == nil || err.Error() != tc.err || !errors.Is(err, policy.ErrInvalid) || !s.IsZero() {
			t.Errorf("ParseScope(%q) = %q, %v; want error %q", tc.in, s, err, tc.err)
		}
	}
}

func TestParseScopesSaysWhich(t *testing.T) {
	_, err := policy.ParseScopes([]string{"secrets:read", "secrets:list"})
	if err == nil || !strings.HasPrefix(err.Error(), "entry 2: ") {
		t.Errorf("error %v", err)
	}
	if _, err := policy.ParseScopes(make([]string, policy.MaxScopes+1)); err == nil || err.Error() != "more than 256 scopes" {
		t.Errorf("error %v", err)
	}
}

func FuzzParseScope(f *testing.F) {
	for _, s := range []string{
		"", "secrets:read:production/*", "secrets:*:*", "secrets:write", "secrets:read:a*", "secrets::a/b", "read:secrets",
		"import:secrets", "manage:agents", "namespaces:read", "secrets:read:a/../b", "secrets:delete:a/K:x", "secrets:*",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := policy.ParseScope(text)
		if err != nil {
			checkRefusal(t, text, err, s.IsZero())
			return
		}
		if again, err := policy.ParseScope(s.String()); s.String() != text || err != nil || again != s {
			t.Fatalf("%q printed as %q and parsed again: %v", text, s, err)
		}
		if action, path, ok := s.Literal(); ok && !s.Matches(action, path) {
			t.Fatalf("%q does not allow what it names", text)
		}
	})
}
