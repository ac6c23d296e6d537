package store

import (
	"errors"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// A Tx is what one operation sees and does in the transaction that it shares
// with others. It is not to be used after the operation, nor by another
// goroutine.
//
// bbolt has no savepoints, so a Tx keeps what each change replaced; an
// operation that fails is undone with it, and those before it stand.
type Tx struct {
	view
	undos    []change // in the order of the changes
	hooks    []func()
	scanning map[Bucket]int
	ended    bool
}

// A change is one key as it was before. A nil value means it did not exist;
// others are bbolt's own memory, which holds still until the transaction ends.
type change struct {
	bucket     Bucket
	key, value []byte
}

var (
	errEnded    = errors.New("operation has ended")
	errScanning = errors.New("bucket is being scanned")
)

func newTx(btx *bolt.Tx) *Tx { return &Tx{view: view{btx}} }

// Put sets the value of key in b. It copies both. It fails when key is empty or
// longer than 32 KiB, when value is longer than 64 MiB, and while b is being
// scanned in the same operation.
func (tx *Tx) Put(b Bucket, key, value []byte) error {
	if err := tx.mayChange(b); err != nil {
		return fmt.Errorf("writing to bucket %q: %w", string(b), err)
	}
	if len(value) > maxValueSize {
		return fmt.Errorf("writing to bucket %q: a value of %d bytes, %d are the most", string(b), len(value), maxValueSize)
	}
	old := tx.Get(b, key)
	if err := tx.put(b, key, clone(value)); err != nil {
		return fmt.Errorf("writing to bucket %q: %w", string(b), err)
	}
	tx.undos = append(tx.undos, change{b, slices.Clone(key), old})
	return nil
}

// Delete removes key from b; it is no error when there is none. It fails while
// b is being scanned in the same operation.
func (tx *Tx) Delete(b Bucket, key []byte) error {
	if err := tx.mayChange(b); err != nil {
		return fmt.Errorf("deleting from bucket %q: %w", string(b), err)
	}
	old := tx.Get(b, key)
	if old == nil {
		return nil
	}
	if err := tx.delete(b, key); err != nil {
		return fmt.Errorf("deleting from bucket %q: %w", string(b), err)
	}
	tx.undos = append(tx.undos, change{b, slices.Clone(key), old})
	return nil
}

// OnUndo makes fn run when the operation fails, or the commit that it became
// part of: for whatever the operation changed in memory. What was handed in
// last runs first, by the writer.
func (tx *Tx) OnUndo(fn func()) { tx.hooks = append(tx.hooks, fn) }

// Scan is as in Reader.
func (tx *Tx) Scan(b Bucket, from []byte, fn func(k, v []byte) (bool, error)) error {
	defer tx.scan(b)()
	return tx.view.Scan(b, from, fn)
}

// ScanBack is as in Reader.
func (tx *Tx) ScanBack(b Bucket, from []byte, fn func(k, v []byte) (bool, error)) error {
	defer tx.scan(b)()
	return tx.view.ScanBack(b, from, fn)
}

// scan notes that b is being scanned until the function it returns is called:
// a bbolt cursor may skip keys when its bucket changes under it.
func (tx *Tx) scan(b Bucket) (done func()) {
	if tx.scanning == nil {
		tx.scanning = make(map[Bucket]int)
	}
	tx.scanning[b]++
	return func() { tx.scanning[b]-- }
}

func (tx *Tx) mayChange(b Bucket) error {
	switch {
	case tx.ended:
		return errEnded
	case tx.scanning[b] > 0:
		return errScanning
	}
	return nil
}

func (tx *Tx) put(b Bucket, key, value []byte) error {
	bucket := tx.bucket(b)
	if ascending(b) {
		bucket.FillPercent = 1
	}
	defer markDamage()
	return bucket.Put(key, value)
}

// ascending reports whether the keys of b only ever grow: then no page is split again,
// and may be filled.
func ascending(b Bucket) bool { return b == Audit || b == Trail }

func (tx *Tx) delete(b Bucket, key []byte) error {
	bucket := tx.bucket(b)
	defer markDamage()
	return bucket.Delete(key)
}

// changed reports whether there is anything to commit.
func (tx *Tx) changed() bool { return len(tx.undos) > 0 }

// undo takes back every change of the operation, newest first. After an error
// only a rollback of the whole transaction helps.
func (tx *Tx) undo() error {
	for _, c := range slices.Backward(tx.undos) {
		if err := tx.restore(c); err != nil {
			return err
		}
	}
	tx.undos = nil
	return nil
}

func (tx *Tx) restore(c change) error {
	if c.value == nil {
		return tx.delete(c.bucket, c.key)
	}
	return tx.put(c.bucket, c.key, c.value)
}

// runHooks runs what OnUndo was given, once.
func (tx *Tx) runHooks() {
	hooks := tx.hooks
	tx.hooks = nil
	for _, hook := range slices.Backward(hooks) {
		hook()
	}
}
