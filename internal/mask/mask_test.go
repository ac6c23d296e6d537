package mask_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/internal/mask"
)

const pem = "-----BEGIN KEY-----\n" +
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\n" +
	"OF/2NxApJCzGCEDdfSp6VQO30hyh+G==\n" +
	"-----END KEY-----\n"

// fataler is testing.TB or rapid's.
type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// through writes the parts to a mask for values and returns what comes out.
func through(t fataler, values []string, parts ...string) string {
	t.Helper()
	var out bytes.Buffer
	m := mask.New(&out, values)
	for _, part := range parts {
		if n, err := m.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("writing %d bytes: %d, %v", len(part), n, err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// forms are the ways in which a value is to be found.
func forms(value string) map[string]string {
	goJSON, _ := json.Marshal(value)
	inside := string(goJSON[1 : len(goJSON)-1])
	var unicode, percent, lower, quoted strings.Builder
	for _, r := range value {
		if r < 0x10000 {
			fmt.Fprintf(&unicode, `\u%04X`, r)
		} else {
			unicode.WriteRune(r)
		}
	}
	for i := range len(value) {
		fmt.Fprintf(&percent, "%%%02X", value[i])
		fmt.Fprintf(&lower, "%%%02x", value[i])
		fmt.Fprintf(&quoted, `\x%02x`, value[i])
	}
	ascii := fmt.Sprintf("%+q", value) // python's ensure_ascii but for \U and \a, \v
	return map[string]string{
		"plain":           value,
		"crlf":            strings.ReplaceAll(strings.ReplaceAll(value, "\r\n", "\n"), "\n", "\r\n"),
		"indented":        strings.ReplaceAll(value, "\n", "\n\t    "),
		"hex":             hex.EncodeToString([]byte(value)),
		"HEX":             strings.ToUpper(hex.EncodeToString([]byte(value))),
		"hex in lines":    wrapped(hex.EncodeToString([]byte(value)), 60),
		"base64":          base64.StdEncoding.EncodeToString([]byte(value)),
		"base64 raw":      base64.RawStdEncoding.EncodeToString([]byte(value)),
		"base64 url":      base64.URLEncoding.EncodeToString([]byte(value)),
		"base64 in lines": wrapped(base64.StdEncoding.EncodeToString([]byte(value)), 76),
		"query":           url.QueryEscape(value),
		"path":            url.PathEscape(value),
		"each percent":    percent.String(),
		"each lower":      lower.String(),
		"json":            inside,
		"json slash":      strings.ReplaceAll(inside, "/", `\/`),
		"json unicode":    unicode.String(),
		"quoted":          quoted.String(),
		"ascii":           ascii[1 : len(ascii)-1],
	}
}

func wrapped(s string, n int) string {
	var b strings.Builder
	for len(s) > n {
		b.WriteString(s[:n] + "\n")
		s = s[n:]
	}
	return b.String() + s
}

// TestEveryCut cuts each form of each value at each byte, and writes it byte by
// byte too.
func TestEveryCut(t *testing.T) {
	values := []string{"hunter2-hunter2", pem, `a "quoted" \ C:\new\table <&> 100%25/+ é 漢`, "12345678", "line one here\nline two there"}
	for _, value := range values {
		for name, form := range forms(value) {
			if name == "ascii" && strings.Contains(form, `\U`) {
				continue
			}
			whole := "before>" + form + "<behind"
			for cut := range len(whole) {
				got := through(t, []string{value}, whole[:cut], whole[cut:])
				if !masked(got) {
					t.Fatalf("%s, cut at %d: %q", name, cut, got)
				}
			}
			if got := through(t, []string{value}, strings.Split(whole, "")...); !masked(got) {
				t.Errorf("%s, byte by byte: %q", name, got)
			}
		}
	}
}

// masked reports whether got is what TestEveryCut wrote with one mask in it, and
// behind it at most the newline that ends a value, encoded, or padding.
func masked(got string) bool {
	got, ok := strings.CutPrefix(got, "before>"+mask.Text)
	if !ok {
		return false
	}
	rest, ok := strings.CutSuffix(got, "<behind")
	return ok && len(rest) <= 6 && !strings.Contains(rest, mask.Text)
}

// TestAlignments hides a value in longer encoded texts.
func TestAlignments(t *testing.T) {
	for n := range 7 {
		value := "correct_horse_battery"[:8+n]
		for before := range 5 {
			for after := range 4 {
				text := "user:"[:before] + value + "@example"[:after]
				for _, form := range []string{
					base64.StdEncoding.EncodeToString([]byte(text)),
					base64.RawURLEncoding.EncodeToString([]byte(text)),
					hex.EncodeToString([]byte(text)),
				} {
					got := through(t, []string{value}, form)
					left := strings.Replace(got, mask.Text, "", 1)
					if !strings.Contains(got, mask.Text) || len(left) > 2*before+2*after+4 {
						t.Errorf("%d bytes, %d before, %d behind: %q becomes %q", len(value), before, after, form, got)
					}
				}
			}
		}
	}
}

func TestMask(t *testing.T) {
	for _, tc := range []struct {
		name   string
		values []string
		in     string
		want   string
	}{
		{"nothing to mask", nil, "hunter2-hunter2", "hunter2-hunter2"},
		{"longest match", []string{"password", "password-and-more"}, "password-and-more, password-and", "[REDACTED], [REDACTED]-and"},
		{"overlapping", []string{"abcdefgh", "efghijkl"}, "abcdefghijkl efghijkl", "[REDACTED] [REDACTED]"},
		{"over itself", []string{"abababab"}, "xababababababy", "x[REDACTED]y"},
		{"one in another", []string{"a-long-value-of-one", "value-of"}, "value-of a-long-value-of", "[REDACTED] a-long-[REDACTED]"},
		{"begins anew", []string{"aaaaaaab"}, "aaaaaaaaaab", "aaa[REDACTED]"},
		{"too short", []string{"1234567", "  1234567 \n"}, "1234567", "1234567"},
		{"only white space", []string{strings.Repeat(" \n", 9)}, strings.Repeat(" \n", 20), strings.Repeat(" \n", 20)},
		{"white space around", []string{"\n  hunter2-hunter2\r\n"}, "hunter2-hunter2", "[REDACTED]"},
		{"a line of many", []string{pem}, "log: " + pem[20:84] + "\n", "log: [REDACTED]\n"},
		{"borders of PEM", []string{pem}, "-----BEGIN KEY-----\nother\n", "-----BEGIN KEY-----\nother\n"},
		{"behind a backslash", []string{"new-value-1"}, `C:\new-value-1`, `C:\[REDACTED]`},
		{"behind a percent sign", []string{"abcd-1234"}, `100%abcd-1234`, `100%[REDACTED]`},
		{"with escapes in it", []string{`a%41\n%2541`}, `a%41\n%2541 a%2541%5Cn%252541 a%41\\n%2541`, "[REDACTED] [REDACTED] [REDACTED]"},
		{"half an escape", []string{"é-and-more"}, `\u00e9-and-mor \u00zz %C3%A9-and-more %C3 %`, `\u00e9-and-mor \u00zz [REDACTED] %C3 %`},
		{"surrogates", []string{"key-\U0001F511-key"}, `key-\ud83d\udd11-key \ud83d \ud83d\u0041`, `[REDACTED] \ud83d \ud83d\u0041`},
		{"JSON as Go writes it", []string{"a<b>&c\u2028d"}, `"a\u003cb\u003e\u0026c\u2028d"`, `"[REDACTED]"`},
		{"in a URL in JSON", []string{"p@ss/word&more"}, `https:\/\/u:p%40ss%2Fword%26more@host`, `https:\/\/u:[REDACTED]@host`},
		{"plus and space", []string{"a+b c/d+e"}, "a%2Bb+c%2Fd%2Be a+b%20c%2Fd+e", "[REDACTED] [REDACTED]"},
		{"hex of bytes", []string{"abcdefgh"}, " 61 62 63 64\n 65 66 67 68, 61:62:63:64:65:66:67:68", " [REDACTED], [REDACTED]"},
		{"end of base64", []string{"abcdefgh"}, "YWJjZGVmZ2g= YWJjZGVm\nZ2g= eGFiY2RlZmdoeA", "[REDACTED]= [REDACTED]= eG[REDACTED]eA"},
		{"behind half an escape", []string{"abcdefgh"}, `%%61bcdefgh %6%61bcdefgh \u00\u0061bcdefgh`, `%[REDACTED] %6[REDACTED] \u00[REDACTED]`},
		{"touching", []string{"abcdefgh"}, "abcdefghabcdefgh", "[REDACTED]"},
		{"binary", []string{"abcdefgh"}, "\x00\xff\xfeabcdefgh\x80", "\x00\xff\xfe[REDACTED]\x80"},
	} {
		got := through(t, tc.values, tc.in)
		if got != tc.want {
			t.Errorf("%s: %q; want %q", tc.name, got, tc.want)
		}
		if again := through(t, tc.values, strings.Split(tc.in, "")...); again != got {
			t.Errorf("%s, byte by byte: %q; want %q", tc.name, again, got)
		}
	}
}

func TestTooShort(t *testing.T) {
	for value, want := range map[string]bool{
		"": true, "1234567": true, "12345678": false, " 1234567 ": true, "1\n      7": true, "1234\r\n\r\n5": true, "日本語": false,
	} {
		if got := mask.TooShort(value); got != want {
			t.Errorf("%q is too short: %v; want %v", value, got, want)
		}
	}
}

// alphabet has what escapes, digits and ends of lines are made of, so that half
// of a value comes often.
var alphabet = rapid.SampledFrom([]rune("aAbf019%25\\nurx+/ -_=\r\n\t\"é漢"))

// TestProperties takes out every form of every value, wherever the writes are
// cut, and nothing where there is none.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.StringOfN(alphabet, 1, 24, -1)
		values := rapid.SliceOfN(some, 1, 4).Draw(t, "values")
		var in strings.Builder
		for range rapid.IntRange(1, 6).Draw(t, "pieces") {
			in.WriteString(some.Draw(t, "text"))
			name := rapid.SampledFrom([]string{"plain", "hex", "base64", "query", "path", "json", "quoted", "each percent"}).Draw(t, "form")
			form := forms(rapid.SampledFrom(values).Draw(t, "value"))[name]
			in.WriteString(form[:rapid.IntRange(0, len(form)).Draw(t, "of it")])
			if !slices.Contains([]string{"plain", "hex", "base64"}, name) {
				in.WriteByte('.') // no half escape before it
			}
			if rapid.Bool().Draw(t, "all of it") {
				in.WriteString(form)
			}
		}
		text := in.String()
		got := through(t, values, text)
		for _, value := range values {
			if mask.TooShort(value) {
				continue
			}
			for name, form := range forms(strings.Trim(value, " \t\r\n")) {
				if name != "ascii" && strings.Contains(got, form) {
					t.Errorf("%q is still in %q as %s", value, got, name)
				}
			}
		}
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(text)), 0, 5).Draw(t, "cuts")
		if again := through(t, values, parts(text, cuts)...); again != got {
			t.Errorf("cut at %v: %q; whole: %q", cuts, again, got)
		}
	})
}

