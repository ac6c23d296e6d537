package envelope_test

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/vault/envelope"
)

const kekE = "kek_eeeeeeeeeeeeeeeeeeeeeeeeee"

func mustRewrap(t interface {
	Helper()
	Fatal(...any)
}, k *envelope.Keyring, p envelope.Place, b []byte, from *envelope.Keyring) []byte {
	t.Helper()
	out, err := k.Rewrap(p, b, from)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRewrap: whatever keyrings a value wanders through, the last one alone opens it, its
// ciphertext and so its digest stay, and back where it was sealed the wrap is as short as
// it was.
func TestRewrap(t *testing.T) {
	rings := []*envelope.Keyring{newKeyring(t, kekC), newKeyring(t, kekD), newKeyring(t, kekE)}
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.IntRange(0, 2).Draw(t, "first")
		value := rapid.StringN(0, 100, 400).Draw(t, "value")
		metadata := rapid.StringN(0, 20, 80).Draw(t, "metadata")
		born, err := rings[first].Seal(here, payload(value, metadata))
		if err != nil {
			t.Fatal(err)
		}
		b, at := born, first
		for _, to := range rapid.SliceOfN(rapid.IntRange(0, 2), 1, 5).Draw(t, "to") {
			b, at = mustRewrap(t, rings[to], here, b, rings[at]), to
		}
		if !bytes.Equal(split(b).ciphertext, split(born).ciphertext) {
			t.Fatal("the ciphertext changed")
		}
		if short := len(split(b).wrapped) == len(split(born).wrapped); short != (at == first) {
			t.Fatalf("sealed by %d, wrapped by %d: the wrap has %d bytes", first, at, len(split(b).wrapped))
		}
		for i, k := range rings {
			got, err := k.Open(here, b)
			if i != at {
				if err != envelope.ErrDecrypt {
					t.Fatalf("wrapped by %d, %d opens it: %v", at, i, err)
				}
				continue
			}
			if err != nil || string(got.Value.Reveal()) != value || string(got.Metadata) != metadata {
				t.Fatalf("it opens as another payload: %v", err)
			}
		}
	})
}

// TestRewrappedIsBound: a value with a wrap made anew is bound as any other.
func TestRewrappedIsBound(t *testing.T) {
	from, to := newKeyring(t, kekC), newKeyring(t, kekD)
	b := mustRewrap(t, to, here, mustSeal(t, from, here, payload("v", "{}")), from)
	wantPayload(t, to, here, b, "v", "{}")
	for i := range b {
		for bit := range 8 {
			bad := bytes.Clone(b)
			bad[i] ^= 1 << bit
			if _, err := to.Open(here, bad); err != envelope.ErrDecrypt {
				t.Fatalf("byte %d, bit %d flipped: %v", i, bit, err)
			}
		}
	}
	next := here
	next.Version++
	other := split(mustRewrap(t, to, next, mustSeal(t, from, next, payload("w", "")), from))
	own := split(mustSeal(t, to, here, payload("x", "")))
	mine := split(b)
	for name, p := range map[string]parts{
		"moved":                        other,
		"another place's wrap":         {mine.id, other.wrapped, mine.ciphertext},
		"another place's ciphertext":   {mine.id, mine.wrapped, other.ciphertext},
		"the wrap of a value of its":   {mine.id, own.wrapped, mine.ciphertext},
		"a ciphertext of its":          {mine.id, mine.wrapped, own.ciphertext},
		"the id of the one it is from": {[]byte(kekC), mine.wrapped, mine.ciphertext},
	} {
		if _, err := to.Open(here, join(p)); err != envelope.ErrDecrypt {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRewrapRefuses(t *testing.T) {
	from, to, apk := newKeyring(t, kekC), newKeyring(t, kekD), newApprovalKey(t, apkC)
	good := mustSeal(t, from, here, payload("v", ""))
	other := here
	other.Path += "x"
	foreign := split(mustSeal(t, newKeyring(t, kekC), here, payload("v", "")))
	for name, tc := range map[string]struct {
		at envelope.Place
		b  []byte
	}{
		"another place":             {other, good},
		"no place":                  {envelope.Place{}, good},
		"of another keyring":        {here, mustSeal(t, to, here, payload("v", ""))},
		"of a keyring with its id":  {here, join(foreign)},
		"sealed to an approval key": {here, mustSeal(t, apk.Recipient(), here, payload("v", ""))},
		"nothing":                   {here, nil},
		"cut":                       {here, good[:40]},
	} {
		if out, err := to.Rewrap(tc.at, tc.b, from); !errors.Is(err, envelope.ErrDecrypt) || out != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWrapHasOneSpelling: 32 bytes, or 32 and the id of another keyring, and nothing else.
func TestWrapHasOneSpelling(t *testing.T) {
	k := newKeyring(t, kekC)
	b := mustSeal(t, k, here, payload("v", ""))
	with := func(tail string) func([]byte) []byte {
		return func(dek []byte) []byte { return append(bytes.Clone(dek), tail...) }
	}
	for name, content := range map[string]func([]byte) []byte{
		"its own id":       with(kekC),
		"an approval key":  with(apkC),
		"a byte more":      with("\x00"),
		"a cut id":         with(kekD[:29]),
		"an id and a byte": with(kekD + "d"),
		"31 bytes":         func(dek []byte) []byte { return dek[:31] },
		"nothing":          func([]byte) []byte { return nil },
	} {
		bad, err := k.WithWrap(here, b, content)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Open(here, bad); err != envelope.ErrDecrypt {
			t.Errorf("%s: it opens: %v", name, err)
		}
		if _, err := newKeyring(t, kekD).Rewrap(here, bad, k); err != envelope.ErrDecrypt {
			t.Errorf("%s: it is wrapped anew: %v", name, err)
		}
	}
	same, err := k.WithWrap(here, b, with(""))
	if err != nil {
		t.Fatal(err)
	}
	wantPayload(t, k, here, same, "v", "")
}
