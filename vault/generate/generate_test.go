package generate_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/crypto/ssh"
	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/vault/generate"
)

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// parse reads a recipe as it stands in a file.
func parse(t fataler, recipe string) (generate.Recipe, error) {
	t.Helper()
	var file map[string]any
	if err := toml.Unmarshal([]byte("generate = "+recipe), &file); err != nil {
		t.Fatalf("%s: %v", recipe, err)
	}
	return generate.Parse(file["generate"])
}

func value(t fataler, recipe string) string {
	t.Helper()
	r, err := parse(t, recipe)
	if err != nil {
		t.Fatalf("%s: %v", recipe, err)
	}
	b, err := r.Make()
	if err != nil {
		t.Fatalf("%s: %v", recipe, err)
	}
	return string(b)
}

var alphabets = map[string]string{
	"alnum": `[A-Za-z0-9]`, "alpha": `[A-Za-z]`, "digits": `[0-9]`, "hex": `[0-9a-f]`,
	"base64url": `[A-Za-z0-9_-]`, "ascii": `[!-~]`,
}

// TestText: whatever the length and the alphabet, that many of just those.
func TestText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.IntRange(4, 4096).Draw(t, "length")
		name := rapid.SampledFrom(slices.Sorted(maps.Keys(alphabets))).Draw(t, "charset")
		got := value(t, "{ length = "+strconv.Itoa(length)+`, charset = "`+name+`" }`)
		if len(got) != length || !regexp.MustCompile("^"+alphabets[name]+"+$").MatchString(got) {
			t.Fatalf("%s of %d: %q", name, length, got)
		}
	})
}

// TestFair: each character comes about as often as any other. For the chi square of
// a fair source to be beyond the bound is less likely than one in a million.
func TestFair(t *testing.T) {
	for charset, bound := range map[string]float64{
		`charset = "alnum"`: 130, `charset = "digits"`: 45, `charset = "ascii"`: 175, `chars = "abc"`: 30,
	} {
		count := map[rune]float64{}
		n := 0.0
		for range 30 {
			for _, c := range value(t, "{ length = 4096, "+charset+" }") {
				count[c]++
				n++
			}
		}
		chi, want := 0.0, n/float64(len(count))
		for _, c := range count {
			chi += (c - want) * (c - want) / want
		}
		if chi > bound {
			t.Errorf("%s: chi square %.1f over %d characters", charset, chi, len(count))
		}
	}
}

func TestFormats(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		u := value(t, `{ format = "uuid" }`)
		if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(u) || seen[u] {
			t.Fatalf("uuid %q", u)
		}
		seen[u] = true
	}
	if b, err := hex.DecodeString(value(t, `{ format = "hex", length = 20 }`)); err != nil || len(b) != 20 {
		t.Errorf("hex: %d bytes, %v", len(b), err)
	}
	if b, err := base64.StdEncoding.DecodeString(value(t, `{ format = "base64" }`)); err != nil || len(b) != 32 {
		t.Errorf("base64: %d bytes, %v", len(b), err)
	}
	if s := value(t, `{}`); len(s) != 32 {
		t.Errorf("without anything it is %d characters", len(s))
	}
}

// TestKeys: ssh reads them, and they are of the kind asked for.
func TestKeys(t *testing.T) {
	for recipe, check := range map[string]func(any) bool{
		`{ key = "ed25519" }`: func(k any) bool { _, ok := k.(*ed25519.PrivateKey); return ok },
		`{ key = "rsa" }`:     func(k any) bool { r, ok := k.(*rsa.PrivateKey); return ok && r.N.BitLen() == 3072 },
	} {
		text := value(t, recipe)
		if !strings.HasPrefix(text, "-----BEGIN OPENSSH PRIVATE KEY-----\n") || !strings.HasSuffix(text, "-----END OPENSSH PRIVATE KEY-----\n") {
			t.Errorf("%s is no file of ssh's", recipe)
		}
		k, err := ssh.ParseRawPrivateKey([]byte(text))
		if err != nil || !check(k) {
			t.Errorf("%s: %T, %v", recipe, k, err)
		}
		if recipe == `{ key = "ed25519" }` && value(t, recipe) == text {
			t.Error("the same key twice")
		}
	}
}

// TestStrict: what is no recipe is refused, by name.
func TestStrict(t *testing.T) {
	for recipe, want := range map[string]string{
		`"alnum"`:                                  "it is a table",
		`[]`:                                       "it is a table",
		`{ lenght = 3 }`:                           `it has no "lenght"; it has bits, chars, charset`,
		`{ length = 3 }`:                           "length is a whole number from 4 to 4096",
		`{ length = 4097 }`:                        "length is a whole number from 4 to 4096",
		`{ length = "32" }`:                        "length is a whole number",
		`{ length = 32.0 }`:                        "length is a whole number",
		`{ charset = "letters" }`:                  "charset is one of alnum, alpha, ascii, base64url, digits, hex",
		`{ charset = 3 }`:                          "charset is one of",
		`{ charset = "hex", chars = "ab" }`:        "charset does not go with the rest",
		`{ chars = "a" }`:                          "at least two different",
		`{ chars = "abca" }`:                       `chars has 'a' twice`,
		`{ chars = "ab c" }`:                       "no blank",
		`{ chars = "abé" }`:                        "printable ASCII",
		`{ chars = 1 }`:                            "at least two different",
		`{ format = "uuid4" }`:                     "format is one of uuid, hex, base64",
		`{ format = "uuid", length = 32 }`:         "length does not go with the rest",
		`{ format = "hex", charset = "hex" }`:      "charset does not go with the rest",
		`{ format = "hex", key = "rsa" }`:          "key does not go with the rest",
		`{ key = "dsa" }`:                          "key is one of ed25519, rsa",
		`{ key = "rsa", bits = 2048 }`:             "bits is a whole number from 3072 to 4096",
		`{ key = "rsa", bits = 3073 }`:             "bits is 3072 or 4096",
		`{ key = "ed25519", bits = 4096 }`:         "bits does not go with the rest",
		`{ length = 32, charset = "hex", x = {} }`: `it has no "x"`,
		`{ length = 32, charset = ["hex"] }`:       "charset is one of",
		`{ length = 9223372036854775807 }`:         "length is a whole number",
		`{ length = 99, format = ["hex"] }`:        "format is one of",
	} {
		if _, err := parse(t, recipe); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", recipe, err, want)
		}
	}
}

// TestZero: a recipe that was not parsed makes nothing.
func TestZero(t *testing.T) {
	if b, err := (generate.Recipe{}).Make(); err == nil || b != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// FuzzParse: a recipe that is taken makes a value.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{ length = 32, charset = "alnum" }`, `{ format = "uuid" }`, `{ format = "base64", length = 5 }`, `{ chars = "ab" }`, `{ key = "ed25519" }`, `{ bits = 1 }`, `3`} {
		f.Add([]byte("generate = " + s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var file map[string]any
		if toml.Unmarshal(text, &file) != nil {
			t.Skip()
		}
		r, err := generate.Parse(file["generate"])
		if err != nil || r.Slow() {
			return
		}
		if b, err := r.Make(); err != nil || len(bytes.TrimSpace(b)) < 4 {
			t.Errorf("%q: %d bytes, %v", text, len(b), err)
		}
	})
}