// parts cuts s.
func parts(s string, cuts []int) []string {
	var all []string
	at := 0
	for _, cut := range cuts {
		if cut > at {
			all, at = append(all, s[at:cut]), cut
		}
	}
	return append(all, s[at:])
}

// TestOtherText passes on what holds no value.
func TestOtherText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.StringMatching(`[A-Z]{8,20}Z`), 1, 4).Draw(t, "values")
		text := rapid.StringOf(rapid.SampledFrom([]rune("ABC\\ux%+ \r\n\t(){}é"))).Draw(t, "text")
		text = strings.ReplaceAll(text, "Z", "")
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(text)), 0, 5).Draw(t, "cuts")
		if got := through(t, values, parts(text, cuts)...); got != text {
			t.Errorf("%q became %q", text, got)
		}
	})
}

// lockedBuffer is written by a timer, and looked at meanwhile.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *lockedBuffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.Reset()
}

// TestIdle lets a prompt appear that ends like a value begins, and still masks
// what comes of it; the half of a value stays.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		m := mask.New(&out, []string{"swordfish-and-chips", "swordfish"})
		say := func(in, at, later string) {
			t.Helper()
			m.Write([]byte(in))
			if got := out.String(); got != at {
				t.Errorf("after %q: %q; want %q", in, got, at)
			}
			time.Sleep(2 * mask.Idle)
			synctest.Wait()
			if got := out.String(); got != later {
				t.Errorf("a while after %q: %q; want %q", in, got, later)
			}
			out.Reset()
		}
		say("passwords", "password", "passwords")
		say("? ", "? ", "? ")
		say("s", "", "s")
		say("word", "", "")
		say("fish", "[REDACTED]", "[REDACTED]")
		say("-and", "", "")
		say("-more", "-and-more", "-and-more")
		say(`\u00`, ``, `\u00`)
		say("73wordfish", "[REDACTED]", "[REDACTED]")
		say("swordfis", "", "")
		m.Close()
		if got := out.String(); got != "swordfis" {
			t.Errorf("at the end: %q", got)
		}
	})
}

