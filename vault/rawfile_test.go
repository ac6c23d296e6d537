package vault_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// These are the tools of someone who can write the data file and has no key.

// edit changes the file of the closed vault with bbolt.
func (h *house) edit(fn func(*bolt.Tx) error) {
	h.t.Helper()
	if h.v != nil {
		h.t.Fatal("edit wants the vault closed")
	}
	h.tampered = true
	db, err := bolt.Open(h.file("vault.db"), 0o600, nil)
	if err == nil {
		err = db.Update(fn)
	}
	if err != nil {
		h.t.Fatalf("editing the file: %v", err)
	}
	if err := db.Close(); err != nil {
		h.t.Fatal(err)
	}
}

// place is where a record lies in the file.
type place struct{ bucket, key string }

// setRaw writes the stored bytes of places.
func (h *house) setRaw(records map[place][]byte) {
	h.t.Helper()
	h.edit(func(tx *bolt.Tx) error {
		for at, raw := range records {
			if err := tx.Bucket([]byte(at.bucket)).Put([]byte(at.key), raw); err != nil {
				return err
			}
		}
		return nil
	})
}

func (h *house) removeRaw(places ...place) {
	h.t.Helper()
	h.edit(func(tx *bolt.Tx) error {
		for _, at := range places {
			if err := tx.Bucket([]byte(at.bucket)).Delete([]byte(at.key)); err != nil {
				return err
			}
		}
		return nil
	})
}

// raw is the stored bytes at a place, of the file as it is on the disk now,
// whether the vault is open or not.
func (h *house) raw(bucket, key string) (raw []byte) {
	h.t.Helper()
	h.inspect(func(tx *bolt.Tx) { raw = bytes.Clone(tx.Bucket([]byte(bucket)).Get([]byte(key))) })
	if raw == nil {
		h.t.Fatalf("there is nothing at %s/%s", bucket, key)
	}
	return raw
}

// keys lists the keys of a bucket of the file as it is on the disk now.
func (h *house) keys(bucket string) (keys []string) {
	h.t.Helper()
	h.inspect(func(tx *bolt.Tx) {
		tx.Bucket([]byte(bucket)).ForEach(func(k, _ []byte) error { //nolint:errcheck // it returns nil
			keys = append(keys, string(k))
			return nil
		})
	})
	return keys
}

// inspect looks at a copy of the file as it is on the disk now.
func (h *house) inspect(fn func(*bolt.Tx)) {
	h.t.Helper()
	dir, err := os.MkdirTemp("", "vault-copy-")
	if err != nil {
		h.t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	inspectFile(h.t, copyFile(h.t, h.file("vault.db"), filepath.Join(dir, "copy.db")), fn)
}

func inspectFile(t tb, file string, fn func(*bolt.Tx)) {
	t.Helper()
	db, err := bolt.Open(file, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(tx *bolt.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t tb, from, to string) string {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// patch replaces old by as many other bytes wherever it stands in the file,
// under the running daemon: its map of the file shows the change at once.
func (h *house) patch(old, other []byte) {
	h.t.Helper()
	if len(old) != len(other) || bytes.Equal(old, other) {
		h.t.Fatalf("a patch of %d bytes for %d others", len(other), len(old))
	}
	places := h.find(old)
	for _, at := range places {
		h.writeAt(other, at)
	}
}

// find is where needle stands in the file; freed pages keep their bytes, so it
// may be more than once.
func (h *house) find(needle []byte) (at []int) {
	h.t.Helper()
	b, err := os.ReadFile(h.file("vault.db"))
	if err != nil {
		h.t.Fatal(err)
	}
	for from := 0; ; {
		i := bytes.Index(b[from:], needle)
		if i < 0 {
			break
		}
		at = append(at, from+i)
		from += i + 1
	}
	if len(at) == 0 {
		h.t.Fatal("the bytes to change are not in the file")
	}
	return at
}

func (h *house) writeAt(b []byte, at int) {
	h.t.Helper()
	f, err := os.OpenFile(h.file("vault.db"), os.O_WRONLY, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, int64(at)); err != nil {
		h.t.Fatal(err)
	}
}

// A leaf element of bbolt: flags, offset of the key from the element, size of
// the key, size of the value; the value stands behind the key.
const (
	elementSize = 16
	pageSpan    = 64 << 10 // an element lies less than this before its key
)

// swap puts an older record, shorter or of one length, in the place of the one
// that stands at bucket and key now, under the running daemon.
func (h *house) swap(key string, now, older []byte) {
	h.t.Helper()
	if len(older) > len(now) {
		h.t.Fatalf("the older record has %d bytes, the newer %d", len(older), len(now))
	}
	b, err := os.ReadFile(h.file("vault.db"))
	if err != nil {
		h.t.Fatal(err)
	}
	found := false
	for _, at := range h.find(now) {
		e := element(b, at, key, len(now))
		if e < 0 {
			continue
		}
		found = true
		h.writeAt(binary.LittleEndian.AppendUint32(nil, uint32(len(older))), e+12)
		h.writeAt(older, at)
	}
	if !found {
		h.t.Fatal("no page holds the record")
	}
}

// element is where the leaf element of the value at that offset is, or -1.
func element(b []byte, value int, key string, size int) int {
	start := value - len(key)
	if start < 0 || string(b[start:value]) != key {
		return -1
	}
	for e := start - elementSize; e >= max(0, start-pageSpan); e-- {
		pos := binary.LittleEndian.Uint32(b[e+4:])
		ksize := binary.LittleEndian.Uint32(b[e+8:])
		vsize := binary.LittleEndian.Uint32(b[e+12:])
		if int(pos) == start-e && int(ksize) == len(key) && int(vsize) == size {
			return e
		}
	}
	return -1
}

// content is the JSON of a stored record, behind its sequence number and MAC.
func content(raw []byte) string { return string(raw[recordHeader:]) }

const recordHeader = 8 + 32

// replaced is raw with old replaced by other in its content.
func replaced(t testing.TB, raw []byte, old, other string) []byte {
	t.Helper()
	out := bytes.Replace(raw, []byte(old), []byte(other), 1)
	if bytes.Equal(out, raw) {
		t.Fatalf("the record does not hold %q: %s", old, content(raw))
	}
	return out
}

func (h *house) fileBytes() []byte { h.t.Helper(); return h.readFile("vault.db") }

func (h *house) readFile(name string) []byte {
	h.t.Helper()
	b, err := os.ReadFile(h.file(name))
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}
