package policy_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/policy"
)

func TestParseRequestPath(t *testing.T) {
	for _, tc := range []struct {
		in              string
		pieces          int
		path, namespace string
		sub             string
	}{
		{"production", 1, "", "production", ""},
		{"production%2Fopenai", 1, "", "production/openai", ""},
		{"production%2Fopenai%2FKEY", 1, "", "production/openai/KEY", ""},
		{"production/KEY", 2, "production/KEY", "production/KEY", ""},
		{"production/openai/KEY", 3, "production/openai/KEY", "production/openai/KEY", ""},
		{"production%2Fopenai/KEY", 2, "production/openai/KEY", "production/openai/KEY", ""},
		{"production%2fopenai/KEY", 2, "production/openai/KEY", "production/openai/KEY", ""},
		{"a%2Fb/c/KEY", 3, "a/b/c/KEY", "a/b/c/KEY", ""},
		{"%61/%4B%45%59", 2, "a/KEY", "a/KEY", ""},
		{"%6b/%4b", 2, "k/K", "k/K", ""},
		{"a/KEY/versions", 3, "a/KEY", "", "versions"},
		{"a/KEY/rotate", 3, "a/KEY", "", "rotate"},
		{"a/KEY/rollback", 3, "a/KEY", "", "rollback"},
		{"a/KEY/r%6ftate", 3, "a/KEY", "", "rotate"},
		{"a%2Fb/KEY/versions", 3, "a/b/KEY", "", "versions"},
		{"a/versions/KEY", 3, "a/versions/KEY", "a/versions/KEY", ""},
		{"a/KEY/Versions", 3, "a/KEY/Versions", "a/KEY/Versions", ""},
		// Two pieces: namespace and key as sent, and versions is no key.
		{"a/versions", 2, "", "a/versions", ""},
		{"a%2Fb/versions", 2, "", "a/b/versions", ""},
		// Too long for a key, not for a segment of a namespace.
		{"a/" + strings.Repeat("k", 129), 2, "", "a/" + strings.Repeat("k", 129), ""},
		// Too long for a namespace, not for a path.
		{longNamespace + "/K", 129, longNamespace + "/K", "", ""},
	} {
		r, err := policy.ParseRequestPath(tc.in)
		if err != nil {
			t.Errorf("ParseRequestPath(%q): %v", tc.in, err)
			continue
		}
		got := fmt.Sprintf("%d %q %q %q", r.Pieces, r.Path, r.Namespace, r.Sub)
		if want := fmt.Sprintf("%d %q %q %q", tc.pieces, tc.path, tc.namespace, tc.sub); got != want {
			t.Errorf("ParseRequestPath(%q) = %s; want %s", tc.in, got, want)
		}
		secret, err := r.Secret()
		if secret != r.Path || (err == nil) == r.Path.IsZero() || err != nil && !errors.Is(err, policy.ErrInvalid) {
			t.Errorf("ParseRequestPath(%q).Secret() = %q, %v", tc.in, secret, err)
		}
	}
}

func TestParseRequestPathRefuses(t *testing.T) {
	const foreign = "has a character outside A-Z a-z 0-9 _ . -"
	for _, tc := range []struct{ in, err string }{
		{"", "path piece 1 is empty"},
		{"/", "path piece 1 is empty"},
		{"a/", "path piece 2 is empty"},
		{"/a/KEY", "path piece 1 is empty"},
		{"a//KEY", "path piece 2 is empty"},
		{"a/KEY/", "path piece 3 is empty"},
		{"a/KEY/versions/", "path piece 4 is empty"},
		{"a%2F%2Fb/KEY", "namespace segment 2 is empty"},
		{"a%2F/KEY", "namespace segment 2 is empty"},
		{"%2Fa/KEY", "namespace segment 1 is empty"},
		{"a/b%2FKEY", "key has an encoded slash"},
		{"a/b%2fKEY", "key has an encoded slash"},
		{"a/KEY%2F", "key has an encoded slash"},
		{"a/b%2FKEY/versions", "key has an encoded slash"},
		{"a%252Fb/KEY", "path piece 1 has an encoded percent sign"},
		{"a/KEY%25", "path piece 2 has an encoded percent sign"},
		{"a%2", "path piece 1 is not valid percent-encoding"},
		{"a/%zz", "path piece 2 is not valid percent-encoding"},
		{"a/%", "path piece 2 is not valid percent-encoding"},
		{".", `namespace segment 1 must not be "." or ".."`},
		{"../KEY", `namespace segment 1 must not be "." or ".."`},
		{"%2e%2E/KEY", `namespace segment 1 must not be "." or ".."`},
		{"a%2F..%2Fb/KEY", `namespace segment 2 must not be "." or ".."`},
		{"a/..", `key must not be "." or ".."`},
		{"a/%2e", `key must not be "." or ".."`},
		{"a/KEY%00", "key " + foreign},
		{"a%00/KEY", "namespace segment 1 " + foreign},
		{"a/K+Y", "key " + foreign},
		{"a/K%20Y", "key " + foreign},
		{"a/K;x", "key " + foreign},
		{"a/K?x", "key " + foreign},
		{"a%5Cb/KEY", "namespace segment 1 " + foreign},
		{"a/%C0%AF", "key " + foreign},
		{"*", "namespace segment 1 " + foreign},
		{"a/rotate/versions", "key must not be versions, rotate or rollback"},
		{"a/b/" + longNamespace + "/K", "namespace is longer than 256 bytes"},
		{strings.Repeat("a", policy.MaxRequestPath+1), "path is longer than 1182 bytes"},
	} {
		r, err := policy.ParseRequestPath(tc.in)
		if err == nil || err.Error() != tc.err || !errors.Is(err, policy.ErrInvalid) || r != (policy.RequestPath{}) {
			t.Errorf("ParseRequestPath(%q) = %+v, %v; want error %q", tc.in, r, err, tc.err)
		}
	}
}

