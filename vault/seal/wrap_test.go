package seal_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/agent-secret-store/assd/vault/seal"
)

const (
	apkA   = "apk_aaaaaaaaaaaaaaaaaaaaaaaaaa"
	apkB   = "apk_bbbbbbbbbbbbbbbbbbbbbbbbbb"
	owner  = "own_aaaaaaaaaaaaaaaaaaaaaaaaaa"
	phrase = "correct horse battery staple"
	inside = "a keyset, wrapped for one holder"
)

// cheap are the lowest costs that are taken.
var cheap = seal.Argon2Params{MemoryKiB: 64 << 10, Time: 1, Threads: 2}

func pass(t testing.TB, text string) seal.Passphrase {
	t.Helper()
	p, err := seal.NewPassphrase([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func outerOf(t testing.TB, root *seal.RootKey) tink.AEAD {
	t.Helper()
	outer, err := root.ApprovalAEAD()
	if err != nil {
		t.Fatal(err)
	}
	return outer
}

func newWrap(t testing.TB, outer tink.AEAD) seal.PassphraseWrap {
	t.Helper()
	w, err := seal.WrapUnderPassphrase(outer, tenantA, apkA, owner, pass(t, phrase), cheap, []byte(inside))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func wantUnwrapped(t testing.TB, w seal.PassphraseWrap, outer tink.AEAD, p seal.Passphrase) {
	t.Helper()
	got, err := w.Unwrap(outer, tenantA, apkA, owner, p)
	if err != nil || string(got) != inside {
		t.Fatalf("unwrapped as %q, %v", got, err)
	}
}

func flip(b []byte, i int) []byte {
	c := bytes.Clone(b)
	c[i] ^= 1
	return c
}

func TestWrapGivesTheKeyBack(t *testing.T) {
	root := seal.NewRootKey()
	outer := outerOf(t, root)
	root.Wipe() // the outer layer is to outlive it
	b, err := json.Marshal(newWrap(t, outer))
	if err != nil {
		t.Fatal(err)
	}
	var w seal.PassphraseWrap
	if err := json.Unmarshal(b, &w); err != nil {
		t.Fatal(err)
	}
	wantUnwrapped(t, w, outer, pass(t, phrase))
	if w.Argon2 != cheap {
		t.Errorf("parameters became %+v", w.Argon2)
	}
}

func TestWrapIsBound(t *testing.T) {
	outer := outerOf(t, seal.NewRootKey())
	w, p := newWrap(t, outer), pass(t, phrase)
	type asked struct {
		w                     seal.PassphraseWrap
		tenant, keyID, holder string
	}
	cases := map[string]func(*asked){
		"tenant":        func(a *asked) { a.tenant = tenantB },
		"key id":        func(a *asked) { a.keyID = apkB },
		"holder":        func(a *asked) { a.holder = seal.HolderRecovery },
		"letter slides": func(a *asked) { a.keyID += "o"; a.holder = a.holder[1:] },
		"memory":        func(a *asked) { a.w.Argon2.MemoryKiB++ },
		"time":          func(a *asked) { a.w.Argon2.Time++ },
		"threads":       func(a *asked) { a.w.Argon2.Threads++ },
		"a byte more":   func(a *asked) { a.w.Wrapped = append(bytes.Clone(w.Wrapped), 0) },
		"a byte less":   func(a *asked) { a.w.Wrapped = w.Wrapped[1:] },
	}
	for i := range w.Wrapped {
		cases[fmt.Sprintf("wrapped byte %d", i)] = func(a *asked) { a.w.Wrapped = flip(w.Wrapped, i) }
	}
	for i := range w.Salt {
		cases[fmt.Sprintf("salt byte %d", i)] = func(a *asked) { a.w.Salt = flip(w.Salt, i) }
	}
	for name, change := range cases {
		a := asked{w, tenantA, apkA, owner}
		change(&a)
		if _, err := a.w.Unwrap(outer, a.tenant, a.keyID, a.holder, p); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%s changed: %v", name, err)
		}
	}
	if _, err := w.Unwrap(outerOf(t, seal.NewRootKey()), tenantA, apkA, owner, p); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("another root key: %v", err)
	}
	wantUnwrapped(t, w, outer, p)
}

// bound is the associated data of a layer as the format says it is.
func bound(label, tenant, keyID, holder string, w seal.PassphraseWrap) []byte {
	var b []byte
	for _, f := range []string{label, "approval", tenant, keyID, holder, string(w.Salt)} {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(f))), f...)
	}
	b = binary.BigEndian.AppendUint32(b, w.Argon2.MemoryKiB)
	b = binary.BigEndian.AppendUint32(b, w.Argon2.Time)
	return append(b, w.Argon2.Threads)
}

