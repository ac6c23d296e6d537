package dotenv_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/vault/dotenv"
)

func TestFormats(t *testing.T) {
	pairs := []dotenv.Pair{{Name: "A", Value: []byte("it's $1")}, {Name: "B"}, {Name: "C_1", Value: []byte("#\t\"ü\\\u202e\U000e0001")}}
	for format, want := range map[dotenv.Format]string{
		dotenv.Shell:     "export A='it'\\''s $1'\nexport B=''\nexport C_1='#\t\"ü\\\u202e\U000e0001'\n",
		dotenv.DockerEnv: "A=it's $1\nB=\nC_1=#\t\"ü\\\u202e\U000e0001\n",
		dotenv.JSON:      "{\n  \"A\": \"it's $1\",\n  \"B\": \"\",\n  \"C_1\": \"#\\u0009\\\"ü\\\\\\u202e\\udb40\\udc01\"\n}\n",
	} {
		if text, err := format.Print(pairs); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v; want %q", format, text, err, want)
		}
	}
}

// rawGen draws whatever a secret can hold: NUL and single control characters too.
func rawGen() *rapid.Generator[string] {
	return rapid.OneOf(valueGen(),
		rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{"\x00", "\x01", "\x7f", "\x1b[2J", "'", "\\", "!", "*", "~", "\n", "\r", "\u0081", "\u0088", "\u2028", "\U0001f510", " "}), 0, 12),
			func(s []string) string { return strings.Join(s, "") }),
		rapid.StringOf(rapid.Rune().Filter(utf8.ValidRune)))
}

// shellName draws names that a shell takes.
func shellName() *rapid.Generator[string] { return rapid.StringMatching(`V[A-Za-z0-9_]{0,6}`) }

func drawPairs(t *rapid.T, name *rapid.Generator[string], most int) []dotenv.Pair {
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) dotenv.Pair {
		return dotenv.Pair{Name: name.Draw(t, "name"), Value: []byte(rawGen().Draw(t, "value"))}
	}), 0, most, func(p dotenv.Pair) string { return p.Name }).Draw(t, "pairs")
}

// printFit prints those of pairs that the format can carry, and wants the others to
// be just those that unfit says.
func printFit(t *rapid.T, f dotenv.Format, pairs []dotenv.Pair, unfit func(dotenv.Pair) bool) (fit []dotenv.Pair, text []byte) {
	var out []string
	for _, p := range pairs {
		if unfit(p) {
			out = append(out, p.Name)
		} else {
			fit = append(fit, p)
		}
	}
	text, err := f.Print(pairs)
	var named []string
	if refused, ok := errors.AsType[*dotenv.UnfitError](err); ok {
		for _, p := range refused.Pairs {
			named = append(named, p.Name)
		}
		text, err = f.Print(fit)
	}
	if err != nil || !slices.Equal(named, out) {
		t.Fatalf("%s refuses %q (%v), want %q", f, named, err, out)
	}
	return fit, text
}

func same(got map[string]string, want []dotenv.Pair) string {
	if len(got) != len(want) {
		return fmt.Sprintf("there are %d of %d", len(got), len(want))
	}
	for _, p := range want {
		if got[p.Name] != string(p.Value) {
			return fmt.Sprintf("%s is %q, was %q", p.Name, got[p.Name], p.Value)
		}
	}
	return ""
}

func hasNUL(p dotenv.Pair) bool { return bytes.IndexByte(p.Value, 0) >= 0 }

// TestShellGivesTheValues has real shells source what is printed, many values each.
func TestShellGivesTheValues(t *testing.T) {
	dir := t.TempDir()
	for _, shell := range []string{"bash", "sh"} {
		bin, err := exec.LookPath(shell)
		if err != nil {
			testenv.Skip(t, "there is no "+shell)
		}
		t.Run(shell, func(t *testing.T) {
			n := 0
			rapid.Check(t, func(rt *rapid.T) {
				if n++; n > 25 && !t.Failed() { // a process each; a hundred values in it
					return
				}
				fit, text := printFit(rt, dotenv.Shell, drawPairs(rt, shellName(), 100), hasNUL)
				file := filepath.Join(dir, "env")
				if err := os.WriteFile(file, text, 0o600); err != nil {
					rt.Fatal(err)
				}
				if problem := same(sourced(rt, bin, file), fit); problem != "" {
					rt.Fatalf("%s: %s", shell, problem)
				}
			})
		})
	}
}

// sourced is what the shell hands to a program after it has sourced file: the
// variables whose names begin with V.
func sourced(t *rapid.T, shell, file string) map[string]string {
	env, err := exec.LookPath("env")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(shell, "-c", `. "$1" && exec "$2" -0`, "-", file, env)
	cmd.Env = []string{"LC_ALL=C.UTF-8"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %q", shell, err, out)
	}
	got := map[string]string{}
	for _, line := range strings.Split(string(out), "\x00") {
		if name, value, ok := strings.Cut(line, "="); ok && strings.HasPrefix(name, "V") {
			got[name] = value
		}
	}
	return got
}

