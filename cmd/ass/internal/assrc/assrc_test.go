package assrc_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/cmd/ass/internal/assrc"
)

const sample = `# my vault
ASS_AGENT_KEY=ask_live_abc
ASS_API_URL=unix:///run/assd/assd.sock

FUTURE_SETTING=a = b # c
`

func parse(t *testing.T, s string) *assrc.File {
	t.Helper()
	f, err := assrc.Parse([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParse(t *testing.T) {
	f := parse(t, sample)
	for key, want := range map[string]string{
		assrc.AgentKey: "ask_live_abc", assrc.APIURL: "unix:///run/assd/assd.sock",
		"FUTURE_SETTING": "a = b # c", assrc.CACert: "", "": "",
	} {
		if got := f.Get(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if got := f.String(); got != sample {
		t.Errorf("printed as %q, want %q", got, sample)
	}
}

func TestParseSpellings(t *testing.T) {
	for in, want := range map[string]string{
		"A=x": "x", "A=x\n": "x", "A=x\r\n": "x", "A=  x \t\n": "x", "A=\n": "", "\n\nA=x\n\n": "x", "#A=y\nA=x": "x", "  # c\nA=x": "x",
	} {
		if got := parse(t, in).Get("A"); got != want {
			t.Errorf("%q: A is %q, want %q", in, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for in, about := range map[string]string{
		"hunter2":                             "line 1",
		"A=x\nA=hunter2":                      "second time",
		"A=x\n\nhunter2=y=z\nA-B=hunter2":     "line 4",
		"A =hunter2":                          "line 1",
		" A=hunter2":                          "line 1",
		"export A=hunter2":                    "line 1",
		"1A=hunter2":                          "line 1",
		"=hunter2":                            "line 1",
		`A="hunter2"`:                         "quotes",
		"A='hunter2'":                         "quotes",
		"A=hunter2\x00":                       "control",
		"A=hunter2\x1b[2J":                    "control",
		"A=\rhunter2":                         "control",
		"A=\xffhunter2":                       "UTF-8",
		"A=" + strings.Repeat("hunter2", 1e4): "longer",
	} {
		_, err := assrc.Parse([]byte(in))
		if !errors.Is(err, assrc.ErrSyntax) || !strings.Contains(err.Error(), about) {
			t.Errorf("%.30q: got error %v, want one about %q", in, err, about)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%.30q is repeated in %v", in, err)
		}
	}
}

func TestSetKeepsTheRest(t *testing.T) {
	f := parse(t, sample)
	for key, value := range map[string]string{assrc.AgentKey: "ask_agent_new", assrc.APIURL: "", "FUTURE_SETTING": "x"} {
		if err := f.Set(key, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Set(assrc.VerifyKey, "ed25519:AAAA="); err != nil {
		t.Fatal(err)
	}
	want := "# my vault\nASS_AGENT_KEY=ask_agent_new\n\nFUTURE_SETTING=x\nASS_VERIFY_KEY=ed25519:AAAA=\n"
	if got := f.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSetRefusesWhatCannotBeRead(t *testing.T) {
	for _, value := range []string{"a\nASS_API_URL=https://evil", "a\r", " a", `"a`, "\x00", "\xff"} {
		f := parse(t, sample)
		if err := f.Set(assrc.AgentKey, value); err == nil {
			t.Errorf("%q is taken", value)
		}
		if got := f.String(); got != sample {
			t.Errorf("%q: a refused value changed the file to %q", value, got)
		}
	}
	if err := new(assrc.File).Set("A B", "x"); err == nil {
		t.Error("a key with a blank is taken")
	}
}

func TestEmpty(t *testing.T) {
	for in, want := range map[string]bool{"": true, "\n\n": true, "A=x": false, "# c": false} {
		if got := parse(t, in).Empty(); got != want {
			t.Errorf("%q: Empty() = %v, want %v", in, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{sample, "", "\n", "A=x\r\n", "A==", "#", "\t\n", "A=\u00a0x\u2003", "A=x\n\n\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := assrc.Parse(b)
		if err != nil {
			return
		}
		text := first.String()
		again, err := assrc.Parse([]byte(text))
		if err != nil {
			t.Fatalf("%q was printed as %q, which is refused: %v", b, text, err)
		}
		if got := again.String(); got != text {
			t.Fatalf("%q was printed as %q and then as %q", b, text, got)
		}
		for _, key := range []string{"A", assrc.AgentKey, assrc.APIURL} {
			if first.Get(key) != again.Get(key) {
				t.Fatalf("%q: %s changed from %q to %q", b, key, first.Get(key), again.Get(key))
			}
		}
	})
}