// TestInnerLayerIsBound is what the holder of the root key tries: the outer
// layer made anew for another place.
func TestInnerLayerIsBound(t *testing.T) {
	const outerLabel = "ass-passphrase-outer-v1"
	outer := outerOf(t, seal.NewRootKey())
	w, p := newWrap(t, outer), pass(t, phrase)
	inner, err := outer.Decrypt(w.Wrapped, bound(outerLabel, tenantA, apkA, owner, w))
	if err != nil {
		t.Fatal("not the format that is drawn: ", err)
	}
	if len(inner) != 12+len(inside)+16 || bytes.Contains(inner, []byte(inside[:8])) {
		t.Fatal("no layer inside the outer one")
	}
	try := func(name, tenant, keyID, holder string, w seal.PassphraseWrap, inner []byte, want error) {
		t.Helper()
		if w.Wrapped, err = outer.Encrypt(inner, bound(outerLabel, tenant, keyID, holder, w)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Unwrap(outer, tenant, keyID, holder, p); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	try("nothing changed", tenantA, apkA, owner, w, inner, nil)
	try("tenant", tenantB, apkA, owner, w, inner, seal.ErrWrongPassphrase)
	try("key id", tenantA, apkB, owner, w, inner, seal.ErrWrongPassphrase)
	try("holder", tenantA, apkA, seal.HolderRecovery, w, inner, seal.ErrWrongPassphrase)
	for _, i := range []int{0, len(inner) - 1} {
		try("inner byte", tenantA, apkA, owner, w, flip(inner, i), seal.ErrWrongPassphrase)
	}
	salt, costs := w, w
	salt.Salt = flip(w.Salt, 31)
	try("salt", tenantA, apkA, owner, salt, inner, seal.ErrWrongPassphrase)
	costs.Argon2.Threads = 1
	try("parameters", tenantA, apkA, owner, costs, inner, seal.ErrWrongPassphrase)
}

func TestWrongPassphrase(t *testing.T) {
	outer := outerOf(t, seal.NewRootKey())
	w := newWrap(t, outer)
	generated, _ := seal.GeneratePassphrase()
	for name, p := range map[string]seal.Passphrase{
		"other case":  pass(t, strings.ToUpper(phrase)),
		"space after": pass(t, phrase+" "),
		"generated":   generated,
	} {
		if _, err := w.Unwrap(outer, tenantA, apkA, owner, p); !errors.Is(err, seal.ErrWrongPassphrase) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWrapHasItsRole(t *testing.T) {
	root := seal.NewRootKey()
	outer := outerOf(t, root)
	w := newWrap(t, outer)
	for _, role := range []seal.Role{seal.RoleApproval, seal.RoleKEK, seal.RoleAudit, seal.RoleToken} {
		if _, err := root.Open(role, tenantA, apkA, w.Wrapped); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("opens as a %s key: %v", role, err)
		}
		other := w
		var err error
		if other.Wrapped, err = root.Seal(role, tenantA, apkA, []byte(inside)); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Unwrap(outer, tenantA, apkA, owner, pass(t, phrase)); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("a %s key opens as a wrap: %v", role, err)
		}
	}
}

// idle is an outer layer that must not be asked.
type idle struct{ t *testing.T }

func (i idle) Encrypt(_, _ []byte) ([]byte, error) {
	i.t.Error("went on to encrypt")
	return nil, errors.ErrUnsupported
}

func (i idle) Decrypt(_, _ []byte) ([]byte, error) {
	i.t.Error("went on to decrypt")
	return nil, errors.ErrUnsupported
}

func TestWrapIsCheckedBeforeItIsComputed(t *testing.T) {
	good, p := newWrap(t, outerOf(t, seal.NewRootKey())), pass(t, phrase)
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*seal.PassphraseWrap){
		"memory too low":   func(w *seal.PassphraseWrap) { w.Argon2.MemoryKiB = 64<<10 - 1 },
		"memory too high":  func(w *seal.PassphraseWrap) { w.Argon2.MemoryKiB = 1<<20 + 1 },
		"terabytes":        func(w *seal.PassphraseWrap) { w.Argon2.MemoryKiB = 1<<32 - 1 },
		"no time":          func(w *seal.PassphraseWrap) { w.Argon2.Time = 0 },
		"time too high":    func(w *seal.PassphraseWrap) { w.Argon2.Time = 11 },
		"no threads":       func(w *seal.PassphraseWrap) { w.Argon2.Threads = 0 },
		"threads too high": func(w *seal.PassphraseWrap) { w.Argon2.Threads = 9 },
		"no salt":          func(w *seal.PassphraseWrap) { w.Salt = nil },
		"salt too short":   func(w *seal.PassphraseWrap) { w.Salt = w.Salt[1:] },
		"salt too long":    func(w *seal.PassphraseWrap) { w.Salt = slices.Concat(w.Salt, []byte{0}) },
		"no wrapped key":   func(w *seal.PassphraseWrap) { w.Wrapped = nil },
		"nothing wrapped":  func(w *seal.PassphraseWrap) { w.Wrapped = make([]byte, 56) },
		"wrapped too long": func(w *seal.PassphraseWrap) { w.Wrapped = make([]byte, 64<<10+56+1) },
	} {
		w := good
		change(&w)
		if err := w.Check(); !errors.Is(err, seal.ErrWrap) {
			t.Errorf("%s: Check: %v", name, err)
		}
		if _, err := w.Unwrap(idle{t}, tenantA, apkA, owner, p); !errors.Is(err, seal.ErrWrap) {
			t.Errorf("%s: Unwrap: %v", name, err)
		}
		if w.Argon2 == good.Argon2 {
			continue
		}
		if _, err := seal.WrapUnderPassphrase(idle{t}, tenantA, apkA, owner, p, w.Argon2, []byte(inside)); !errors.Is(err, seal.ErrWrap) {
			t.Errorf("%s: WrapUnderPassphrase: %v", name, err)
		}
	}
}

func TestWrapRefuses(t *testing.T) {
	wiped := pass(t, phrase)
	wiped.Wipe()
	for _, tc := range []struct {
		name                  string
		tenant, keyID, holder string
		p                     seal.Passphrase
		size                  int
	}{
		{"no tenant", "", apkA, owner, pass(t, phrase), 32},
		{"no key id", tenantA, "", owner, pass(t, phrase), 32},
		{"no holder", tenantA, apkA, "", pass(t, phrase), 32},
		{"holder too long", tenantA, apkA, strings.Repeat("x", 1<<16), pass(t, phrase), 32},
		{"no passphrase", tenantA, apkA, owner, seal.Passphrase{}, 32},
		{"wiped passphrase", tenantA, apkA, owner, wiped, 32},
		{"no key", tenantA, apkA, owner, pass(t, phrase), 0},
		{"key too long", tenantA, apkA, owner, pass(t, phrase), 64<<10 + 1},
	} {
		_, err := seal.WrapUnderPassphrase(idle{t}, tc.tenant, tc.keyID, tc.holder, tc.p, cheap, make([]byte, tc.size))
		if err == nil {
			t.Errorf("%s: wrapped", tc.name)
		}
	}
	outer := outerOf(t, seal.NewRootKey())
	w, err := seal.WrapUnderPassphrase(outer, tenantA, apkA, owner, pass(t, phrase), cheap, make([]byte, 64<<10))
	if err != nil || w.Check() != nil {
		t.Errorf("the longest key: %v, %v", err, w.Check())
	}
	if _, err := w.Unwrap(outer, tenantA, apkA, owner, wiped); !errors.Is(err, seal.ErrWiped) {
		t.Errorf("unwrapped with a wiped passphrase: %v", err)
	}
}

func TestEveryWrapIsFresh(t *testing.T) {
	outer := outerOf(t, seal.NewRootKey())
	a, b := newWrap(t, outer), newWrap(t, outer)
	if bytes.Equal(a.Salt, b.Salt) || bytes.Equal(a.Wrapped[:12], b.Wrapped[:12]) {
		t.Error("salt or nonce came twice")
	}
}

func TestDefaultArgon2IsTaken(t *testing.T) {
	if err := seal.DefaultArgon2().Check(); err != nil {
		t.Error(err)
	}
}

func BenchmarkUnwrap(b *testing.B) {
	outer, p := outerOf(b, seal.NewRootKey()), pass(b, phrase)
	w, err := seal.WrapUnderPassphrase(outer, tenantA, apkA, owner, p, seal.DefaultArgon2(), []byte(inside))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := w.Unwrap(outer, tenantA, apkA, owner, p); err != nil {
			b.Fatal(err)
		}
	}
}

// TestRewrap: another root key's outer layer, and what is inside as it was.
func TestRewrap(t *testing.T) {
	was, next := outerOf(t, seal.NewRootKey()), outerOf(t, seal.NewRootKey())
	w := newWrap(t, was)
	moved, err := w.Rewrap(was, next, tenantA, apkA, owner)
	if err != nil {
		t.Fatal(err)
	}
	wantUnwrapped(t, moved, next, pass(t, phrase))
	if _, err := moved.Unwrap(was, tenantA, apkA, owner, pass(t, phrase)); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("the old root key opens it: %v", err)
	}
	if _, err := w.Rewrap(was, next, tenantA, apkA, seal.HolderRecovery); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("for another holder: %v", err)
	}
	if _, err := w.Rewrap(next, was, tenantA, apkA, owner); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("from another root key: %v", err)
	}
	if _, err := (seal.PassphraseWrap{}).Rewrap(was, next, tenantA, apkA, owner); !errors.Is(err, seal.ErrWrap) {
		t.Errorf("of nothing: %v", err)
	}
}
