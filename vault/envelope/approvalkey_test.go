package envelope_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/hybrid"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"

	"github.com/agent-secret-store/assd/vault/envelope"
	"github.com/agent-secret-store/assd/vault/seal"
)

const (
	apkC = "apk_cccccccccccccccccccccccccc"
	apkD = "apk_dddddddddddddddddddddddddd"
)

func newApprovalKey(t testing.TB, id string) *envelope.ApprovalKey {
	t.Helper()
	k, err := envelope.NewApprovalKey(id)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// halves returns both halves of k, serialised.
func halves(t testing.TB, k *envelope.ApprovalKey) (private, public []byte) {
	t.Helper()
	private, errPrivate := k.Private()
	public, errPublic := k.Recipient().Public()
	if err := errors.Join(errPrivate, errPublic); err != nil {
		t.Fatal(err)
	}
	return private, public
}

func TestApprovalKeyIsReadBack(t *testing.T) {
	k := newApprovalKey(t, apkC)
	private, public := halves(t, k)
	recipient, err := envelope.OpenApprovalRecipient(apkC, public)
	if err != nil {
		t.Fatal(err)
	}
	kept := bytes.Clone(private)
	again, err := envelope.OpenApprovalKey(apkC, private)
	if err != nil {
		t.Fatal(err)
	}
	clear(private) // again must not live on it
	wantPayload(t, again, here, mustSeal(t, recipient, here, payload("v", "{}")), "v", "{}")
	wantPayload(t, k, here, mustSeal(t, again.Recipient(), here, payload("v", "")), "v", "")
	if again.ID() != apkC || recipient.ID() != apkC || k.Recipient().ID() != apkC {
		t.Error("an id was lost")
	}
	privateAgain, publicAgain := halves(t, again)
	if !bytes.Equal(privateAgain, kept) || !bytes.Equal(publicAgain, public) {
		t.Error("written differently than it was read")
	}
}

func TestAnotherKeysetDoesNotOpen(t *testing.T) {
	keyring, key := newKeyring(t, kekC), newApprovalKey(t, apkC)
	byKeyring, byKey := mustSeal(t, keyring, here, payload("v", "")), mustSeal(t, key.Recipient(), here, payload("v", ""))
	named := func(id string, b []byte) []byte {
		p := split(b)
		return join(parts{[]byte(id), p.wrapped, p.ciphertext})
	}
	for name, open := range map[string]func() (envelope.Payload, error){
		"approval key of another id":           func() (envelope.Payload, error) { return newApprovalKey(t, apkD).Open(here, byKey) },
		"another approval key of that id":      func() (envelope.Payload, error) { return newApprovalKey(t, apkC).Open(here, byKey) },
		"keyring":                              func() (envelope.Payload, error) { return keyring.Open(here, byKey) },
		"keyring, named as its own":            func() (envelope.Payload, error) { return keyring.Open(here, named(kekC, byKey)) },
		"approval key, of a keyring":           func() (envelope.Payload, error) { return key.Open(here, byKeyring) },
		"approval key, of a keyring and named": func() (envelope.Payload, error) { return key.Open(here, named(apkC, byKeyring)) },
	} {
		if _, err := open(); err != envelope.ErrDecrypt {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWhoWritesCannotRead: neither the public half nor what it writes has what
// opens.
func TestWhoWritesCannotRead(t *testing.T) {
	if _, ok := reflect.TypeFor[*envelope.ApprovalRecipient]().MethodByName("Open"); ok {
		t.Error("a recipient opens")
	}
	private, public := halves(t, newApprovalKey(t, apkC))
	if _, err := envelope.OpenApprovalKey(apkC, public); !errors.Is(err, envelope.ErrApprovalKey) {
		t.Errorf("a public half taken as private: %v", err)
	}
	if _, err := envelope.OpenApprovalRecipient(apkC, private); !errors.Is(err, envelope.ErrApprovalKey) {
		t.Errorf("a private half taken as public: %v", err)
	}
}

// serialised returns a keyset of template, both halves; nil where there is no
// public one.
func serialised(t testing.TB, template *tinkpb.KeyTemplate) (private, public []byte) {
	t.Helper()
	handle, err := keyset.NewHandle(template)
	if err != nil {
		t.Fatal(err)
	}
	return writeKeyset(t, handle)
}

func writeKeyset(t testing.TB, handle *keyset.Handle) (private, public []byte) {
	t.Helper()
	var out, outPublic bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewBinaryWriter(&out)); err != nil {
		t.Fatal(err)
	}
	if half, err := handle.Public(); err == nil {
		if err := half.WriteWithNoSecrets(keyset.NewBinaryWriter(&outPublic)); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes(), outPublic.Bytes()
}

// twoKeys is a keyset of two keys, each of which alone would do.
func twoKeys(t testing.TB) (private, public []byte) {
	t.Helper()
	template := hybrid.DHKEM_X25519_HKDF_SHA256_HKDF_SHA256_AES_256_GCM_Key_Template()
	m := keyset.NewManager()
	first, errFirst := m.Add(template)
	_, errSecond := m.Add(template)
	if err := errors.Join(errFirst, errSecond, m.SetPrimary(first)); err != nil {
		t.Fatal(err)
	}
	handle, err := m.Handle()
	if err != nil {
		t.Fatal(err)
	}
	return writeKeyset(t, handle)
}

func TestApprovalKeysAreOfOneKind(t *testing.T) {
	refused := func(name string, private, public []byte) {
		t.Helper()
		if _, err := envelope.OpenApprovalKey(apkC, private); !errors.Is(err, envelope.ErrApprovalKey) {
			t.Errorf("%s: private: %v", name, err)
		}
		if _, err := envelope.OpenApprovalRecipient(apkC, public); !errors.Is(err, envelope.ErrApprovalKey) {
			t.Errorf("%s: public: %v", name, err)
		}
	}
	for name, template := range map[string]*tinkpb.KeyTemplate{
		"symmetric":    aead.AES256GCMKeyTemplate(),
		"another KEM":  hybrid.DHKEM_P256_HKDF_SHA256_HKDF_SHA256_AES_256_GCM_Key_Template(),
		"another AEAD": hybrid.DHKEM_X25519_HKDF_SHA256_HKDF_SHA256_AES_128_GCM_Key_Template(),
		"no prefix":    hybrid.DHKEM_X25519_HKDF_SHA256_HKDF_SHA256_AES_256_GCM_Raw_Key_Template(),
		"ECIES":        hybrid.ECIESHKDFAES128GCMKeyTemplate(),
	} {
		private, public := serialised(t, template)
		refused(name, private, public)
		if len(public) == 0 {
			refused(name+" as public", nil, private)
		}
	}
	private, public := twoKeys(t)
	refused("two keys", private, public)
	refused("nothing", nil, nil)
	refused("too long", make([]byte, 1<<20), make([]byte, 1<<20))
	private, public = halves(t, newApprovalKey(t, apkC))
	// Tink passes over a field that it does not know; this one has 1 KiB.
	unknown := append([]byte{15<<3 | 2, 0x80, 0x08}, make([]byte, 1<<10)...)
	refused("a long field more", slices.Concat(private, unknown), slices.Concat(public, unknown))
	refused("cut", private[:len(private)-1], public[:len(public)-1])
}

func TestApprovalKeyIDs(t *testing.T) {
	private, public := halves(t, newApprovalKey(t, apkC))
	for _, id := range []string{"", "apk_", kekC, apkC[:29], apkC + "c", strings.ToUpper(apkC), apkC[:29] + "1"} {
		_, errNew := envelope.NewApprovalKey(id)
		_, errPrivate := envelope.OpenApprovalKey(id, private)
		_, errPublic := envelope.OpenApprovalRecipient(id, public)
		if errNew == nil || errPrivate == nil || errPublic == nil {
			t.Errorf("%q taken as an id: %v, %v, %v", id, errNew, errPrivate, errPublic)
		}
	}
	if _, err := envelope.NewKeyring(apkC); err == nil {
		t.Error("an approval key's id taken as a keyring's")
	}
}

func TestApprovalKeyDoesNotPrint(t *testing.T) {
	k := newApprovalKey(t, apkC)
	private, _ := halves(t, k)
	type holder struct {
		k   *envelope.ApprovalKey
		v   envelope.ApprovalKey
		any any
	}
	outer := holder{k, *k, *k}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, k); got != apkC+" [REDACTED]" {
			t.Errorf("%s prints %s", verb, got)
		}
		if got := fmt.Sprintf(verb, k.Recipient()); got != apkC {
			t.Errorf("%s prints the recipient as %s", verb, got)
		}
		for _, v := range []any{*k, outer, &outer, []any{k, *k}} {
			noKey(t, fmt.Sprintf("%T as %s", v, verb), fmt.Sprintf(verb, v), private)
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", k, "o", outer)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", k, "o", outer)
	noKey(t, "slog", log.String(), private)
	for _, v := range []any{*k, envelope.ApprovalRecipient{}} {
		if reflect.TypeOf(v).Comparable() {
			t.Errorf("%T can be compared with ==", v)
		}
	}
}

// noKey wants no 8 bytes of key in got, in any form that fmt gives them.
func noKey(t *testing.T, where, got string, key []byte) {
	t.Helper()
	for i := range len(key) - 8 {
		part := key[i : i+8]
		hexes := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", part), "[]byte{"), "}")
		for _, form := range []string{string(part), hex.EncodeToString(part), strings.Trim(fmt.Sprint(part), "[]"), hexes} {
			if strings.Contains(got, form) {
				t.Fatalf("%s leaks: %s", where, got)
			}
		}
	}
}

// TestApprovalKeyBesideItself is for the race detector.
func TestApprovalKeyBesideItself(t *testing.T) {
	k := newApprovalKey(t, apkC)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 16 {
				value := fmt.Sprint(i)
				b, err := k.Recipient().Seal(here, payload(value, ""))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := k.Open(here, b)
				if err != nil || string(got.Value.Reveal()) != value {
					t.Errorf("opened as something else, %v", err)
				}
			}
		})
	}
	all.Wait()
}

