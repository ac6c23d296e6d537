package dotenv_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/vault/dotenv"
)

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.nofailfile", "true"); err != nil { // what was drawn is printed
		panic(err)
	}
	os.Exit(m.Run())
}

func TestFormat(t *testing.T) {
	for value, want := range map[string]string{
		"":                 `A=`,
		"sk-1_2.3/4:5@6":   `A=sk-1_2.3/4:5@6`,
		"two words":        `A='two words'`,
		"$HOME":            `A='$HOME'`,
		`a\b"c`:            `A='a\b"c'`,
		"ü":                `A='ü'`,
		"~":                `A='~'`,
		"it's $1":          `A="it's \$1"`,
		"a\nb\r\n\\n\t\"c": `A="a\nb\r\n\\n` + "\t" + `\"c"`,
	} {
		text, err := dotenv.Dotenv.Print([]dotenv.Pair{{Name: "A", Value: []byte(value)}})
		if err != nil || string(text) != want+"\n" {
			t.Errorf("%q is printed as %q (%v), want %q", value, text, err, want)
		}
	}
}

func TestFormatRefuses(t *testing.T) {
	largest := []byte(strings.Repeat("x", dotenv.MaxValue))
	pairs := func(p ...dotenv.Pair) []dotenv.Pair { return p }
	const badName = "the name is empty or has a character outside A-Z a-z 0-9 _ . -"
	for _, c := range []struct {
		format dotenv.Format
		want   string
		pairs  []dotenv.Pair
	}{
		{dotenv.Dotenv, "A B (" + badName + ")", pairs(dotenv.Pair{Name: "A B"})},
		{dotenv.Dotenv, " (" + badName + ")", pairs(dotenv.Pair{})},
		{dotenv.Dotenv, "B (the value has a NUL byte)", pairs(dotenv.Pair{Name: "A"}, dotenv.Pair{Name: "B", Value: []byte("x\x00")})},
		{dotenv.Dotenv, "A (the value is not UTF-8)", pairs(dotenv.Pair{Name: "A", Value: []byte("\xff")})},
		{dotenv.Dotenv, "A (the value is longer than 1048576 bytes)", pairs(dotenv.Pair{Name: "A", Value: append(largest, 'x')})},
		{dotenv.Dotenv, "A (the name stands twice)", pairs(dotenv.Pair{Name: "A"}, dotenv.Pair{Name: "B"}, dotenv.Pair{Name: "A"})},
		{
			dotenv.DockerEnv, "A, C (the value has a line break); B (the value ends in a carriage return); D (the line would be longer than the 65535 bytes that docker reads); E (the value has a NUL byte)",
			pairs(dotenv.Pair{Name: "A", Value: []byte("1\n")}, dotenv.Pair{Name: "B", Value: []byte("1\r")}, dotenv.Pair{Name: "C", Value: []byte("1\n2")},
				dotenv.Pair{Name: "D", Value: largest[:65_534]}, dotenv.Pair{Name: "E", Value: []byte("\x00")}, dotenv.Pair{Name: "F"}),
		},
		{
			dotenv.Shell, "A.B, A-B, 1A (the name is no shell variable's); RANDOM, _ (a shell keeps that variable to itself); E (the value has a NUL byte)",
			pairs(dotenv.Pair{Name: "A.B"}, dotenv.Pair{Name: "A-B"}, dotenv.Pair{Name: "1A"}, dotenv.Pair{Name: "RANDOM"}, dotenv.Pair{Name: "_"},
				dotenv.Pair{Name: "E", Value: []byte("\x00")}, dotenv.Pair{Name: "F"}),
		},
		{dotenv.JSON, "A (the value is not UTF-8); A (the name stands twice)", pairs(dotenv.Pair{Name: "A", Value: []byte("\xff")}, dotenv.Pair{Name: "A"})},
	} {
		text, err := c.format.Print(c.pairs)
		if want := string(c.format) + " cannot carry " + c.want; text != nil || err == nil || err.Error() != want {
			t.Errorf("%q, %v; want %s", text, err, want)
		}
		if unfit, ok := errors.AsType[*dotenv.UnfitError](err); !ok || unfit.Format != c.format || len(unfit.Pairs) == 0 {
			t.Errorf("%v is no UnfitError", err)
		}
	}
	var large []dotenv.Pair
	for i := range 16 {
		large = append(large, dotenv.Pair{Name: string(rune('A' + i)), Value: largest})
	}
	if text, err := dotenv.Dotenv.Print(large); text != nil || !errors.Is(err, dotenv.ErrTooLarge) {
		t.Errorf("%d bytes, %v; want ErrTooLarge", len(text), err)
	}
	for _, format := range []dotenv.Format{dotenv.DockerEnv, dotenv.Shell, dotenv.JSON} {
		if text, err := format.Print(large[:2]); format != dotenv.DockerEnv && (err != nil || len(text) < 2<<20) {
			t.Errorf("%s: %d bytes, %v", format, len(text), err)
		}
	}
	if text, err := dotenv.Format("yaml").Print(nil); text != nil || err == nil {
		t.Errorf("of no format: %q, %v", text, err)
	}
}

