package seal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-secret-store/assd/vault/seal"
)

func newKey(t testing.TB) *seal.FileKey {
	t.Helper()
	key, err := seal.CreateKeyFile(filepath.Join(t.TempDir(), "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newSlot(t testing.TB, root *seal.RootKey, key *seal.FileKey) seal.Slot {
	t.Helper()
	slot, err := seal.NewSlot(root, tenantA, key, seal.Argon2Params{})
	if err != nil {
		t.Fatal(err)
	}
	return slot
}

func TestSlotGivesTheRootKeyBack(t *testing.T) {
	root, key := seal.NewRootKey(), newKey(t)
	b, err := newSlot(t, root, key).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	slot, err := seal.ParseSlot(b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := slot.Unlock(tenantA, key)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Derive("x"), root.Derive("x")) {
		t.Error("another root key came back")
	}
}

func TestSlotIsBound(t *testing.T) {
	root, key := seal.NewRootKey(), newKey(t)
	slot, other := newSlot(t, root, key), newSlot(t, root, key)
	flipped := func(b []byte, i int) []byte {
		c := bytes.Clone(b)
		c[i] ^= 1
		return c
	}
	cases := map[string]func(*seal.Slot){
		"id":      func(s *seal.Slot) { s.ID = other.ID },
		"salt":    func(s *seal.Slot) { s.Salt = other.Salt },
		"wrapped": func(s *seal.Slot) { s.Wrapped = other.Wrapped },
	}
	for i := range slot.Wrapped {
		cases[fmt.Sprintf("wrapped byte %d", i)] = func(s *seal.Slot) { s.Wrapped = flipped(s.Wrapped, i) }
	}
	for i := range slot.Salt {
		cases[fmt.Sprintf("salt byte %d", i)] = func(s *seal.Slot) { s.Salt = flipped(s.Salt, i) }
	}
	for name, change := range cases {
		s := slot
		change(&s)
		if _, err := s.Unlock(tenantA, key); !errors.Is(err, seal.ErrWrongKey) {
			t.Errorf("%s changed: %v", name, err)
		}
	}
	if _, err := slot.Unlock(tenantB, key); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("another tenant: %v", err)
	}
	if _, err := slot.Unlock(tenantA, newKey(t)); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("another key: %v", err)
	}
	if _, err := slot.Unlock(tenantA, key); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

func TestKeyFileOpensFileSlotsOnly(t *testing.T) {
	key := newKey(t)
	slot := newSlot(t, seal.NewRootKey(), key)
	slot.Kind = seal.KindKeyring
	if _, err := slot.Unlock(tenantA, key); !errors.Is(err, seal.ErrKind) {
		t.Error(err)
	}
}

func TestUnlockWithWipedKey(t *testing.T) {
	key := newKey(t)
	slot := newSlot(t, seal.NewRootKey(), key)
	key.Wipe()
	if _, err := slot.Unlock(tenantA, key); !errors.Is(err, seal.ErrWiped) {
		t.Error(err)
	}
}

// with returns a valid slot of kind with the argon2 parameters.
func with(t testing.TB, kind seal.Kind, p *seal.Argon2Params) seal.Slot {
	slot := newSlot(t, seal.NewRootKey(), newKey(t))
	slot.Kind, slot.Argon2 = kind, p
	return slot
}

func TestSlotKinds(t *testing.T) {
	low := &seal.Argon2Params{MemoryKiB: 64 << 10, Time: 1, Threads: 1}
	high := &seal.Argon2Params{MemoryKiB: 1 << 20, Time: 10, Threads: 8}
	for _, tc := range []struct {
		kind   seal.Kind
		argon2 *seal.Argon2Params
		ok     bool
	}{
		{seal.KindFile, nil, true},
		{seal.KindFile, low, false},
		{seal.KindKeyring, nil, true},
		{seal.KindKeyring, low, false},
		{seal.KindCommand, nil, true},
		{seal.KindCommand, high, true},
		{seal.KindPassphrase, nil, false},
		{seal.KindPassphrase, low, true},
		{seal.KindPassphrase, high, true},
		{seal.KindPassphrase, &seal.Argon2Params{MemoryKiB: 64<<10 - 1, Time: 1, Threads: 1}, false},
		{seal.KindPassphrase, &seal.Argon2Params{MemoryKiB: 1<<20 + 1, Time: 1, Threads: 1}, false},
		{seal.KindPassphrase, &seal.Argon2Params{MemoryKiB: 64 << 10, Time: 0, Threads: 1}, false},
		{seal.KindPassphrase, &seal.Argon2Params{MemoryKiB: 64 << 10, Time: 11, Threads: 1}, false},
		{seal.KindPassphrase, &seal.Argon2Params{MemoryKiB: 64 << 10, Time: 1, Threads: 0}, false},
		{seal.KindPassphrase, &seal.Argon2Params{MemoryKiB: 64 << 10, Time: 1, Threads: 9}, false},
		{seal.KindCommand, &seal.Argon2Params{}, false},
		{"tpm", nil, false},
		{"", nil, false},
	} {
		slot := with(t, tc.kind, tc.argon2)
		b, err := json.Marshal(slot) // past Marshal's own check
		if err != nil {
			t.Fatal(err)
		}
		got, err := seal.ParseSlot(b)
		if tc.ok && (err != nil || !cmp.Equal(got, slot)) {
			t.Errorf("%s %+v: %v", tc.kind, tc.argon2, err)
		}
		if !tc.ok && !errors.Is(err, seal.ErrSlot) {
			t.Errorf("%s %+v: parsed, %v", tc.kind, tc.argon2, err)
		}
		if _, err := slot.Marshal(); (err == nil) != tc.ok {
			t.Errorf("%s %+v: Marshal: %v", tc.kind, tc.argon2, err)
		}
	}
}

func TestParseSlotIsStrict(t *testing.T) {
	b, err := newSlot(t, seal.NewRootKey(), newKey(t)).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	if _, err := seal.ParseSlot(b); err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) string {
		out := strings.Replace(good, old, new, 1)
		if out == good {
			t.Fatalf("%q is not in %s", old, good)
		}
		return out
	}
	for name, text := range map[string]string{
		"empty":            "",
		"null":             "null",
		"array":            "[]",
		"cut":              good[:len(good)-1],
		"more after it":    good + "{}",
		"newline after it": good + "\n",
		"space":            edit(`"id":`, `"id": `),
		"unknown member":   edit(`{`, `{"command":"/bin/sh",`),
		"member twice":     edit(`{`, `{"kind":"file",`),
		"other case":       edit(`"kind"`, `"Kind"`),
		"escaped":          edit(`"file"`, `"\u0066ile"`),
		"null argon2":      edit(`"salt"`, `"argon2":null,"salt"`),
		"id with capitals": edit(`"slt_`, `"SLT_`),
		"short id":         good[:7] + good[8:],
		"other base64":     edit(`="`, `=\n"`),
	} {
		if _, err := seal.ParseSlot([]byte(text)); !errors.Is(err, seal.ErrSlot) {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := []byte(good + strings.Repeat(" ", 4<<10))
	if _, err := seal.ParseSlot(long); !errors.Is(err, seal.ErrSlot) || !strings.Contains(err.Error(), "4096") {
		t.Errorf("too long: %v", err)
	}
}

func TestSlotSizes(t *testing.T) {
	slot := newSlot(t, seal.NewRootKey(), newKey(t))
	for name, change := range map[string]func(*seal.Slot){
		"no salt":       func(s *seal.Slot) { s.Salt = nil },
		"short salt":    func(s *seal.Slot) { s.Salt = s.Salt[1:] },
		"long salt":     func(s *seal.Slot) { s.Salt = append(bytes.Clone(s.Salt), 0) },
		"no wrap":       func(s *seal.Slot) { s.Wrapped = nil },
		"short wrapped": func(s *seal.Slot) { s.Wrapped = s.Wrapped[1:] },
		"long wrapped":  func(s *seal.Slot) { s.Wrapped = append(bytes.Clone(s.Wrapped), 0) },
	} {
		s := slot
		change(&s)
		if _, err := s.Marshal(); !errors.Is(err, seal.ErrSlot) {
			t.Errorf("%s: Marshal: %v", name, err)
		}
		b, err := json.Marshal(s) // past Marshal's own check
		if err != nil {
			t.Fatal(err)
		}
		if _, err := seal.ParseSlot(b); !errors.Is(err, seal.ErrSlot) {
			t.Errorf("%s: ParseSlot: %v", name, err)
		}
	}
}

func FuzzParseSlot(f *testing.F) {
	file, err := os.ReadFile("testdata/v1/slot.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	pass, err := with(f, seal.KindPassphrase, &seal.Argon2Params{MemoryKiB: 64 << 10, Time: 3, Threads: 4}).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pass)
	f.Add([]byte(`{"id":"slt_`))
	f.Fuzz(func(t *testing.T, b []byte) {
		slot, err := seal.ParseSlot(b)
		if err != nil {
			if !errors.Is(err, seal.ErrSlot) {
				t.Fatalf("not an ErrSlot: %v", err)
			}
			return
		}
		again, err := slot.Marshal()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("parsed %q, printed %q, %v", b, again, err)
		}
	})
}
