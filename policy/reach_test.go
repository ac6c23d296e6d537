package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/policy"
)

func TestParseReachNamespaces(t *testing.T) {
	for _, tc := range []struct {
		in   []string
		want string
	}{
		{nil, "none"},
		{[]string{}, "none"},
		{[]string{"production"}, "[production]"},
		{[]string{"production/*", "staging/eu"}, "[production staging/eu]"},
		{[]string{"*"}, "all"},
		{[]string{"production", "*"}, "all"},
	} {
		got, err := policy.ParseReachNamespaces(tc.in)
		said := fmt.Sprint(got)
		if got == nil {
			said = "all"
		} else if len(got) == 0 {
			said = "none"
		}
		if err != nil || said != tc.want {
			t.Errorf("ParseReachNamespaces(%q) = %s, %v; want %s", tc.in, said, err, tc.want)
		}
	}
	for _, in := range []string{"", "/*", "a*", "a/*/b", "a/**", "*/*", "a//b", "..", "prod*/*"} {
		got, err := policy.ParseReachNamespaces([]string{"*", in})
		if !errors.Is(err, policy.ErrInvalid) || got != nil || !strings.HasPrefix(err.Error(), "entry 2: ") {
			t.Errorf("ParseReachNamespaces(%q) = %v, %v", in, got, err)
		}
	}
	if _, err := policy.ParseReachNamespaces(make([]string, policy.MaxReachNamespaces+1)); err == nil ||
		err.Error() != "more than 256 namespaces" {
		t.Errorf("error %v", err)
	}
}

func TestReachAllows(t *testing.T) {
	everywhere := []string{"*"}
	for _, tc := range []struct {
		namespaces, scopes []string
		action             policy.Action
		path               string
		want               bool
	}{
		{everywhere, []string{"secrets:read"}, "read", "a/KEY", true},
		{everywhere, []string{"secrets:read"}, "write", "a/KEY", false},
		{everywhere, nil, "read", "a/KEY", false},
		{[]string{}, []string{"secrets:*:*"}, "read", "a/KEY", false},
		{[]string{"a"}, []string{"secrets:read"}, "read", "a/KEY", true},
		{[]string{"a"}, []string{"secrets:read"}, "read", "a/b/KEY", true},
		{[]string{"a"}, []string{"secrets:read"}, "read", "ab/KEY", false},
		{[]string{"a/*"}, []string{"secrets:read:*"}, "read", "b/KEY", false},
		{[]string{"a"}, []string{"secrets:read:b/*"}, "read", "b/KEY", false},
		{[]string{"a"}, []string{"secrets:read:b/*"}, "read", "a/KEY", false},
		{[]string{"a", "b"}, []string{"secrets:read:b/*", "secrets:write:a/*"}, "write", "b/KEY", false},
		{everywhere, []string{"manage:agents", "namespaces:read"}, "read", "a/KEY", false},
	} {
		r := mustReach(t, tc.namespaces, tc.scopes...)
		if got := r.Allows(tc.action, mustPath(t, tc.path)); got != tc.want {
			t.Errorf("%q with %q allows to %s %q: %v", tc.namespaces, tc.scopes, tc.action, tc.path, got)
		}
	}
	owner := policy.Reach{Owner: true}
	if !owner.Allows(policy.Delete, mustPath(t, "a/b")) {
		t.Error("an owner may not delete")
	}
	if owner.Allows(policy.ActionAny, mustPath(t, "a/b")) || owner.Allows("list", mustPath(t, "a/b")) || owner.Allows(policy.Read, policy.Path{}) {
		t.Error("an owner may do what is no act")
	}
}

