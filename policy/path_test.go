package policy_test

import (
	"encoding"
	"errors"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/policy"
)

var longNamespace = strings.Repeat("n/", 127) + "nn" // 256 bytes

func TestParsePath(t *testing.T) {
	longKey := strings.Repeat("k", policy.MaxKey)
	for _, tc := range []struct{ in, namespace, key, err string }{
		{in: "production/OPENAI_API_KEY", namespace: "production", key: "OPENAI_API_KEY"},
		{in: "production/openai/KEY", namespace: "production/openai", key: "KEY"},
		{in: "a.b-c_D9/.env", namespace: "a.b-c_D9", key: ".env"},
		{in: ".../...", namespace: "...", key: "..."},
		{in: "versions/rotate/KEY", namespace: "versions/rotate", key: "KEY"},
		{in: "a/Versions", namespace: "a", key: "Versions"},
		{in: "a/import", namespace: "a", key: "import"},
		{in: longNamespace + "/" + longKey, namespace: longNamespace, key: longKey},

		{in: "", err: "path has no key: write NAMESPACE/KEY"},
		{in: "production", err: "path has no key: write NAMESPACE/KEY"},
		{in: "/KEY", err: "namespace is empty"},
		{in: "production/", err: "key is empty"},
		{in: "/production/KEY", err: "namespace segment 1 is empty"},
		{in: "a//KEY", err: "namespace segment 2 is empty"},
		{in: "a/./KEY", err: `namespace segment 2 must not be "." or ".."`},
		{in: "../a/KEY", err: `namespace segment 1 must not be "." or ".."`},
		{in: "a/..", err: `key must not be "." or ".."`},
		{in: "a/b c/KEY", err: "namespace segment 2 has a character outside A-Z a-z 0-9 _ . -"},
		{in: "a/K*", err: "key has a character outside A-Z a-z 0-9 _ . -"},
		{in: "a/K\x00", err: "key has a character outside A-Z a-z 0-9 _ . -"},
		{in: "a/KÉY", err: "key has a character outside A-Z a-z 0-9 _ . -"},
		{in: "a%2Fb/KEY", err: "namespace segment 1 has a character outside A-Z a-z 0-9 _ . -"},
		{in: "a/KEY\n", err: "key has a character outside A-Z a-z 0-9 _ . -"},
		{in: "a/versions", err: "key must not be versions, rotate or rollback"},
		{in: "a/rotate", err: "key must not be versions, rotate or rollback"},
		{in: "a/rollback", err: "key must not be versions, rotate or rollback"},
		{in: longNamespace + "n/KEY", err: "namespace is longer than 256 bytes"},
		{in: "a/" + longKey + "k", err: "key is longer than 128 bytes"},
		{in: longNamespace + "/" + longKey + "k", err: "path is longer than 385 bytes"},
	} {
		p, err := policy.ParsePath(tc.in)
		if tc.err != "" {
			if err == nil || err.Error() != tc.err || !errors.Is(err, policy.ErrInvalid) || !p.IsZero() {
				t.Errorf("ParsePath(%q) = %q, %v; want error %q", tc.in, p, err, tc.err)
			}
			continue
		}
		if err != nil || p.String() != tc.in || p.Namespace().String() != tc.namespace || p.Key() != tc.key {
			t.Errorf("ParsePath(%q) = %q (%q, %q), %v", tc.in, p, p.Namespace(), p.Key(), err)
		}
		if p.Namespace() != mustNamespace(t, tc.namespace) {
			t.Errorf("ParsePath(%q): its namespace differs from the same one parsed", tc.in)
		}
	}
}

func TestNamespaceCovers(t *testing.T) {
	for _, tc := range []struct {
		n, o string
		want bool
	}{
		{"production", "production", true},
		{"production", "production/openai", true},
		{"production/openai", "production", false},
		{"prod", "production", false},
		{"production", "staging", false},
		{"a/b", "a/b/c/d", true},
		{"a/b", "a/bc", false},
	} {
		if got := mustNamespace(t, tc.n).Covers(mustNamespace(t, tc.o)); got != tc.want {
			t.Errorf("%q.Covers(%q) = %v", tc.n, tc.o, got)
		}
	}
	if zero := (policy.Namespace{}); zero.Covers(mustNamespace(t, "a")) || zero.Covers(zero) {
		t.Error("the zero Namespace covers something")
	}
	if mustNamespace(t, "a").Covers(policy.Namespace{}) {
		t.Error("a namespace covers the zero one")
	}
}

// TestText checks that what cannot be parsed cannot be marshalled either.
func TestText(t *testing.T) {
	for name, zero := range map[string]encoding.TextMarshaler{
		"Namespace": policy.Namespace{}, "Path": policy.Path{},
		"Pattern": policy.Pattern{}, "Scope": policy.Scope{},
	} {
		if text, err := zero.MarshalText(); !errors.Is(err, policy.ErrInvalid) {
			t.Errorf("zero %s marshals to %q, %v", name, text, err)
		}
	}
	textRoundTrip(t, mustNamespace(t, "a/b"), new(policy.Namespace))
	textRoundTrip(t, mustPath(t, "a/b/K"), new(policy.Path))
	textRoundTrip(t, mustPattern(t, "a/*/K*"), new(policy.Pattern))
	textRoundTrip(t, mustScope(t, "secrets:read:a/*"), new(policy.Scope))
}

