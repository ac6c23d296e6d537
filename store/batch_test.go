package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	"github.com/agent-secret-store/assd/store"
)

// Read goes over a bucket as Chunks does, whatever the size of the entries and of the
// batches.
func TestReadIsChunks(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	put := func(n uint64, size int) {
		err := db.Update(context.Background(), func(tx *store.Tx) error {
			return tx.Put(store.Audit, binary.BigEndian.AppendUint64(nil, n), bytes.Repeat([]byte{byte(n)}, size))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for n := range uint64(20) {
		put(n, int(n*37%11))
	}
	put(20, 3<<20) // larger than what is copied at once
	put(21, 0)
	put(22, 5)
	var want, got []byte
	note := func(to *[]byte, k, v []byte) {
		if v == nil {
			t.Error("a value of no bytes is none")
		}
		*to = append(append(append(*to, k...), byte(len(v))), v...)
	}
	err := db.Chunks(store.Audit, nil, 7, func(k, v []byte) (bool, error) {
		note(&want, k, v)
		return true, nil
	})
	if err != nil || len(want) < 3<<20 {
		t.Fatalf("%d bytes, %v", len(want), err)
	}
	for _, n := range []int{1, 2, 7, 23, 100} {
		got = got[:0]
		var b store.Batch
		var from []byte
		for more := true; more; {
			if more, err = db.Read(&b, store.Audit, from, n); err != nil || b.Len() > n {
				t.Fatalf("%d entries, %v", b.Len(), err)
			}
			for i := range b.Len() {
				k, v := b.At(i)
				note(&got, k, v)
				from = append(bytes.Clone(k), 0)
			}
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d at a time: it reads otherwise", n)
		}
	}
}

func TestReadOfNothing(t *testing.T) {
	db := open(t, store.Config{Path: newPath(t)})
	var b store.Batch
	if more, err := db.Read(&b, store.Audit, nil, 5); more || err != nil || b.Len() != 0 {
		t.Errorf("%v, %v, %d entries", more, err, b.Len())
	}
	if _, err := db.Read(&b, store.Audit, nil, 0); err == nil {
		t.Error("none at a time is taken")
	}
	close(t, db)
	if _, err := db.Read(&b, store.Audit, nil, 5); err == nil {
		t.Error("a closed file is read")
	}
}