// TestLongestRequestPath checks that the bound on the escaped text leaves room
// for the longest path, with every byte encoded.
func TestLongestRequestPath(t *testing.T) {
	path := longNamespace + "/" + strings.Repeat("k", policy.MaxKey)
	escaped := escapeAll(longNamespace) + "/" + escapeAll(strings.Repeat("k", policy.MaxKey)) + "/" + escapeAll("rollback")
	r, err := policy.ParseRequestPath(escaped)
	if err != nil || r.Path.String() != path || r.Sub != policy.SubRollback || r.Pieces != 3 {
		t.Fatalf("got %+v, %v", r, err)
	}
}

func escapeAll(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

// spell draws one of the ways in which a client can send s in a URL.
func spell(t *rapid.T, s string, slashes bool) string {
	var b strings.Builder
	for i := range len(s) {
		forms := []string{string(s[i]), fmt.Sprintf("%%%02X", s[i]), fmt.Sprintf("%%%02x", s[i])}
		if s[i] == '/' && !slashes {
			forms = forms[:1]
		}
		b.WriteString(rapid.SampledFrom(forms).Draw(t, "form"))
	}
	return b.String()
}

func TestEverySpellingIsOnePath(t *testing.T) {
	segment := rapid.StringMatching(`[A-Za-z0-9_-][A-Za-z0-9_.-]{0,5}`)
	rapid.Check(t, func(t *rapid.T) {
		segs := rapid.SliceOfN(segment, 2, 5).Draw(t, "segments")
		want, err := policy.ParsePath(strings.Join(segs, "/"))
		if err != nil {
			t.Skip("the key is the name of a sub-resource")
		}
		sub := rapid.SampledFrom([]string{"", policy.SubVersions, policy.SubRotate}).Draw(t, "sub")
		sent := spell(t, want.Namespace().String(), true) + "/" + spell(t, want.Key(), false)
		if sub != "" {
			sent += "/" + spell(t, sub, false)
		}
		got, err := policy.ParseRequestPath(sent)
		if err != nil || got.Path != want || got.Sub != sub || got.Pieces != strings.Count(sent, "/")+1 {
			t.Fatalf("%q sent as %q read as %+v, %v", want, sent, got, err)
		}
		if sub == "" && got.Namespace.String() != want.String() {
			t.Fatalf("%q sent as %q read as namespace %q", want, sent, got.Namespace)
		}
	})
}

func FuzzParseRequestPath(f *testing.F) {
	for _, s := range []string{
		"", "a", "a/b", "a%2Fb/KEY", "a%2fb/KEY/versions", "a/b%2FKEY", "a%252Fb/K", "a/../b", "a/%2e%2e/b", "a//b",
		"a/b/rotate", "a/rotate", "%61/%4B", "a/b%00", "a/%", "a/b/", "a%2F/b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		r, err := policy.ParseRequestPath(escaped)
		if err != nil {
			checkRefusal(t, escaped, err, r == policy.RequestPath{})
			return
		}
		decoded, err := url.PathUnescape(escaped)
		if err != nil {
			t.Fatalf("%q is not valid encoding: %v", escaped, err)
		}
		// What was read is the text decoded once, whichever way it was sent.
		if r.Sub != "" {
			decoded = strings.TrimSuffix(decoded, "/"+r.Sub)
		}
		if !r.Path.IsZero() && (r.Path.String() != decoded || r.Pieces < 2) {
			t.Fatalf("%q read as path %q", escaped, r.Path)
		}
		if !r.Namespace.IsZero() && (r.Namespace.String() != decoded || r.Sub != "") {
			t.Fatalf("%q read as namespace %q", escaped, r.Namespace)
		}
		if r.Path.IsZero() && r.Namespace.IsZero() {
			t.Fatalf("%q read as nothing", escaped)
		}
		if !r.Path.IsZero() {
			if again, err := policy.ParsePath(r.Path.String()); err != nil || again != r.Path {
				t.Fatalf("%q parsed again: %v", r.Path, err)
			}
		}
	})
}