// TestHeld bounds what is held back, whatever comes.
func TestHeld(t *testing.T) {
	var out bytes.Buffer
	m := mask.New(&out, []string{"two lines\nin a value", "deadbeef-deadbeef"})
	for _, begin := range []string{"two lines\n", "ZGVhZGJlZWYt\n"} {
		out.Reset()
		m.Write([]byte(begin))
		white := strings.Repeat(" ", 1<<16)
		m.Write([]byte(white))
		if n := len(begin) + len(white) - out.Len(); n > 0 {
			t.Errorf("behind %q, %d bytes are held back", begin, n)
		}
	}
}

func TestWriteError(t *testing.T) {
	broken, pipe := io.Pipe()
	broken.CloseWithError(io.ErrClosedPipe)
	m := mask.New(pipe, []string{"abcdefgh"})
	if _, err := m.Write([]byte("something")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("writing to a broken pipe: %v", err)
	}
	if err := m.Close(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("closing: %v", err)
	}
}

func FuzzMask(f *testing.F) {
	f.Add("hunter2-hunter2", "x hunter2-hunter2 y", uint(5))
	f.Add(pem, pem, uint(40))
	f.Add("a\\u00e9%41+b", `a\\u00e9%41+b a%5Cu00e9%2541%2Bb`, uint(9))
	f.Add("abcdefgh", "YWJjZGVmZ2g= 6162636465666768", uint(3))
	f.Fuzz(func(t *testing.T, value, text string, cut uint) {
		got := through(t, []string{value}, text)
		if !mask.TooShort(value) && strings.Contains(got, strings.Trim(value, " \t\r\n")) && !strings.Contains(mask.Text, strings.Trim(value, " \t\r\n")) {
			t.Errorf("%q is still in %q", value, got)
		}
		at := int(cut % uint(len(text)+1))
		if again := through(t, []string{value}, text[:at], text[at:]); again != got {
			t.Errorf("cut at %d: %q; whole: %q", at, again, got)
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	values := []string{pem}
	for i := range 10 {
		values = append(values, fmt.Sprintf("%x", i*7919)+"sk-proj-8f3a91b2c7d4e5f60718293a4b5c6d7e")
	}
	line := "2026-02-03T10:11:12Z INFO  server: request done method=GET path=/v1/things/42 status=200 took=12ms\n"
	for name, in := range map[string]string{
		"log":    strings.Repeat(line, 300),
		"json":   strings.Repeat(`{"level":"info","msg":"line\n\"two\" \u00e9","url":"https:\/\/x\/a%20b"}`+"\n", 400),
		"base64": wrapped(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(line, 200))), 76),
		"values": strings.Repeat(values[3]+" "+line, 150),
	} {
		b.Run(name, func(b *testing.B) {
			m := mask.New(io.Discard, values)
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				m.Write([]byte(in))
			}
		})
	}
	b.Run("prepare", func(b *testing.B) {
		for b.Loop() {
			mask.New(io.Discard, values).Write([]byte("x"))
		}
	})
}
