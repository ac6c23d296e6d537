package store

import (
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// A Reader reads the buckets at one point in time. The slices that it hands
// out belong to the file: they may not be changed, and are valid only inside
// the View or the operation, and only until its next Put or Delete.
type Reader interface {
	// Get returns the value of key in b, or nil when there is none. A value of
	// no bytes is not nil.
	Get(b Bucket, key []byte) []byte
	// Scan calls fn for each key of b from the first that is >= from, in
	// ascending order, until fn returns false or an error, which it returns. A
	// nil from means the first. fn may not change b.
	Scan(b Bucket, from []byte, fn func(k, v []byte) (bool, error)) error
	// ScanBack is Scan in descending order, from the last key that is <= from.
	// A nil from means the last.
	ScanBack(b Bucket, from []byte, fn func(k, v []byte) (bool, error)) error
	// Last returns the last key of b and its value; nil when b is empty.
	Last(b Bucket) (k, v []byte)
}

var (
	_ Reader = (*Tx)(nil)
	_ Reader = (*Snapshot)(nil)
)

// A view is the reading half of a transaction. Its methods panic with a
// *damage where the file is damaged: "not found" would be a dangerous answer.
type view struct{ btx *bolt.Tx }

func (v view) Get(b Bucket, key []byte) []byte {
	bucket := v.bucket(b)
	if bucket == nil {
		return nil
	}
	defer markDamage()
	_, value := bounded(nil, bucket.Get(key))
	return value
}

func (v view) Last(b Bucket) (k, val []byte) {
	bucket := v.bucket(b)
	if bucket == nil {
		return nil, nil
	}
	return cursor{bucket.Cursor()}.last()
}

func (v view) Scan(b Bucket, from []byte, fn func(k, v []byte) (bool, error)) error {
	bucket := v.bucket(b)
	if bucket == nil {
		return nil
	}
	c := cursor{bucket.Cursor()}
	for k, val := c.seek(from); k != nil; k, val = c.next(k) {
		if more, err := fn(k, val); err != nil || !more {
			return err
		}
	}
	return nil
}

func (v view) ScanBack(b Bucket, from []byte, fn func(k, v []byte) (bool, error)) error {
	bucket := v.bucket(b)
	if bucket == nil {
		return nil
	}
	c := cursor{bucket.Cursor()}
	for k, val := c.seekBack(from); k != nil; k, val = c.prev(k) {
		if more, err := fn(k, val); err != nil || !more {
			return err
		}
	}
	return nil
}

// bucket is nil for one of the later buckets in an older file, and panics when b
// is none of ours: a mistake in our own code, since Open has seen all the others.
func (v view) bucket(b Bucket) *bolt.Bucket {
	bucket := v.find(b)
	if bucket == nil && !slices.Contains(later, b) {
		panic(fmt.Sprintf("store: no bucket %q", string(b)))
	}
	return bucket
}

func (v view) find(b Bucket) *bolt.Bucket {
	defer markDamage()
	return v.btx.Bucket([]byte(b))
}