func TestReachCovers(t *testing.T) {
	everywhere := []string{"*"}
	for _, tc := range []struct {
		namespaces, scopes []string
		scope              string
		want               bool
	}{
		{everywhere, []string{"secrets:read"}, "secrets:read:*", true},
		{everywhere, []string{"secrets:read"}, "secrets:read:a/KEY", true},
		{everywhere, []string{"secrets:read"}, "secrets:*:a/KEY", false},
		{everywhere, []string{"secrets:read:a/*"}, "secrets:read:*", false},
		{everywhere, []string{"secrets:read:a/*"}, "secrets:read:a/b/*", true},
		{[]string{"a"}, []string{"secrets:read"}, "secrets:read:a/*", true},
		{[]string{"a"}, []string{"secrets:read"}, "secrets:read:*", false},
		{[]string{"a"}, []string{"secrets:read"}, "secrets:read:a*/*", false},
		{[]string{"a"}, []string{"secrets:read"}, "secrets:read:b/KEY", false},
		{[]string{}, []string{"secrets:read"}, "secrets:read:b/KEY", false},
		// Four scopes make up a star.
		{everywhere, []string{"read:secrets", "write:secrets", "delete:secrets", "rotate:secrets"}, "secrets:*:a/*", true},
		{everywhere, []string{"read:secrets", "write:secrets", "rotate:secrets"}, "secrets:*:a/*", false},
		// Relative: whatever the holder may, if it may anything of the kind.
		{[]string{"a"}, []string{"secrets:read"}, "read:secrets", true},
		{[]string{"a"}, []string{"secrets:read:a/*"}, "secrets:read", true},
		{[]string{"a", "b"}, []string{"secrets:read:a/*"}, "secrets:read", true},
		{everywhere, []string{"secrets:read:a/KEY"}, "read:secrets", true},
		{everywhere, []string{"secrets:read:a/KEY"}, "secrets:*", false},
		{[]string{"a", "b"}, []string{"secrets:read:a/*", "secrets:read:b/*"}, "secrets:read", true},
		{everywhere, []string{"namespaces:read"}, "read:secrets", false},
		{everywhere, []string{"secrets:*"}, "import:secrets", true},
		{everywhere, []string{"secrets:read"}, "write:secrets", false},
		{[]string{}, []string{"secrets:read"}, "read:secrets", false},
		{everywhere, []string{"secrets:read:a/KEY"}, "namespaces:read", true},
		{everywhere, []string{"namespaces:read"}, "namespaces:read", true},
		{everywhere, []string{"secrets:write"}, "namespaces:read", false},
		{everywhere, nil, "namespaces:read", false},
		{everywhere, nil, "manage:agents", true},
	} {
		r := mustReach(t, tc.namespaces, tc.scopes...)
		if got := r.Covers(mustScope(t, tc.scope)); got != tc.want {
			t.Errorf("%q with %q covers %q: %v", tc.namespaces, tc.scopes, tc.scope, got)
		}
	}
	owner := policy.Reach{Owner: true}
	for _, s := range []string{"secrets:*:*", "read:secrets", "namespaces:read", "manage:agents"} {
		if !owner.Covers(mustScope(t, s)) {
			t.Errorf("an owner's reach does not cover %q", s)
		}
	}
	if owner.Covers(policy.Scope{}) || mustReach(t, everywhere, "secrets:*").Covers(policy.Scope{}) {
		t.Error("the zero Scope is within reach")
	}
}

func TestReachLists(t *testing.T) {
	everywhere := []string{"*"}
	for _, tc := range []struct {
		namespaces, scopes []string
		ns                 string
		whole, some        bool
	}{
		{everywhere, []string{"secrets:read"}, "a", true, true},
		{everywhere, []string{"secrets:write"}, "a", false, false},
		{everywhere, []string{"namespaces:read"}, "a", false, false},
		{everywhere, []string{"secrets:read:a/KEY"}, "a", false, true},
		{everywhere, []string{"secrets:read:a/KEY"}, "b", false, false},
		{everywhere, []string{"secrets:*:a/*"}, "a/b", true, true},
		{[]string{"a"}, []string{"secrets:read"}, "a/b", true, true},
		{[]string{"a/b"}, []string{"secrets:read"}, "a", false, true},
		{[]string{"a"}, []string{"secrets:read"}, "b", false, false},
		{[]string{"a/b"}, []string{"secrets:read:a/c/*"}, "a", false, false},
		{[]string{}, []string{"secrets:read"}, "a", false, false},
	} {
		r, ns := mustReach(t, tc.namespaces, tc.scopes...), mustNamespace(t, tc.ns)
		if whole, some := r.Lists(ns, true), r.Lists(ns, false); whole != tc.whole || some != tc.some {
			t.Errorf("%q with %q lists %q: whole %v, some %v", tc.namespaces, tc.scopes, tc.ns, whole, some)
		}
	}
	owner, zero := policy.Reach{Owner: true}, policy.Namespace{}
	if !owner.Lists(mustNamespace(t, "a"), true) || owner.Lists(zero, true) || owner.Lists(zero, false) {
		t.Error("an owner lists what is no namespace, or not what is one")
	}
}

// TestReachCoversIsSound: whatever a covered scope allows, the reach allows. A
// relative scope says nothing of its own about paths.
func TestReachCoversIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, s, action, p := genReach(t, "reach"), genScope(t, "scope"), genAction(t), genPath(t, "path")
		relative := strings.Count(s.String(), ":") < 2
		if !r.Covers(s) || relative || !s.Matches(action, p) {
			return
		}
		if !r.Allows(action, p) {
			t.Fatalf("%v with %v covers %q but does not allow to %s %q", r.Namespaces, r.Scopes, s, action, p)
		}
	})
}

func TestListsFollowsReading(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, p := genReach(t, "reach"), genPath(t, "path")
		for ns := range ancestors(t, p) {
			if r.Lists(ns, true) && !r.Allows(policy.Read, p) {
				t.Fatalf("%v with %v lists all of %q but does not read %q", r.Namespaces, r.Scopes, ns, p)
			}
			if r.Allows(policy.Read, p) && !r.Lists(ns, false) {
				t.Fatalf("%v with %v reads %q but shows nothing of %q", r.Namespaces, r.Scopes, p, ns)
			}
		}
	})
}
