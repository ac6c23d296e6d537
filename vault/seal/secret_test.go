package seal_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/seal"
)

// TestCommandSecret: what can be guessed is refused, and so is what is endless; what is
// refused is cleared, and the error holds nothing of it.
func TestCommandSecret(t *testing.T) {
	for _, tc := range []struct {
		printed string
		ok      bool
	}{
		{"", false},
		{"\n", false},
		{strings.Repeat("x", 15), false},
		{strings.Repeat("x", 15) + "\n", false},
		{strings.Repeat("x", 16), true},
		{strings.Repeat("x", 16) + "\n", true},
		{strings.Repeat("\x00", 32), true},
		{strings.Repeat("x", 4096), true},
		{strings.Repeat("x", 4096) + "\n", true},
		{strings.Repeat("x", 4096) + "\n\n", false},
		{strings.Repeat("x", 4097), false},
	} {
		b := []byte(tc.printed)
		secret, err := seal.NewCommandSecret(b)
		if tc.ok {
			if err != nil || secret.Kind() != seal.KindCommand {
				t.Errorf("%d bytes: %v", len(b), err)
			}
			continue
		}
		if !errors.Is(err, seal.ErrPrinted) || secret != nil {
			t.Errorf("%d bytes: %v, %v", len(b), secret, err)
		}
		if !bytes.Equal(b, make([]byte, len(b))) {
			t.Errorf("%d bytes: what was refused is still there", len(b))
		}
		if len(tc.printed) > 1 && strings.Contains(err.Error(), strings.TrimSpace(tc.printed)) {
			t.Errorf("the error tells it: %v", err)
		}
	}
}

// TestCommandSlot: one newline at the end does not count; what a program prints is
// stretched, and opens no slot of another kind.
func TestCommandSlot(t *testing.T) {
	cost := seal.Argon2Params{MemoryKiB: 64 << 10, Time: 1, Threads: 1}
	print := func(text string) *seal.CommandSecret {
		t.Helper()
		secret, err := seal.NewCommandSecret([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	root := seal.NewRootKey()
	slot, err := seal.NewSlot(root, tenantA, print("sixteen bytes, or more"), cost)
	if err != nil {
		t.Fatal(err)
	}
	if slot.Argon2 == nil || *slot.Argon2 != cost {
		t.Errorf("it is stretched with %+v", slot.Argon2)
	}
	got, err := slot.Unlock(tenantA, print("sixteen bytes, or more\n"))
	if err != nil || !bytes.Equal(got.Derive("x"), root.Derive("x")) {
		t.Errorf("with a newline: %v", err)
	}
	if _, err := slot.Unlock(tenantA, newKey(t)); !errors.Is(err, seal.ErrKind) {
		t.Errorf("with a key file: %v", err)
	}
	if _, err := seal.NewSlot(root, tenantA, print("sixteen bytes, or more"), seal.Argon2Params{}); err == nil {
		t.Error("it is made without a cost")
	}
}

// TestUnlockChecksFirst: a slot out of bounds is refused before anything is computed.
func TestUnlockChecksFirst(t *testing.T) {
	p, _ := seal.GeneratePassphrase()
	slot := with(t, seal.KindPassphrase, &seal.Argon2Params{MemoryKiB: 1<<20 + 1, Time: 1, Threads: 1})
	if _, err := slot.Unlock(tenantA, p); !errors.Is(err, seal.ErrSlot) {
		t.Errorf("over a GiB: %v", err)
	}
	slot.Argon2 = nil
	if _, err := slot.Unlock(tenantA, p); !errors.Is(err, seal.ErrSlot) {
		t.Errorf("not stretched: %v", err)
	}
}

// TestKeyringKey: the text is that of a key file, whole.
func TestKeyringKey(t *testing.T) {
	key, text := seal.NewKeyringKey()
	slot, err := seal.NewSlot(seal.NewRootKey(), tenantA, key, seal.Argon2Params{})
	if err != nil || slot.Kind != seal.KindKeyring || slot.Argon2 != nil {
		t.Fatalf("%+v, %v", slot, err)
	}
	again, err := seal.ParseKeyringKey(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slot.Unlock(tenantA, again); err != nil {
		t.Error(err)
	}
	file, err := seal.ParseFileKey(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slot.Unlock(tenantA, file); !errors.Is(err, seal.ErrKind) {
		t.Errorf("as a key file: %v", err)
	}
	for _, bad := range [][]byte{nil, text[:len(text)-1], append(bytes.Clone(text), '\n'), append([]byte{' '}, text...)} {
		if _, err := seal.ParseKeyringKey(bad); !errors.Is(err, seal.ErrMalformed) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
}
