package seal

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// TestWipeOverwrites looks at the bytes, which no caller can.
func TestWipeOverwrites(t *testing.T) {
	root := NewRootKey()
	b, err := root.bytes()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(b, make([]byte, keySize)) {
		t.Fatal("a key of zeros")
	}
	root.Wipe()
	if !bytes.Equal(b, make([]byte, keySize)) {
		t.Error("the key is still there")
	}
}

// TestLentIsNotWiped: whoever wipes what was lent leaves it to its owner, and can print
// it no more than that.
func TestLentIsNotWiped(t *testing.T) {
	key, text := NewKeyringKey()
	defer clear(text)
	defer key.Wipe()
	lent := Lent(key)
	if lent.Wipe(); lent.Kind() != KindKeyring {
		t.Errorf("it opens slots of kind %s", lent.Kind())
	}
	if b, err := lent.bytes(); err != nil || len(b) != keySize {
		t.Errorf("it is wiped: %d bytes, %v", len(b), err)
	}
	for _, form := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		b, err := key.bytes()
		if printed := fmt.Sprintf(form, lent); err != nil || strings.Contains(printed, hex.EncodeToString(b)) || strings.Contains(printed, fmt.Sprint(b)) || !strings.Contains(printed, redacted) {
			t.Errorf("%s prints %d bytes", form, len(printed))
		}
	}
}