// valueGen draws values of all kinds, rich in what means something to a parser.
func valueGen() *rapid.Generator[string] {
	special := rapid.SampledFrom([]string{
		"'", `"`, `\`, "\n", "\r", "\r\n", "\t", " ", "#", " #", "$", "`", "=", "n", `\n`, "export ", "\uFEFF", "\u00a0", "\v", "\f", "\u2028", "x",
	})
	return rapid.OneOf(
		rapid.Map(rapid.SliceOf(special), func(s []string) string { return strings.Join(s, "") }),
		rapid.StringOf(rapid.Rune().Filter(func(r rune) bool { return r != 0 && utf8.ValidRune(r) })),
	)
}

func pairsGen() *rapid.Generator[[]pair] {
	one := rapid.Custom(func(t *rapid.T) pair {
		return pair{name: rapid.StringMatching(`[A-Za-z0-9_.-]{1,8}|export`).Draw(t, "name"), value: valueGen().Draw(t, "value")}
	})
	return rapid.SliceOfNDistinct(one, 0, 8, func(p pair) string { return p.name })
}

// TestFormatThenParse: what is printed is read back, whichever way its lines end.
func TestFormatThenParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := pairsGen().Draw(t, "pairs")
		var in []dotenv.Pair
		for i, p := range want {
			want[i].line = i + 1
			in = append(in, dotenv.Pair{Name: p.name, Value: []byte(p.value)})
		}
		text, err := dotenv.Dotenv.Print(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, ends := range []string{"\n", "\r\n"} {
			variant := "\uFEFF" + strings.ReplaceAll(string(text), "\n", ends)
			pairs, err := dotenv.Parse(variant, len(want))
			if got := plain(pairs); err != nil || !slices.Equal(got, want) {
				t.Fatalf("%q is read as %v (%v), want %v", variant, got, err, want)
			}
		}
	})
}

// npmSpecial is what the published npm CLI quotes a value for: JavaScript's
// /[\s"'\\#$`]/.
var npmSpecial = regexp.MustCompile("[\\t\\n\\v\\f\\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\uFEFF\"'\\\\#$`]")

// npmEscape is how it prints a value in an export.
func npmEscape(value string) string {
	if !npmSpecial.MatchString(value) {
		return value
	}
	value = strings.ReplaceAll(value, `\`, `\\`)
	value = strings.ReplaceAll(value, `"`, `\"`)
	return `"` + strings.ReplaceAll(value, "\n", `\n`) + `"`
}

// TestNPMExport: what the published npm CLI exports is read as it was meant.
func TestNPMExport(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := pairsGen().Draw(t, "pairs")
		lines := []string{"# Exported from Agent Secret Store", "# Namespace: a/b", "# Date: 2026-03-01T12:00:00.000Z", ""}
		for i, p := range want {
			want[i].line = len(lines) + 1
			lines = append(lines, p.name+"="+npmEscape(p.value))
		}
		text := strings.Join(lines, "\n") + "\n"
		pairs, err := dotenv.Parse(text, len(want))
		if got := plain(pairs); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%q is read as %v (%v), want %v", text, got, err, want)
		}
	})
}

// errorText is what an error may consist of.
var errorText = regexp.MustCompile(`^line \d+: (there is (no "="|a NUL byte|a carriage return that no line feed follows|text behind the quote that closes the value of line \d+)` +
	`|the name is empty or has a character outside A-Z a-z 0-9 _ \. -|the name already stands in line \d+` +
	`|nothing closes the quote that the value begins with|the text is not UTF-8|more than \d+ values|the (text|value) is longer than \d+ bytes)$`)

// FuzzParse: any text is taken or refused without a panic and without repeating
// it; taken, it is printed, and what is printed is read as the same and printed
// as the same.
func FuzzParse(f *testing.F) {
	for _, c := range accepted {
		f.Add(c.text)
	}
	for _, c := range refused {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pairs, err := dotenv.Parse(text, 100)
		if err != nil {
			if !errorText.MatchString(err.Error()) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		printed, err := dotenv.Dotenv.Print(pairs)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		again, err := dotenv.Parse(string(printed), 100)
		if err != nil {
			t.Fatalf("%q is printed as %q: %v", text, printed, err)
		}
		same := func(a, b dotenv.Pair) bool { return a.Name == b.Name && bytes.Equal(a.Value, b.Value) }
		if !slices.EqualFunc(pairs, again, same) {
			t.Errorf("%q is printed as %q", text, printed)
		}
		if reprinted, err := dotenv.Dotenv.Print(again); err != nil || !bytes.Equal(printed, reprinted) {
			t.Errorf("%q is printed as %q and then as %q (%v)", text, printed, reprinted, err)
		}
	})
}