// TestWrappedApprovalKey is the way of the private half: under a passphrase, out
// again, and useful.
func TestWrappedApprovalKey(t *testing.T) {
	k := goldenApprovalKey(t)
	public := golden(t, "approval-public.keyset")
	recipient, err := envelope.OpenApprovalRecipient(apkC, public)
	if err != nil {
		t.Fatal(err)
	}
	if _, now := halves(t, k); !bytes.Equal(now, public) {
		t.Error("the halves do not belong together, or are written differently now")
	}
	wantPayload(t, k, here, mustSeal(t, recipient, here, payload("v", "{}")), "v", "{}")
}

// goldenApprovalKey opens the approval key of testdata/v1.
func goldenApprovalKey(t testing.TB) *envelope.ApprovalKey {
	t.Helper()
	outer, err := goldenRoot(t).ApprovalAEAD()
	if err != nil {
		t.Fatal(err)
	}
	var w seal.PassphraseWrap
	if err := json.Unmarshal(golden(t, "approval-private.json"), &w); err != nil {
		t.Fatal(err)
	}
	p, err := seal.NewPassphrase([]byte("Löwenzahn im Käfig, golden"))
	if err != nil {
		t.Fatal(err)
	}
	private, err := w.Unwrap(outer, tenant, apkC, "own_aaaaaaaaaaaaaaaaaaaaaaaaaa", p)
	if err != nil {
		t.Fatal(err)
	}
	k, err := envelope.OpenApprovalKey(apkC, private)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestGoldenApproval opens what was written when approval keys were made; see
// TestGolden.
func TestGoldenApproval(t *testing.T) {
	b := golden(t, "approval-value.sealed")
	wantPayload(t, goldenApprovalKey(t), here, b, "an approved value of the golden test", `{"team":"ml"}`)
	if got, err := envelope.Digest(b); err != nil || got != "sxcymAbudO3l4VEHOWRdnw" {
		t.Errorf("digest %q, %v", got, err)
	}
}

// FuzzApprovalKey: what is taken as a half of a key works as that half, and no
// bytes are taken as both.
func FuzzApprovalKey(f *testing.F) {
	k := goldenApprovalKey(f)
	private, public := halves(f, k)
	f.Add(private)
	f.Add(public)
	f.Add(public[:40])
	symmetric, _ := serialised(f, aead.AES256GCMKeyTemplate())
	f.Add(symmetric)
	f.Fuzz(func(t *testing.T, b []byte) {
		key, errKey := envelope.OpenApprovalKey(apkC, b)
		recipient, errRecipient := envelope.OpenApprovalRecipient(apkC, b)
		for _, err := range []error{errKey, errRecipient} {
			if err != nil && !errors.Is(err, envelope.ErrApprovalKey) {
				t.Fatalf("not an ErrApprovalKey: %v", err)
			}
		}
		switch {
		case errKey == nil && errRecipient == nil:
			t.Fatalf("%x is taken as both halves", b)
		case errKey == nil:
			recipient = key.Recipient()
		case errRecipient != nil:
			return
		}
		sealed, err := recipient.Seal(here, payload("v", ""))
		if err != nil {
			return // a point of low order is a key to Tink, but seals nothing
		}
		if key == nil {
			key = k
		}
		got, err := key.Open(here, sealed)
		if err == nil && string(got.Value.Reveal()) != "v" || err != nil && errKey == nil {
			t.Fatalf("%x does not open what it sealed: %v", b, err)
		}
	})
}
