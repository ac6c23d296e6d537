package policy_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/policy"
)

func TestPatternMatches(t *testing.T) {
	for _, tc := range []struct {
		pattern, path string
		want          bool
	}{
		{"*", "production/KEY", true},
		{"*", "a/b/c/d/KEY", true},
		{"production/KEY", "production/KEY", true},
		{"production/KEY", "production/KEY2", false},
		{"production/KEY", "production/key", false},
		{"production/KEY", "production/openai/KEY", false},
		{"production/*", "production/KEY", true},
		{"production/*", "production/openai/KEY", true},
		{"production/*", "productions/KEY", false},
		{"production/*", "staging/production/KEY", false},
		{"production/DB_*", "production/DB_PASSWORD", true},
		{"production/DB_*", "production/DB_", true},
		{"production/DB_*", "production/XDB_A", false},
		{"production/DB_*", "production/DB_x/KEY", false},
		{"prod*/KEY", "production/KEY", true},
		{"prod*/KEY", "prod/KEY", true},
		{"prod*/KEY", "production/openai/KEY", false},
		{"prod*/*", "production/openai/KEY", true},
		{"*/KEY", "production/KEY", true},
		{"*/KEY", "production/openai/KEY", false},
		{"a/*/KEY", "a/b/KEY", true},
		{"a/*/KEY", "a/KEY", false},
		{"a/*/KEY", "a/b/c/KEY", false},
		{"a/*/*", "a/KEY", false},
		{"a/*/*", "a/b/c/KEY", true},
		{"*/*", "a/b/c/KEY", true},
		{"a/*_*_TOKEN", "a/X_Y_TOKEN", true},
		{"a/*_*_TOKEN", "a/X_TOKEN", false},
		{"a/*b*", "a/abbc", true},
		{"a/versio*", "a/versionX", true},
	} {
		if got := mustPattern(t, tc.pattern).Matches(mustPath(t, tc.path)); got != tc.want {
			t.Errorf("%q matches %q: %v", tc.pattern, tc.path, got)
		}
	}
	if (policy.Pattern{}).Matches(mustPath(t, "a/b")) || mustPattern(t, "*").Matches(policy.Path{}) {
		t.Error("a zero value matches")
	}
}

func TestParsePatternRefuses(t *testing.T) {
	const foreign = "has a character outside A-Z a-z 0-9 _ . -"
	for _, tc := range []struct{ in, err string }{
		{"", "pattern is empty"},
		{"production", "pattern can match no key, which has a namespace before it: write production/*"},
		{"production*", "pattern can match no key, which has a namespace before it: write production/*"},
		{"*production", "pattern can match no key, which has a namespace before it: write NAMESPACE/*"},
		{strings.Repeat("s", 33), "pattern can match no key, which has a namespace before it: write NAMESPACE/*"},
		{"**", `pattern has "**": one "*" as the last segment covers everything below`},
		{"a/**", `pattern has "**": one "*" as the last segment covers everything below`},
		{"/a", "pattern segment 1 is empty"},
		{"a/", "pattern segment 2 is empty"},
		{"a//*", "pattern segment 2 is empty"},
		{"./*", `pattern segment 1 must not be "." or ".."`},
		{"a/../*", `pattern segment 2 must not be "." or ".."`},
		{"a/b?", "pattern segment 2 " + foreign},
		{"a/[b]", "pattern segment 2 " + foreign},
		{"a/b\x00*", "pattern segment 2 " + foreign},
		{"a/é*", "pattern segment 2 " + foreign},
		{"a/versions", "pattern can match no key: keys must not be versions, rotate or rollback"},
		{strings.Repeat("a*", 17) + "/*", "pattern has more than 16 asterisks"},
		{strings.Repeat("a", 257) + "/*", "pattern needs a namespace longer than 256 bytes"},
		{"*/" + strings.Repeat("n", 255) + "/*", "pattern needs a namespace longer than 256 bytes"},
		{"a/" + strings.Repeat("a", 129) + "*", "pattern needs a key longer than 128 bytes"},
		{strings.Repeat("a", 386), "pattern is longer than 385 bytes"},
	} {
		p, err := policy.ParsePattern(tc.in)
		if err == nil || err.Error() != tc.err || !errors.Is(err, policy.ErrInvalid) || !p.IsZero() {
			t.Errorf("ParsePattern(%q) = %q, %v; want error %q", tc.in, p, err, tc.err)
		}
	}
}

