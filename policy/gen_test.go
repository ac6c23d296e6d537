package policy_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/policy"
)

func mustPath(t testing.TB, s string) policy.Path {
	t.Helper()
	p, err := policy.ParsePath(s)
	if err != nil {
		t.Fatalf("ParsePath(%q): %v", s, err)
	}
	return p
}

func mustNamespace(t testing.TB, s string) policy.Namespace {
	t.Helper()
	n, err := policy.ParseNamespace(s)
	if err != nil {
		t.Fatalf("ParseNamespace(%q): %v", s, err)
	}
	return n
}

func mustPattern(t testing.TB, s string) policy.Pattern {
	t.Helper()
	p, err := policy.ParsePattern(s)
	if err != nil {
		t.Fatalf("ParsePattern(%q): %v", s, err)
	}
	return p
}

func mustScopes(t testing.TB, list ...string) []policy.Scope {
	t.Helper()
	scopes, err := policy.ParseScopes(list)
	if err != nil {
		t.Fatalf("ParseScopes(%q): %v", list, err)
	}
	return scopes
}

func mustScope(t testing.TB, s string) policy.Scope {
	t.Helper()
	return mustScopes(t, s)[0]
}

func mustReach(t testing.TB, namespaces []string, scopes ...string) policy.Reach {
	t.Helper()
	ns, err := policy.ParseReachNamespaces(namespaces)
	if err != nil {
		t.Fatalf("ParseReachNamespaces(%q): %v", namespaces, err)
	}
	return policy.Reach{Namespaces: ns, Scopes: mustScopes(t, scopes...)}
}

// The generators draw from two letters, so that what they draw collides.

func genSegments(least, most int) *rapid.Generator[string] {
	seg := rapid.StringMatching(`[ab]{1,3}`)
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(seg, least, most).Draw(t, "segments"), "/")
	})
}

func genPath(t *rapid.T, label string) policy.Path {
	p, err := policy.ParsePath(genSegments(2, 4).Draw(t, label))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func genNamespace(t *rapid.T, label string) policy.Namespace {
	n, err := policy.ParseNamespace(genSegments(1, 3).Draw(t, label))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func genPatternText() *rapid.Generator[string] {
	seg := rapid.OneOf(
		rapid.Just("*"),
		rapid.StringMatching(`\*?[ab]{1,2}\*?[ab]?`),
		rapid.StringMatching(`[ab]{1,2}`),
	)
	return rapid.Custom(func(t *rapid.T) string {
		segs := rapid.SliceOfN(seg, 1, 4).Draw(t, "segments")
		if len(segs) == 1 {
			return rapid.SampledFrom([]string{"*", segs[0] + "/*"}).Draw(t, "single")
		}
		return strings.Join(segs, "/")
	})
}

func genPattern(t *rapid.T, label string) policy.Pattern {
	p, err := policy.ParsePattern(genPatternText().Draw(t, label))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// genInstance draws a path that pattern matches.
func genInstance(t *rapid.T, pattern policy.Pattern, label string) policy.Path {
	some := rapid.StringMatching(`[ab]{1,3}`)
	segs := strings.Split(pattern.String(), "/")
	for i, seg := range segs {
		if seg == "*" {
			segs[i] = some.Draw(t, label+" segment")
			continue
		}
		for strings.Contains(seg, "*") {
			seg = strings.Replace(seg, "*", rapid.StringMatching(`[ab]{0,2}`).Draw(t, label+" run"), 1)
		}
		segs[i] = seg
	}
	text := strings.Join(segs, "/")
	if s := pattern.String(); s == "*" || strings.HasSuffix(s, "/*") {
		least := max(0, 2-len(segs))
		for _, more := range rapid.SliceOfN(some, least, 3).Draw(t, label+" below") {
			text += "/" + more
		}
	}
	p, err := policy.ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var scopeActions = []string{"read", "write", "delete", "rotate", "*"}

func genScope(t *rapid.T, label string) policy.Scope {
	action := rapid.SampledFrom(scopeActions).Draw(t, label+" action")
	text := rapid.OneOf(
		rapid.Map(genPatternText(), func(p string) string { return "secrets:" + action + ":" + p }),
		rapid.Map(genPatternText(), func(p string) string { return "secrets:" + action + ":" + p }),
		rapid.Just("secrets:"+action),
		rapid.SampledFrom([]string{
			"read:secrets", "write:secrets", "delete:secrets", "rotate:secrets", "import:secrets",
			"namespaces:read", "manage:agents",
		}),
	).Draw(t, label)
	s, err := policy.ParseScope(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func genScopes(t *rapid.T, label string) []policy.Scope {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) policy.Scope { return genScope(t, "scope") }), 0, 3).Draw(t, label)
}

func genReach(t *rapid.T, label string) policy.Reach {
	r := policy.Reach{Scopes: genScopes(t, label+" scopes")}
	if rapid.Bool().Draw(t, label+" limited") {
		r.Namespaces = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) policy.Namespace {
			return genNamespace(t, "namespace")
		}), 0, 2).Draw(t, label+" namespaces")
	}
	return r
}

func genAction(t *rapid.T) policy.Action {
	return rapid.SampledFrom([]policy.Action{
		policy.Read, policy.Write, policy.Delete, policy.Rotate,
	}).Draw(t, "action")
}
