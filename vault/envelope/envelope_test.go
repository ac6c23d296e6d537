package envelope_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/envelope"
	"github.com/agent-secret-store/assd/vault/seal"
)

const (
	tenant = "ten_aaaaaaaaaaaaaaaaaaaaaaaaaa"
	kekC   = "kek_cccccccccccccccccccccccccc"
	kekD   = "kek_dddddddddddddddddddddddddd"
)

var here = envelope.Place{
	Tenant:   tenant,
	SecretID: "sec_dddddddddddddddddddddddddd",
	Path:     "production/openai/API_KEY",
	Version:  7,
}

func newKeyring(t testing.TB, id string) *envelope.Keyring {
	t.Helper()
	k, err := envelope.NewKeyring(id)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func payload(value, metadata string) envelope.Payload {
	p := envelope.Payload{Value: envelope.NewPlaintext([]byte(value))}
	if metadata != "" {
		p.Metadata = []byte(metadata)
	}
	return p
}

type sealer interface {
	Seal(envelope.Place, envelope.Payload) ([]byte, error)
}

type opener interface {
	Open(envelope.Place, []byte) (envelope.Payload, error)
}

// pair is the two sides of a keyset of either kind, with another keyset's id.
type pair struct {
	sealer
	opener
	id, other string
}

// eitherKind runs test with a keyring and with an approval key.
func eitherKind(t *testing.T, test func(t *testing.T, k pair)) {
	keyring, key := newKeyring(t, kekC), newApprovalKey(t, apkC)
	t.Run("keyring", func(t *testing.T) { test(t, pair{keyring, keyring, kekC, kekD}) })
	t.Run("approval key", func(t *testing.T) { test(t, pair{key.Recipient(), key, apkC, apkD}) })
}

func mustSeal(t testing.TB, k sealer, p envelope.Place, pay envelope.Payload) []byte {
	t.Helper()
	b, err := k.Seal(p, pay)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wantPayload opens b at p and compares.
func wantPayload(t testing.TB, k opener, p envelope.Place, b []byte, value, metadata string) {
	t.Helper()
	got, err := k.Open(p, b)
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Value.Reveal()) != value || string(got.Metadata) != metadata {
		t.Errorf("opened another payload than was sealed")
	}
}

func TestSealAndOpen(t *testing.T) {
	eitherKind(t, func(t *testing.T, k pair) {
		for _, tc := range []struct{ value, metadata string }{
			{"sk-123", `{"team":"ml"}`},
			{"sk-123", ""},
			{"", `{"team":"ml"}`},
			{"", ""},
			{"\x00\x00\x00\x05null\x00", "{}"},
			{strings.Repeat("v", envelope.MaxValue), strings.Repeat("m", envelope.MaxMetadata)},
		} {
			b := mustSeal(t, k, here, payload(tc.value, tc.metadata))
			wantPayload(t, k, here, b, tc.value, tc.metadata)
		}
	})
}

func TestSealedValueOpensAtItsPlaceOnly(t *testing.T) {
	eitherKind(t, func(t *testing.T, k pair) {
		b := mustSeal(t, k, here, payload("v", ""))
		for name, change := range map[string]func(*envelope.Place){
			"tenant":         func(p *envelope.Place) { p.Tenant = "ten_bbbbbbbbbbbbbbbbbbbbbbbbbb" },
			"secret id":      func(p *envelope.Place) { p.SecretID = "sec_eeeeeeeeeeeeeeeeeeeeeeeeee" },
			"path":           func(p *envelope.Place) { p.Path = "production/openai/API_KEZ" },
			"older version":  func(p *envelope.Place) { p.Version-- },
			"newer version":  func(p *envelope.Place) { p.Version++ },
			"high byte":      func(p *envelope.Place) { p.Version |= 1 << 56 },
			"no tenant":      func(p *envelope.Place) { p.Tenant = "" },
			"no secret id":   func(p *envelope.Place) { p.SecretID = "" },
			"no path":        func(p *envelope.Place) { p.Path = "" },
			"no version":     func(p *envelope.Place) { p.Version = 0 },
			"path too long":  func(p *envelope.Place) { p.Path += strings.Repeat("x", 1<<16) },
			"letter slides":  func(p *envelope.Place) { p.SecretID += "p"; p.Path = p.Path[1:] },
			"id slides left": func(p *envelope.Place) { p.Tenant += "s"; p.SecretID = p.SecretID[1:] },
		} {
			p := here
			change(&p)
			if _, err := k.Open(p, b); !errors.Is(err, envelope.ErrDecrypt) {
				t.Errorf("%s changed: %v", name, err)
			}
		}
		wantPayload(t, k, here, b, "v", "")
	})
}

func TestChangedSealedValueDoesNotOpen(t *testing.T) {
	eitherKind(t, func(t *testing.T, k pair) {
		b := mustSeal(t, k, here, payload("v", "{}"))
		for i := range b {
			for bit := range 8 {
				bad := bytes.Clone(b)
				bad[i] ^= 1 << bit
				if _, err := k.Open(here, bad); err != envelope.ErrDecrypt {
					t.Errorf("byte %d, bit %d flipped: %v", i, bit, err)
				}
			}
			if _, err := k.Open(here, b[:i]); err != envelope.ErrDecrypt {
				t.Errorf("cut to %d bytes: %v", i, err)
			}
			if _, err := k.Open(here, append(bytes.Clone(b), 0)); err != envelope.ErrDecrypt {
				t.Errorf("a byte longer: %v", err)
			}
		}
	})
}

// parts of a sealed value, for tests that put them together differently.
type parts struct{ id, wrapped, ciphertext []byte }

func split(b []byte) parts {
	n := binary.BigEndian.Uint16(b)
	id, rest := b[2:2+n], b[2+n:]
	n = binary.BigEndian.Uint16(rest)
	return parts{id, rest[2 : 2+n], rest[2+n:]}
}

func join(p parts) []byte {
	var out []byte
	for _, f := range [][]byte{p.id, p.wrapped} {
		out = binary.BigEndian.AppendUint16(out, uint16(len(f)))
		out = append(out, f...)
	}
	return append(out, p.ciphertext...)
}

func TestPartsDoNotMix(t *testing.T) {
	eitherKind(t, func(t *testing.T, k pair) {
		a := split(mustSeal(t, k, here, payload("a", "")))
		b := split(mustSeal(t, k, here, payload("b", "")))
		if _, err := k.Open(here, join(a)); err != nil {
			t.Fatal("join is not the inverse of split: ", err)
		}
		for name, p := range map[string]parts{
			"another's wrapped DEK":        {a.id, b.wrapped, a.ciphertext},
			"ciphertext as wrapped DEK":    {a.id, a.ciphertext, a.ciphertext},
			"wrapped DEK as ciphertext":    {a.id, a.wrapped, a.wrapped},
			"another keyset's id":          {[]byte(k.other), a.wrapped, a.ciphertext},
			"wrapped DEK without prefix":   {a.id, a.wrapped[5:], a.ciphertext},
			"ciphertext with Tink's start": {a.id, a.wrapped, append(bytes.Clone(a.wrapped[:5]), a.ciphertext...)},
		} {
			if _, err := k.Open(here, join(p)); !errors.Is(err, envelope.ErrDecrypt) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestEverySealIsFresh(t *testing.T) {
	k := newKeyring(t, kekC)
	seen := map[string]bool{}
	fresh := func(what string, b []byte) {
		t.Helper()
		if seen[string(b)] {
			t.Errorf("%s came twice", what)
		}
		seen[string(b)] = true
	}
	for range 64 {
		p := split(mustSeal(t, k, here, payload("same", "{}")))
		fresh("nonce of the DEK", p.wrapped[5:17]) // behind Tink's prefix
		fresh("wrapped DEK", p.wrapped[17:49])
		fresh("nonce of the value", p.ciphertext[:12])
		fresh("ciphertext", p.ciphertext[12:])
	}
}

func TestSealRefuses(t *testing.T) {
	eitherKind(t, func(t *testing.T, k pair) {
		for name, pay := range map[string]envelope.Payload{
			"value too long":    payload(strings.Repeat("v", envelope.MaxValue+1), ""),
			"metadata too long": payload("", strings.Repeat("m", envelope.MaxMetadata+1)),
		} {
			if _, err := k.Seal(here, pay); err == nil {
				t.Errorf("%s: sealed", name)
			}
		}
		for name, p := range map[string]envelope.Place{
			"no place":      {},
			"no tenant":     {SecretID: "s", Path: "p", Version: 1},
			"no secret id":  {Tenant: "t", Path: "p", Version: 1},
			"no path":       {Tenant: "t", SecretID: "s", Version: 1},
			"no version":    {Tenant: "t", SecretID: "s", Path: "p"},
			"path too long": {Tenant: "t", SecretID: "s", Path: strings.Repeat("p", 1<<16), Version: 1},
		} {
			if _, err := k.Seal(p, payload("v", "")); err == nil {
				t.Errorf("%s: sealed", name)
			}
		}
	})
}

func TestSealLeavesThePayloadAlone(t *testing.T) {
	pay := payload("value", "{}")
	mustSeal(t, newKeyring(t, kekC), here, pay)
	if string(pay.Value.Reveal()) != "value" || string(pay.Metadata) != "{}" {
		t.Error("payload changed")
	}
}

func TestDigest(t *testing.T) {
	eitherKind(t, func(t *testing.T, k pair) {
		b := mustSeal(t, k, here, payload("v", ""))
		digest, err := envelope.Digest(b)
		if err != nil {
			t.Fatal(err)
		}
		if len(digest) != 22 {
			t.Errorf("%q is not 16 bytes in base64url", digest)
		}
		p := split(b)
		for i := range p.ciphertext {
			q := p
			q.ciphertext = bytes.Clone(p.ciphertext)
			q.ciphertext[i] ^= 1
			if got, err := envelope.Digest(join(q)); err != nil || got == digest {
				t.Errorf("byte %d of the ciphertext changed: %q, %v", i, got, err)
			}
		}
		rewrapped := parts{[]byte(k.other), []byte("another wrap"), p.ciphertext}
		if got, err := envelope.Digest(join(rewrapped)); err != nil || got != digest {
			t.Errorf("after a new wrap %q, %v", got, err)
		}
	})
}

// TestSealedNamesItsKeyset: the id says under which keyset a value opens.
func TestSealedNamesItsKeyset(t *testing.T) {
	eitherKind(t, func(t *testing.T, k pair) {
		b := mustSeal(t, k, here, payload("v", ""))
		if p := split(b); string(p.id) != k.id {
			t.Errorf("it names %q", p.id)
		}
		if id, err := envelope.SealedBy(b); err != nil || id != k.id {
			t.Errorf("sealed by %q, %v", id, err)
		}
	})
}

func TestMalformedSealedValues(t *testing.T) {
	good := split(mustSeal(t, newKeyring(t, kekC), here, payload("v", "")))
	long := make([]byte, 12+4+envelope.MaxValue+envelope.MaxMetadata+16+1)
	for name, b := range map[string][]byte{
		"nil":                  nil,
		"zeros":                make([]byte, 64),
		"id in capitals":       join(parts{[]byte(strings.ToUpper(kekC)), good.wrapped, good.ciphertext}),
		"id too short":         join(parts{[]byte(kekC[:29]), good.wrapped, good.ciphertext}),
		"id too long":          join(parts{[]byte(kekC + "c"), good.wrapped, good.ciphertext}),
		"id of another kind":   join(parts{[]byte("key" + kekC[3:]), good.wrapped, good.ciphertext}),
		"apk in capitals":      join(parts{[]byte(strings.ToUpper(apkC)), good.wrapped, good.ciphertext}),
		"apk too short":        join(parts{[]byte(apkC[:29]), good.wrapped, good.ciphertext}),
		"apk and kek":          join(parts{[]byte("apk_" + kekC), good.wrapped, good.ciphertext}),
		"no wrapped DEK":       join(parts{good.id, nil, good.ciphertext}),
		"wrapped DEK too long": join(parts{good.id, make([]byte, 513), good.ciphertext}),
		"no ciphertext":        join(parts{good.id, good.wrapped, nil}),
		"ciphertext too short": join(parts{good.id, good.wrapped, make([]byte, 31)}),
		"ciphertext too long":  join(parts{good.id, good.wrapped, long}),
		"length past the end":  {0xff, 0xff, 1, 2, 3},
	} {
		if _, err := envelope.Digest(b); !errors.Is(err, envelope.ErrMalformed) {
			t.Errorf("%s: Digest: %v", name, err)
		}
		if id, err := envelope.SealedBy(b); !errors.Is(err, envelope.ErrMalformed) || id != "" {
			t.Errorf("%s: SealedBy: %q, %v", name, id, err)
		}
	}
	if _, err := envelope.Digest(join(parts{good.id, make([]byte, 512), long[1:]})); err != nil {
		t.Errorf("the longest: %v", err)
	}
}

// goldenRoot opens the root key of testdata/v1.
func goldenRoot(t testing.TB) *seal.RootKey {
	t.Helper()
	path := filepath.Join(t.TempDir(), "root.key") // a checkout does not keep 0600
	if err := os.WriteFile(path, golden(t, "root.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := seal.ReadKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	slot, err := seal.ParseSlot(golden(t, "slot.json"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := slot.Unlock(tenant, key)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/v1", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestGolden opens what the first version wrote. testdata/v1 is never made
// anew: a vault out there has these bytes.
func TestGolden(t *testing.T) {
	k, err := envelope.OpenKeyring(goldenRoot(t), tenant, kekC, golden(t, "keyring.sealed"))
	if err != nil {
		t.Fatal(err)
	}
	b := golden(t, "value.sealed")
	wantPayload(t, k, here, b, "a value sealed for the golden test", `{"team":"ml"}`)
	if got, err := envelope.Digest(b); err != nil || got != "kMDyZ-KpcoJx2Vt9ZzlJnw" {
		t.Errorf("digest %q, %v", got, err)
	}
}

func FuzzSealed(f *testing.F) {
	root := goldenRoot(f)
	k, err := envelope.OpenKeyring(root, tenant, kekC, golden(f, "keyring.sealed"))
	if err != nil {
		f.Fatal(err)
	}
	key := goldenApprovalKey(f)
	good, approved := golden(f, "value.sealed"), golden(f, "approval-value.sealed")
	f.Add(good)
	f.Add(approved)
	f.Add(append([]byte("\x00\x1e"+kekC), approved[32:]...))
	f.Add(good[:40])
	f.Add(join(parts{[]byte(kekD), make([]byte, 65), make([]byte, 32)}))
	f.Add([]byte{})
	next := newKeyring(f, kekD)
	rewrapped, err := next.Rewrap(here, good, k)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(rewrapped)
	f.Add(join(parts{[]byte(kekD), split(rewrapped).wrapped, split(approved).ciphertext}))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, errOpen := k.Open(here, b)
		if errOpen == nil != bytes.Equal(b, good) {
			t.Fatalf("Open of %x: %v", b, errOpen)
		}
		if _, err := key.Open(here, b); err == nil != bytes.Equal(b, approved) {
			t.Fatalf("the approval key's Open of %x: %v", b, err)
		}
		if _, err := next.Open(here, b); err == nil != bytes.Equal(b, rewrapped) {
			t.Fatalf("the next keyring's Open of %x: %v", b, err)
		}
		if again, err := next.Rewrap(here, b, k); err == nil && !bytes.Equal(split(again).ciphertext, split(b).ciphertext) ||
			err != nil && bytes.Equal(b, good) {
			t.Fatalf("Rewrap of %x: %v", b, err)
		}
		_, errDigest := envelope.Digest(b)
		id, err := envelope.SealedBy(b)
		if (err == nil) != (errDigest == nil) {
			t.Fatalf("%x: Digest says %v, SealedBy %v", b, errDigest, err)
		}
		if err != nil {
			return
		}
		if id != string(split(b).id) {
			t.Fatalf("%x is sealed by %q", b, id)
		}
		if !bytes.Equal(join(split(b)), b) {
			t.Fatalf("%x is not the one spelling of its parts", b)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	k, pay := newKeyring(b, kekC), payload(strings.Repeat("v", 64), "")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Seal(here, pay); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	k := newKeyring(b, kekC)
	for _, size := range []int{64, 4 << 10, envelope.MaxValue} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			blob := mustSeal(b, k, here, payload(strings.Repeat("v", size), ""))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.Open(here, blob); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
