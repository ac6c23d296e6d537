package policy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/policy"
)

func TestWords(t *testing.T) {
	for name, tc := range map[string]struct {
		parse func(string) (string, error)
		words string
	}{
		"action": {word(policy.ParseAction), "read write delete rotate *"},
		"tier":   {word(policy.ParseTier), "standard sensitive critical"},
		"type":   {word(policy.ParseSecretType), "api_key oauth_token db_credential ssh_key certificate custom"},
	} {
		for _, w := range strings.Fields(tc.words) {
			if got, err := tc.parse(w); err != nil || got != w {
				t.Errorf("%s %q read as %q, %v", name, w, got, err)
			}
			for _, no := range []string{"", " " + w, w + "x", strings.ToUpper(w) + " "} {
				if got, err := tc.parse(no); !errors.Is(err, policy.ErrInvalid) || got != "" {
					t.Errorf("%s %q read as %q, %v", name, no, got, err)
				}
			}
		}
	}
}

func word[T ~string](parse func(string) (T, error)) func(string) (string, error) {
	return func(s string) (string, error) {
		v, err := parse(s)
		return string(v), err
	}
}

func TestTier(t *testing.T) {
	const none, other = policy.Tier(""), policy.Tier("other")
	for _, tc := range []struct {
		tier                        policy.Tier
		read, write, delete, rotate bool
		atLeast                     string
	}{
		{none, false, false, false, false, "none"},
		{policy.Standard, false, false, false, false, "none standard"},
		{policy.Sensitive, true, false, false, false, "none standard sensitive"},
		{policy.Critical, true, true, true, true, "none standard sensitive critical"},
		{other, true, true, true, true, ""},
	} {
		for action, want := range map[policy.Action]bool{
			policy.Read: tc.read, policy.Write: tc.write, policy.Delete: tc.delete, policy.Rotate: tc.rotate,
		} {
			if got := tc.tier.NeedsApproval(action); got != want {
				t.Errorf("to %s a secret of tier %q needs approval: %v", action, tc.tier, got)
			}
		}
		var below []string
		for _, o := range []policy.Tier{none, policy.Standard, policy.Sensitive, policy.Critical, other} {
			if tc.tier.AtLeast(o) {
				below = append(below, orNone(o))
			}
		}
		if got := strings.Join(below, " "); got != tc.atLeast {
			t.Errorf("tier %q is at least %q; want %q", tc.tier, got, tc.atLeast)
		}
	}
	if !policy.Sensitive.NeedsApproval("list") {
		t.Error("an unknown act on a sensitive secret needs no approval")
	}
}

func TestActionEach(t *testing.T) {
	if got := policy.ActionAny.Each(); !slices.Equal(got, []policy.Action{"read", "write", "delete", "rotate"}) {
		t.Errorf("* stands for %q", got)
	}
	if got := policy.Write.Each(); !slices.Equal(got, []policy.Action{"write"}) {
		t.Errorf("write stands for %q", got)
	}
}

func orNone(t policy.Tier) string {
	if t == "" {
		return "none"
	}
	return string(t)
}

func TestCheckName(t *testing.T) {
	id := strings.Repeat("a2", 13)
	for _, ok := range []string{
		"a", "ci-bot", "0", "Deploy.Bot_2", strings.Repeat("n", 64), "agt_short", "agt_" + id + "x", "agtx_" + id[1:],
		"agt-" + id, "a_" + id, "agt_" + id[1:],
	} {
		if err := policy.CheckName(ok); err != nil {
			t.Errorf("CheckName(%q): %v", ok, err)
		}
	}
	for _, tc := range []struct{ in, err string }{
		{"", "name is empty"},
		{strings.Repeat("n", 65), "name is longer than 64 bytes"},
		{"-a", "name must begin with a letter or digit"},
		{".", "name must begin with a letter or digit"},
		{"_a", "name must begin with a letter or digit"},
		{"a b", "name has a character outside A-Z a-z 0-9 _ . -"},
		{"a/b", "name has a character outside A-Z a-z 0-9 _ . -"},
		{"a\n", "name has a character outside A-Z a-z 0-9 _ . -"},
		{"é", "name must begin with a letter or digit"},
	} {
		if err := policy.CheckName(tc.in); err == nil || err.Error() != tc.err || !errors.Is(err, policy.ErrInvalid) {
			t.Errorf("CheckName(%q): %v; want %q", tc.in, err, tc.err)
		}
	}
	for _, prefix := range []string{"agt", "own", "tok", "sec", "apr", "req", "evt", "ten", "slt", "new"} {
		for _, in := range []string{prefix + "_" + id, strings.ToUpper(prefix + "_" + id)} {
			if err := policy.CheckName(in); err == nil || err.Error() != "name has the form of an id" {
				t.Errorf("CheckName(%q): %v", in, err)
			}
		}
	}
}
