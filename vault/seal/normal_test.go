package seal

import (
	"bytes"
	"errors"
	"testing"
	"unicode/utf8"
)

// FuzzNewPassphrase looks at the bytes, which no caller can: what was taken is
// within the bounds and stays the same when it is typed as it was kept.
func FuzzNewPassphrase(f *testing.F) {
	for _, text := range []string{
		"correct horse battery staple", "Ka\u0308se mit Lo\u0308chern", "\u1112\u1161\u11ab\u1100\u1173\u11af한글한글한글",
		"correct\u00a0horse\u3000battery", "q\u0307\u0323\u0958\u2126 and more", "short", "\xff\xfe", "line\nline\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := NewPassphrase(bytes.Clone(text))
		if err != nil {
			if !errors.Is(err, ErrPassphrase) {
				t.Fatalf("not an ErrPassphrase: %v", err)
			}
			return
		}
		once, err := p.bytes()
		if err != nil || len(once) > maxPassphrase || utf8.RuneCount(once) < minPassphrase || !utf8.Valid(once) {
			t.Fatalf("%+q taken as %+q, %v", text, once, err)
		}
		again, err := NewPassphrase(bytes.Clone(once))
		if err != nil {
			t.Fatalf("%+q is not taken as it is kept, %+q: %v", text, once, err)
		}
		if twice, err := again.bytes(); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%+q is kept as %+q and then as %+q, %v", text, once, twice, err)
		}
	})
}
