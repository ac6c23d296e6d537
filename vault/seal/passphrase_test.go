package seal_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/seal"
)

func TestPassphrases(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		ok         bool
	}{
		{"8 characters", "12345678", true},
		{"7 characters", "1234567", false},
		{"8 characters of 2 bytes", "äöüßéèçå", true},
		{"7 characters of 2 bytes", "äöüßéèç", false},
		{"4 letters and 4 accents that join them", "a\u0308o\u0308u\u0308e\u0301", false},
		{"1024 bytes", strings.Repeat("p", 1024), true},
		{"1025 bytes", strings.Repeat("p", 1025), false},
		{"1024 bytes typed in 1536", strings.Repeat("a\u0308", 512), true},
		{"1026 bytes typed in 1539", strings.Repeat("a\u0308", 513), false},
		{"far too long", strings.Repeat("p", 1<<20), false},
		{"none", "", false},
		{"words", "correct horse battery staple", true},
		{"a newline after it", "correct horse\n", false},
		{"a zero", "correct\x00horse", false},
		{"not UTF-8", "correct horse\xff", false},
		{"a surrogate", "correct horse\xed\xa0\x80", false},
		{"not assigned", "correct horse\U000e0fff", false},
		{"a jamo that Hangul no longer uses", "correct horse\u1100", false},
		{"an emoji", "correct horse 🐎", true},
	} {
		text := []byte(tc.text)
		_, err := seal.NewPassphrase(text)
		switch {
		case (err == nil) != tc.ok || !tc.ok && !errors.Is(err, seal.ErrPassphrase):
			t.Errorf("%s: %v", tc.name, err)
		case err != nil && tc.text != "" && strings.Contains(err.Error(), tc.text[:min(7, len(tc.text))]):
			t.Errorf("%s: the message quotes it: %v", tc.name, err)
		}
		if !bytes.Equal(text, make([]byte, len(text))) {
			t.Errorf("%s: the text was left behind", tc.name)
		}
	}
}

func TestNoPassphraseIsTooShort(t *testing.T) {
	if _, err := seal.NewPassphrase(nil); err == nil || !strings.Contains(err.Error(), "fewer than 8 characters") {
		t.Error(err)
	}
}

func TestPassphraseSpellings(t *testing.T) {
	outer := outerOf(t, seal.NewRootKey())
	for _, tc := range []struct{ name, set, typed string }{
		{"composed, decomposed", "Käse mit Löchern", "Ka\u0308se mit Lo\u0308chern"},
		{"Hangul, its letters", "한글한글한글한글", "\u1112\u1161\u11ab\u1100\u1173\u11af한글한글한글"},
		{"two accents in another order", "q\u0323\u0307 and more", "q\u0307\u0323 and more"},
		{"another kind of space", "correct\u00a0horse\u3000battery", "correct horse battery"},
	} {
		w, err := seal.WrapUnderPassphrase(outer, tenantA, apkA, owner, pass(t, tc.set), cheap, []byte(inside))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Unwrap(outer, tenantA, apkA, owner, pass(t, tc.typed)); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestGeneratedPassphrase(t *testing.T) {
	outer := outerOf(t, seal.NewRootKey())
	seen := map[string]bool{}
	for range 64 {
		_, text := seal.GeneratePassphrase()
		if !regexp.MustCompile(`^([a-z2-7]{4}-){6}[a-z2-7]{4}$`).MatchString(text) {
			t.Fatalf("generated %q", text)
		}
		for group := range strings.SplitSeq(text, "-") {
			if seen[group+text[:9]] {
				t.Error("the same twice")
			}
			seen[group+text[:9]] = true
		}
	}
	p, text := seal.GeneratePassphrase()
	w, err := seal.WrapUnderPassphrase(outer, tenantA, apkA, owner, p, cheap, []byte(inside))
	if err != nil {
		t.Fatal(err)
	}
	p.Wipe()
	wantUnwrapped(t, w, outer, pass(t, text))
}

func TestPassphraseDoesNotPrint(t *testing.T) {
	raw := []byte("PASSPHRASE-THAT-MUST-NOT-LEAK")
	p := pass(t, string(raw))
	type holder struct {
		p   seal.Passphrase
		ptr *seal.Passphrase
		any any
	}
	outer := holder{p, &p, p}
	for _, v := range []any{p, &p, outer, &outer, []any{p}, map[string]any{"p": p}, fmt.Errorf("x: %v", p)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o"} {
			noLeak(t, fmt.Sprintf("%T as %s", v, verb), fmt.Sprintf(verb, v), raw)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
		noLeak(t, fmt.Sprintf("%T in slog", v), log.String(), raw)
	}
	for _, v := range []any{p, &p} {
		logsRedacted(t, v)
		if got := fmt.Sprintf("%v %s %#v %d", v, v, v, v); got != strings.Repeat(" [REDACTED]", 4)[1:] {
			t.Errorf("%T prints as %s", v, got)
		}
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("%T as JSON: %s", v, b)
		}
		if err := gob.NewEncoder(new(bytes.Buffer)).Encode(v); err == nil {
			t.Errorf("%T as gob", v)
		}
	}
	if reflect.TypeFor[seal.Passphrase]().Comparable() {
		t.Error("passphrases can be compared with ==")
	}
}