type textual interface {
	comparable
	encoding.TextMarshaler
	String() string
}

func textRoundTrip[T textual](t *testing.T, v T, into *T) {
	t.Helper()
	text, err := v.MarshalText()
	if err != nil || string(text) != v.String() {
		t.Fatalf("%q marshals to %q, %v", v, text, err)
	}
	u := any(into).(encoding.TextUnmarshaler)
	if err := u.UnmarshalText(text); err != nil || *into != v {
		t.Errorf("%q came back as %q, %v", text, *into, err)
	}
	if err := u.UnmarshalText([]byte("a//b*")); !errors.Is(err, policy.ErrInvalid) {
		t.Errorf("%T read a//b*: %v", v, err)
	}
}

// TestErrorsDoNotRepeat puts a value where a name belongs.
func TestErrorsDoNotRepeat(t *testing.T) {
	const value = "sk-proj-aVeryLongValueThatIsASecretAndNoName"
	parsers := map[string]func(string) error{
		"ParseNamespace":       func(s string) error { _, err := policy.ParseNamespace(s); return err },
		"ParsePath":            func(s string) error { _, err := policy.ParsePath(s); return err },
		"ParseRequestPath":     func(s string) error { _, err := policy.ParseRequestPath(s); return err },
		"ParsePattern":         func(s string) error { _, err := policy.ParsePattern(s); return err },
		"ParseScope":           func(s string) error { _, err := policy.ParseScope(s); return err },
		"ParseScopes":          func(s string) error { _, err := policy.ParseScopes([]string{s}); return err },
		"ParseReachNamespaces": func(s string) error { _, err := policy.ParseReachNamespaces([]string{s}); return err },
		"ParseAction":          func(s string) error { _, err := policy.ParseAction(s); return err },
		"ParseTier":            func(s string) error { _, err := policy.ParseTier(s); return err },
		"ParseSecretType":      func(s string) error { _, err := policy.ParseSecretType(s); return err },
		"CheckName":            policy.CheckName,
	}
	for name, parse := range parsers {
		refused := 0
		for _, form := range []string{
			"V", "V*", "V**", "V/", "/V", "V/..", "a/V/..", "V//V", "V%zz", "a/V%zz/V", "V%25", "V\x00", "V V",
			"secrets:read:V", "secrets:V:a", "secrets:V", "V:secrets", "secrets:read:V/", "-V", "a/V/versions",
		} {
			err := parse(strings.ReplaceAll(form, "V", value))
			if err == nil {
				continue
			}
			refused++
			if strings.Contains(err.Error(), value[:12]) || !errors.Is(err, policy.ErrInvalid) {
				t.Errorf("%s of %s: %v", name, form, err)
			}
		}
		if refused < 5 {
			t.Errorf("%s refused only %d of the forms", name, refused)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{
		"", "a", "a/b", "production/openai/KEY", "/a/b", "a//b", "a/../b", "a/.", "a/versions", "a/b\x00", "a%2Fb/c",
		longNamespace + "/K",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := policy.ParsePath(s)
		if err != nil {
			checkRefusal(t, s, err, p.IsZero())
			return
		}
		if p.String() != s {
			t.Fatalf("%q printed as %q", s, p)
		}
		if again, err := policy.ParsePath(p.String()); err != nil || again != p {
			t.Fatalf("%q parsed again: %q, %v", p, again, err)
		}
		if joined := p.Namespace().String() + "/" + p.Key(); joined != s {
			t.Fatalf("%q taken apart is %q", s, joined)
		}
		if len(p.Namespace().String()) > policy.MaxNamespace || len(p.Key()) > policy.MaxKey {
			t.Fatalf("%q is too long", s)
		}
		for seg := range strings.SplitSeq(s, "/") {
			if seg == "" || seg == "." || seg == ".." {
				t.Fatalf("%q has the segment %q", s, seg)
			}
		}
	})
}

// checkRefusal checks what holds for every refused input.
func checkRefusal(t *testing.T, in string, err error, zero bool) {
	t.Helper()
	if !errors.Is(err, policy.ErrInvalid) || !zero {
		t.Fatalf("%q refused with a result or another error: %v", in, err)
	}
	if len(in) > 40 && strings.Contains(err.Error(), in) {
		t.Fatalf("the error repeats the input: %v", err)
	}
}

// A key of the vault is no part of a path, and no name: it would stay in the trail.
func TestKeysAreNoNames(t *testing.T) {
	random := strings.Repeat("0aZ", 17)
	for _, key := range []string{"ask_live_" + random, "ask_agent_" + random, "x.ask_live_" + random, "ask_agent_" + random[:22]} {
		for _, text := range []string{key + "/K", "a/" + key, "a/" + key + "/K"} {
			if _, err := policy.ParsePath(text); !errors.Is(err, policy.ErrInvalid) || strings.Contains(err.Error(), random[:22]) {
				t.Errorf("ParsePath takes a key, or repeats it: %v", err)
			}
		}
		if _, err := policy.ParseNamespace(key); err == nil {
			t.Error("ParseNamespace takes a key")
		}
		if policy.CheckName(key) == nil {
			t.Error("CheckName takes a key")
		}
	}
	for _, fine := range []string{"a/ask_live_key", "ask_agent_of-the-night-shift-team/KEY", "task_live/K"} {
		if _, err := policy.ParsePath(fine); err != nil {
			t.Errorf("%s: %v", fine, err)
		}
	}
}
