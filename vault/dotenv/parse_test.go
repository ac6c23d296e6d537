package dotenv_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault/dotenv"
)

const pem = `KEY="-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASC==
-----END PRIVATE KEY-----
"
NEXT=1
`

// pair is a pair as it is compared and printed here.
type pair struct {
	name, value string
	line        int
}

func (p pair) String() string { return fmt.Sprintf("%s=%q in line %d", p.name, p.value, p.line) }

func read(t testing.TB, text string) []pair {
	t.Helper()
	pairs, err := dotenv.Parse(text, 1000)
	if err != nil {
		t.Fatalf("parsing %q: %v", text, err)
	}
	return plain(pairs)
}

func plain(pairs []dotenv.Pair) (out []pair) {
	for _, p := range pairs {
		out = append(out, pair{p.Name, string(p.Value), p.Line})
	}
	return out
}

var accepted = []struct {
	text string
	want []pair
}{
	{"", nil},
	{"\n\r\n \t\n# A=1\n  # B=2\r\n", nil},
	{"\uFEFF", nil},
	{"A=1", []pair{{"A", "1", 1}}},
	{"\uFEFFA=1\n", []pair{{"A", "1", 1}}},
	{"A=1\r\nB=2\r\n", []pair{{"A", "1", 1}, {"B", "2", 2}}},
	{"\n# c\nB=2\nA=1\n", []pair{{"B", "2", 3}, {"A", "1", 4}}},
	{"A=\nB= \nC=''\nD=\"\"\n", []pair{{"A", "", 1}, {"B", "", 2}, {"C", "", 3}, {"D", "", 4}}},
	{" \tA \t=\t x y \t\n", []pair{{"A", "x y", 1}}},
	{"export A=1\nexport\tB=2\n export  C = 3", []pair{{"A", "1", 1}, {"B", "2", 2}, {"C", "3", 3}}},
	{"export=1\nexported=2\nexport export2=3", []pair{{"export", "1", 1}, {"exported", "2", 2}, {"export2", "3", 3}}},
	{"export =1", []pair{{"export", "1", 1}}},
	{"a.b-C_9=1", []pair{{"a.b-C_9", "1", 1}}},
	{"A==b=c==", []pair{{"A", "=b=c==", 1}}},

	// Nothing is expanded.
	{"A=$HOME\nB=${A}\nC=\"$A\"\nD='$A'\nE=`id`\nF=\"$(id)\"", []pair{
		{"A", "$HOME", 1}, {"B", "${A}", 2}, {"C", "$A", 3}, {"D", "$A", 4}, {"E", "`id`", 5}, {"F", "$(id)", 6}}},

	// Comments begin behind a blank.
	{"A=x#y\nB=x #y\nC=x\t#y # z\nD=#x\nE= #x\nF=#x #y", []pair{
		{"A", "x#y", 1}, {"B", "x", 2}, {"C", "x", 3}, {"D", "#x", 4}, {"E", "", 5}, {"F", "#x", 6}}},
	{"A='x' # y 'z'\nB=\"x\"\t#\"\n", []pair{{"A", "x", 1}, {"B", "x", 2}}},
	{"A='x # y'\nB=\"x # y\"", []pair{{"A", "x # y", 1}, {"B", "x # y", 2}}},

	// Quotes in a bare value, and escapes in it or in single quotes, are literal.
	{`A=it's "so"\n`, []pair{{"A", `it's "so"\n`, 1}}},
	{`A='\n\"$\\'`, []pair{{"A", `\n\"$\\`, 1}}},
	{`A="\n\r\t\"\\\$\x\'\u0041"`, []pair{{"A", "\n\r\t\"\\$\\x\\'\\u0041", 1}}},
	{`A="\\n"`, []pair{{"A", `\n`, 1}}},

	// Over lines.
	{pem, []pair{{"KEY", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC==\n-----END PRIVATE KEY-----\n", 1}, {"NEXT", "1", 5}}},
	{strings.ReplaceAll(pem, "\n", "\r\n"), []pair{{"KEY", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC==\n-----END PRIVATE KEY-----\n", 1}, {"NEXT", "1", 5}}},
	{strings.ReplaceAll(pem, `"`, `'`), []pair{{"KEY", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC==\n-----END PRIVATE KEY-----\n", 1}, {"NEXT", "1", 5}}},
	{"A=\"x\\\ny\"\nB=1", []pair{{"A", "x\\\ny", 1}, {"B", "1", 3}}},

	// A carriage return is content where it cannot be the end of a line.
	{"A=\"x\ry\"\nB='\r'", []pair{{"A", "x\ry", 1}, {"B", "\r", 2}}},
	{"A=\u00a0x\u00a0", []pair{{"A", "\u00a0x\u00a0", 1}}},
}

func TestParse(t *testing.T) {
	for _, c := range accepted {
		if got := read(t, c.text); !slices.Equal(got, c.want) {
			t.Errorf("%q gives %v, want %v", c.text, got, c.want)
		}
	}
}

// hunter2 is in every value below, and must be in no error.
var refused = []struct {
	text, want string
}{
	{"A=1\nhunter2\n", `line 2: there is no "="`},
	{"export hunter2", `line 1: there is no "="`},
	{"A=-----BEGIN-----\nhunter2+/\n", `line 2: there is no "="`},
	{"\n=hunter2", "line 2: the name is empty or has a character outside A-Z a-z 0-9 _ . -"},
	{"A B=hunter2", "line 1: the name is empty or has a character outside A-Z a-z 0-9 _ . -"},
	{"hunter2+/=", "line 1: the name is empty or has a character outside A-Z a-z 0-9 _ . -"},
	{"export A B=hunter2", "line 1: the name is empty or has a character outside A-Z a-z 0-9 _ . -"},
	{"Ä=hunter2", "line 1: the name is empty or has a character outside A-Z a-z 0-9 _ . -"},
	{"\uFEFF\uFEFFA=hunter2", "line 1: the name is empty or has a character outside A-Z a-z 0-9 _ . -"},
	{"A\r=hunter2", "line 1: the name is empty or has a character outside A-Z a-z 0-9 _ . -"},
	{"A=hunter2\nB=2\nexport A = hunter2", "line 3: the name already stands in line 1"},
	{"A='\n\n'\nB=\"hunter2\n\nC=2", "line 4: nothing closes the quote that the value begins with"},
	{"A='hunter2", "line 1: nothing closes the quote that the value begins with"},
	{`A="hunter2\"`, "line 1: nothing closes the quote that the value begins with"},
	{`A="hunter2\`, "line 1: nothing closes the quote that the value begins with"},
	{"A=1\nB=\"hunter2\n\"hunter2", "line 3: there is text behind the quote that closes the value of line 2"},
	{"A='x'hunter2", "line 1: there is text behind the quote that closes the value of line 1"},
	{"A='x'#hunter2", "line 1: there is text behind the quote that closes the value of line 1"},
	{"A='x' hunter2 # y", "line 1: there is text behind the quote that closes the value of line 1"},
	{"A=1\nB=hunter2\x00", "line 2: there is a NUL byte"},
	{"A=1\nB='\n\x00hunter2'", "line 3: there is a NUL byte"},
	{"A=\uFFFD\nB=hunter2\xff", "line 2: the text is not UTF-8"},
	{"A=hunter2\rB=2", "line 1: there is a carriage return that no line feed follows"},
	{"A=1\n# hunter2\rB=2\n", "line 2: there is a carriage return that no line feed follows"},
	{"A='x\n'\r", "line 2: there is a carriage return that no line feed follows"},
	{"A=hunter2\r", "line 1: there is a carriage return that no line feed follows"},
}

func TestParseRefuses(t *testing.T) {
	for _, c := range refused {
		pairs, err := dotenv.Parse(c.text, 1000)
		if err == nil || err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
		if pairs != nil || errors.Is(err, dotenv.ErrTooLarge) {
			t.Errorf("%q: %v with %v", c.text, pairs, err)
		}
	}
}

func TestParseLimits(t *testing.T) {
	largest := strings.Repeat("x", dotenv.MaxValue)
	for _, c := range []struct {
		name, text string
		line       int // 0: it is taken
	}{
		{"the longest value", "A=" + largest, 0},
		{"the longest value in quotes", "A=\"" + strings.Repeat(`\n`, dotenv.MaxValue) + `"`, 0},
		{"a longer one", "A=1\nB=" + largest + "x", 2},
		{"a longer one in quotes", "A='\n'\nB='" + largest + "\n'", 3},
		{"the longest text", strings.Repeat("#\n", dotenv.MaxText/2), 0},
		{"a longer one", strings.Repeat("#\n", dotenv.MaxText/2) + "#", dotenv.MaxText/2 + 1},
		{"the most pairs", "A=\nB=\nC=\n", 0},
		{"one more", "A=\n\nB=\nC=\nD=\n", 5},
	} {
		_, err := dotenv.Parse(c.text, 3)
		if c.line == 0 {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		var at *dotenv.Error
		if !errors.Is(err, dotenv.ErrTooLarge) || !errors.As(err, &at) || at.Line != c.line {
			t.Errorf("%s: %v, want a limit in line %d", c.name, err, c.line)
		}
	}
}

// TestParseIsLinear: twice the text takes no four times as long, whatever it is
// made of. The bound is wide, for a machine that is busy; quadratic, any of these
// would take hours.
func TestParseIsLinear(t *testing.T) {
	for name, text := range map[string]string{
		"one line":       strings.Repeat("x", dotenv.MaxText),
		"blanks":         strings.Repeat(" ", dotenv.MaxText),
		"blank lines":    strings.Repeat("\n", dotenv.MaxText),
		"names":          strings.Repeat("A=", dotenv.MaxText/2),
		"comments":       "A=" + strings.Repeat("#", dotenv.MaxText-2),
		"no comments":    "A=" + strings.Repeat(" #", dotenv.MaxText/2-1),
		"quotes":         "A=" + strings.Repeat("'", dotenv.MaxText-2),
		"open quote":     `A="` + strings.Repeat("\n", dotenv.MaxText-3),
		"backslashes":    `A="` + strings.Repeat(`\`, dotenv.MaxText-3),
		"quoted lines":   many(`="` + "\n\n" + `"`),
		"carriage":       `A="` + strings.Repeat("\r", dotenv.MaxText-3),
		"short pairs":    many("="),
		"behind a quote": "A=''" + strings.Repeat(" ", dotenv.MaxText-5) + "x",
	} {
		began := time.Now()
		pairs, err := dotenv.Parse(text, dotenv.MaxText)
		if took := time.Since(began); took > 2*time.Minute {
			t.Errorf("%s: %v (%d pairs, %v)", name, took, len(pairs), err)
		}
	}
}

// many is a text of pairs with different names, up to the limit.
func many(rest string) string {
	var b strings.Builder
	for i := 0; b.Len() < dotenv.MaxText-64; i++ {
		fmt.Fprintf(&b, "K%d%s\n", i, rest)
	}
	return b.String()
}

func TestPairPrintsNoValue(t *testing.T) {
	pairs, err := dotenv.Parse("A=hunter2", 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(verb, pairs); !strings.Contains(got, "A=[REDACTED]") || strings.Contains(got, "104") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	dotenv.Wipe(pairs)
	if got := string(pairs[0].Value); got != strings.Repeat("\x00", len("hunter2")) {
		t.Errorf("wiped, the value is %q", got)
	}
}