// TestShellKeepsToItself: each variable that bash has is carried, or refused.
func TestShellKeepsToItself(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		testenv.Skip(t, "there is no bash")
	}
	names, err := exec.Command(bash, "-c", "compgen -v").Output()
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	carried := strings.Fields(string(names))
	carried = slices.DeleteFunc(carried, func(name string) bool {
		text, err := dotenv.Shell.Print([]dotenv.Pair{{Name: name, Value: []byte("a b;é")}})
		if err == nil {
			fmt.Fprintf(&script, "( unset failed; %s [ \"$%s\" = 'a b;é' ] || echo %s )\n", strings.ReplaceAll(string(text), "\n", ";"), name, name)
		}
		return err != nil
	})
	out, err := exec.Command(bash, "-c", script.String()).CombinedOutput()
	if err != nil || len(out) > 0 || len(carried) < 10 {
		t.Errorf("of %d variables bash keeps %s (%v)", len(carried), out, err)
	}
}

// readDockerEnv reads a text by docker's documented rules: lines NAME=VALUE, those
// that begin with # are comments, nothing in a value means anything. That blanks
// before a line go, that the line's end may be CRLF, that a BOM goes, and how long a
// line may be is what docker does.
func readDockerEnv(text []byte) (map[string]string, error) {
	out := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for first := true; lines.Scan(); first = false {
		b := lines.Bytes()
		if !utf8.Valid(b) {
			return nil, errors.New("not UTF-8")
		}
		if first {
			b = bytes.TrimPrefix(b, []byte("\uFEFF"))
		}
		line := strings.TrimLeftFunc(string(b), unicode.IsSpace)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, errors.New("no NAME=VALUE")
		}
		if _, twice := out[name]; twice {
			return nil, errors.New("a name twice")
		}
		out[name] = value
	}
	return out, lines.Err()
}

func TestDockerReadsTheValues(t *testing.T) {
	name := rapid.StringMatching(`[A-Za-z0-9_.-]{1,6}`)
	rapid.Check(t, func(t *rapid.T) {
		pairs := drawPairs(t, name, 20)
		if len(pairs) > 0 && rapid.Bool().Draw(t, "long") {
			at := rapid.IntRange(65_528, 65_536).Draw(t, "length")
			pairs[0].Value = []byte(strings.Repeat("x", at))
		}
		fit, text := printFit(t, dotenv.DockerEnv, pairs, func(p dotenv.Pair) bool {
			return hasNUL(p) || bytes.Contains(p.Value, []byte("\n")) || bytes.HasSuffix(p.Value, []byte("\r")) || len(p.Name)+1+len(p.Value) > 65_535
		})
		got, err := readDockerEnv(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if problem := same(got, fit); problem != "" {
			t.Fatal(problem)
		}
	})
}

func TestJSONHasTheValues(t *testing.T) {
	name := rapid.StringMatching(`[A-Za-z0-9_.-]{1,6}`)
	rapid.Check(t, func(t *rapid.T) {
		fit, text := printFit(t, dotenv.JSON, drawPairs(t, name, 20), func(dotenv.Pair) bool { return false })
		got := map[string]string{}
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if problem := same(got, fit); problem != "" {
			t.Fatal(problem)
		}
		for _, r := range string(text) {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Fatalf("%q would be shown raw", r)
			}
		}
	})
}

// TestDotenvBack: what is printed of anything that a secret can hold is read back
// byte for byte, or refused for its NUL.
func TestDotenvBack(t *testing.T) {
	name := rapid.StringMatching(`[A-Za-z0-9_.-]{1,6}`)
	rapid.Check(t, func(t *rapid.T) {
		fit, text := printFit(t, dotenv.Dotenv, drawPairs(t, name, 20), hasNUL)
		pairs, err := dotenv.Parse(string(text), len(fit))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		got := map[string]string{}
		for _, p := range pairs {
			got[p.Name] = string(p.Value)
		}
		if problem := same(got, fit); problem != "" {
			t.Fatal(problem)
		}
	})
}

// FuzzPrint: whatever the name and the value, each format carries both, or names
// the pair and says nothing of the value.
func FuzzPrint(f *testing.F) {
	f.Add("A", "it's $1\n\r\x00 #\"\\")
	f.Add("A.B-C", "\ufeff\u2028ü\x7f")
	f.Add("RANDOM", "# no comment ")
	f.Add("", "\xff")
	f.Fuzz(func(t *testing.T, name, value string) {
		pair := dotenv.Pair{Name: name, Value: []byte(value)}
		for _, format := range []dotenv.Format{dotenv.Dotenv, dotenv.DockerEnv, dotenv.Shell, dotenv.JSON} {
			text, err := format.Print([]dotenv.Pair{pair})
			if err != nil {
				if unfit, ok := errors.AsType[*dotenv.UnfitError](err); !ok || len(unfit.Pairs) != 1 || unfit.Pairs[0].Name != name {
					t.Errorf("%s: %v", format, err)
				}
				continue
			}
			if got, ok := readBack(format, text); ok && (len(got) != 1 || got[name] != value) {
				t.Errorf("%s: %q was printed as %q, and is read as %q", format, value, text, got)
			}
		}
	})
}

// readBack reads what a format has printed; there is no shell here.
func readBack(format dotenv.Format, text []byte) (got map[string]string, ok bool) {
	got = map[string]string{}
	switch format {
	case dotenv.Dotenv:
		pairs, _ := dotenv.Parse(string(text), 2) // nothing, when it fails
		for _, p := range pairs {
			got[p.Name] = string(p.Value)
		}
	case dotenv.DockerEnv:
		got, _ = readDockerEnv(text)
	case dotenv.JSON:
		_ = json.Unmarshal(text, &got)
	default:
		return nil, false
	}
	return got, true
}