// TestEveryPathIsAPattern checks that a path of any length can be asked for.
func TestEveryPathIsAPattern(t *testing.T) {
	for _, s := range []string{"a/b", longNamespace + "/" + strings.Repeat("k", policy.MaxKey)} {
		want := mustPath(t, s)
		p := mustPattern(t, s)
		if got, ok := p.Literal(); !ok || got != want || !p.Matches(want) {
			t.Errorf("%q as a pattern stands for %q, %v", s, got, ok)
		}
	}
	for _, s := range []string{"*", "a/*", "a/b*", "a*/b"} {
		if got, ok := mustPattern(t, s).Literal(); ok || !got.IsZero() {
			t.Errorf("%q is literal: %q", s, got)
		}
	}
	if _, ok := (policy.Pattern{}).Literal(); ok {
		t.Error("the zero Pattern is literal")
	}
}

func TestPatternCovers(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"*", "*", true},
		{"*", "a/b", true},
		{"*/*", "*", true},
		{"*/*", "a/*", true},
		{"*/*/*", "*", false},
		{"*/*/*", "*/*", false},
		{"a/*", "a/*", true},
		{"a/*", "*", false},
		{"a/*", "a/b/*", true},
		{"a/*", "a/b", true},
		{"a/*", "a/b*", true},
		{"a/*", "a*/b", false},
		{"a/b/*", "a/*", false},
		{"a/b", "a/*", false},
		{"a/b", "a/b*", false},
		{"a/b*", "a/b", true},
		{"a/b*", "a/bc*", true},
		{"a/bc*", "a/b*", false},
		{"a/b*", "a/*b", false},
		{"a/*b*", "a/*b", true},
		{"a*/*", "abc/*", true},
		{"a*/*", "*/*", false},
		{"a/*/c", "a/b*/c", true},
		{"a/b*/c", "a/*/c", false},
		{"a/*/c", "a/*", false},
		{"a/*/*", "a/*", false},
		{"a/b/c", "a/b", false},
		{"a/b", "a/b/c", false},
	} {
		if got := mustPattern(t, tc.a).Covers(mustPattern(t, tc.b)); got != tc.want {
			t.Errorf("%q covers %q: %v", tc.a, tc.b, got)
		}
	}
	zero, all := policy.Pattern{}, mustPattern(t, "*")
	if zero.Covers(all) || all.Covers(zero) || zero.Covers(zero) {
		t.Error("a zero value covers or is covered")
	}
}

func TestPatternNamespaces(t *testing.T) {
	for _, tc := range []struct {
		pattern, ns      string
		covers, overlaps bool
	}{
		{"*", "a", true, true},
		{"a/*", "a", true, true},
		{"a/*", "a/b/c", true, true},
		{"a/*", "b", false, false},
		{"a/b/*", "a", false, true},
		{"a/b/KEY", "a", false, true},
		{"a/b/KEY", "a/b", false, true},
		{"a/b/KEY", "a/b/KEY", false, false},
		{"a/KEY", "a/KEY/c", false, false},
		{"a/K*", "a", false, true},
		{"a*/*", "abc", true, true},
		{"*/b/*", "a/b", true, true},
		{"*/b/*", "a", false, true},
		{"*/b/*", "a/c", false, false},
	} {
		p, ns := mustPattern(t, tc.pattern), mustNamespace(t, tc.ns)
		below := mustPattern(t, tc.ns+"/*")
		if c, o := p.Covers(below), p.Overlaps(ns); c != tc.covers || o != tc.overlaps {
			t.Errorf("%q on namespace %q: covers %v, overlaps %v", tc.pattern, tc.ns, c, o)
		}
	}
	if mustPattern(t, "*").Overlaps(policy.Namespace{}) || (policy.Pattern{}).Overlaps(mustNamespace(t, "a")) {
		t.Error("a zero value overlaps")
	}
}

// TestGlobIsNotExponential would not end if each asterisk doubled the work.
func TestGlobIsNotExponential(t *testing.T) {
	p := mustPattern(t, "n/"+strings.Repeat("*a", 16)+"b")
	if p.Matches(mustPath(t, "n/"+strings.Repeat("a", policy.MaxKey))) {
		t.Error("matched a path without b")
	}
}

// expression writes the pattern as a regular expression.
func expression(p policy.Pattern) *regexp.Regexp {
	segs := strings.Split(p.String(), "/")
	for i, seg := range segs {
		switch {
		case seg == "*" && i == len(segs)-1:
			segs[i] = `[^/]+(/[^/]+)*`
		case seg == "*":
			segs[i] = `[^/]+`
		default:
			segs[i] = strings.ReplaceAll(regexp.QuoteMeta(seg), `\*`, `[^/]*`)
		}
	}
	return regexp.MustCompile("^" + strings.Join(segs, "/") + "$")
}

func TestMatchesAsTheRegularExpressionDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern, path := genPattern(t, "pattern"), genPath(t, "path")
		if rapid.Bool().Draw(t, "other pattern") {
			path = genInstance(t, genPattern(t, "model"), "path")
		}
		if got, want := pattern.Matches(path), expression(pattern).MatchString(path.String()); got != want {
			t.Fatalf("%q matches %q: %v; the expression %v", pattern, path, got, want)
		}
	})
}

func TestCoversIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genPattern(t, "a"), genPattern(t, "b")
		p := genInstance(t, b, "path")
		if !b.Matches(p) {
			t.Fatalf("%q does not match its instance %q", b, p)
		}
		if a.Covers(b) && !a.Matches(p) {
			t.Fatalf("%q covers %q but does not match %q", a, b, p)
		}
	})
}

// TestCoversIsComplete checks that a refusal has a witness: a path that b
// matches and a does not, with each asterisk standing for a strange letter.
func TestCoversIsComplete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genPattern(t, "a"), genPattern(t, "b")
		if a.Covers(b) {
			return
		}
		text := strings.ReplaceAll(b.String(), "*", "z")
		for range 6 {
			if p, err := policy.ParsePath(text); err == nil && b.Matches(p) && !a.Matches(p) {
				return
			}
			text += "/z"
		}
		t.Fatalf("%q should cover %q: nothing tells them apart", a, b)
	})
}

func TestOverlapsIsComplete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern, ns := genPattern(t, "pattern"), genNamespace(t, "namespace")
		p := genInstance(t, pattern, "path")
		for in := range ancestors(t, p) {
			if !pattern.Overlaps(in) {
				t.Fatalf("%q matches %q but does not overlap %q", pattern, p, in)
			}
		}
		if below, err := policy.ParsePattern(ns.String() + "/*"); err != nil || pattern.Covers(below) && !pattern.Overlaps(ns) {
			t.Fatalf("%q covers %q but does not overlap it: %v", pattern, ns, err)
		}
	})
}

// ancestors yields the namespace of p and those above it.
func ancestors(t *rapid.T, p policy.Path) func(yield func(policy.Namespace) bool) {
	return func(yield func(policy.Namespace) bool) {
		for s := p.Namespace().String(); s != ""; s = s[:max(0, strings.LastIndexByte(s, '/'))] {
			ns, err := policy.ParseNamespace(s)
			if err != nil {
				t.Fatal(err)
			}
			if !yield(ns) {
				return
			}
		}
	}
}

// TestOverlapsHasWitness checks that Overlaps promises nothing empty.
func TestOverlapsHasWitness(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern, ns := genPattern(t, "pattern"), genNamespace(t, "namespace")
		if !pattern.Overlaps(ns) {
			return
		}
		depth := strings.Count(ns.String(), "/") + 1
		text := ns.String()
		if segs := strings.Split(pattern.String(), "/"); len(segs) > depth {
			text += "/" + strings.ReplaceAll(strings.Join(segs[depth:], "/"), "*", "z")
		} else {
			text += "/z"
		}
		if p, err := policy.ParsePath(text); err != nil || !pattern.Matches(p) {
			t.Fatalf("%q overlaps %q, but does not match %q", pattern, ns, text)
		}
	})
}

func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{
		"", "*", "a", "a*", "a/*", "a/b", "*/b", "a/*/c*", "**", "a/**", "a/../*", "a/versions", "a*/b*c",
		"*a*a*a*/b", longNamespace + "/*",
	} {
		f.Add(s, "a/b")
	}
	f.Add("a/*b*", "a/abb")
	f.Fuzz(func(t *testing.T, s, other string) {
		p, err := policy.ParsePattern(s)
		if err != nil {
			checkRefusal(t, s, err, p.IsZero())
			return
		}
		if again, err := policy.ParsePattern(p.String()); p.String() != s || err != nil || again != p {
			t.Fatalf("%q printed as %q and parsed again: %v", s, p, err)
		}
		if !p.Covers(p) {
			t.Fatalf("%q does not cover itself", s)
		}
		if path, ok := p.Literal(); ok == strings.Contains(s, "*") || ok && !p.Matches(path) {
			t.Fatalf("%q is literal: %v", s, ok)
		}
		if path, err := policy.ParsePath(other); err == nil {
			if got, want := p.Matches(path), expression(p).MatchString(other); got != want {
				t.Fatalf("%q matches %q: %v; the expression %v", s, other, got, want)
			}
		}
		if q, err := policy.ParsePattern(other); err == nil && p.Covers(q) {
			if path, ok := q.Literal(); ok && !p.Matches(path) {
				t.Fatalf("%q covers %q but does not match it", p, q)
			}
		}
	})
}
