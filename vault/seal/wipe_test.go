package seal

import (
	"bytes"
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
