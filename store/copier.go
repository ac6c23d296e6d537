package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	bolt "go.etcd.io/bbolt"
)

// Bounds of a copy.
const (
	pieceSize  = 4 << 20 // bytes that one transaction of a copy takes, and one entry more
	pieceKeys  = 10_000  // keys that one transaction of a copy takes
	maxNoted   = 50_000  // changed keys that may pile up before what was passed is copied again
	lastNoted  = 500     // changed keys that the writer may be made to wait for
	mostRounds = 20      // of copying after, before the writer waits all the same
)

// A copier writes what is alive in a store to a new file while the store goes on: in
// pieces, each from a snapshot of its own, so that no page is kept from being used
// again. Which keys commits change meanwhile is noted, and those that it has passed
// are copied after; the last time while nobody commits, so that the copy is the state
// of one commit.
type copier struct {
	db      *DB
	ctx     context.Context
	path    string // of the copy, while it is not whole
	to      *bolt.DB
	file    *os.File // that of to
	buckets []Bucket // in the order in which they are walked
	passed  int      // buckets that were walked
	next    []byte   // the first key that was not, in the bucket that is walked now
	changed *changes
}

// startCopy makes an empty file at path, in place of what a killed one has left there.
// Whoever calls it has db.copying.
func (db *DB) startCopy(ctx context.Context, path string) (*copier, error) {
	if err := db.checkSpace(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	c := &copier{db: db, ctx: ctx, path: path, changed: newChanges()}
	if err := c.open(); err != nil {
		return nil, errors.Join(ifFull(err), removeCopy(path))
	}
	db.writer.watch(c.changed)
	return c, nil
}

// checkSpace refuses a copy that would fill the disk: those who write meanwhile would
// meet it as ErrFull.
func (db *DB) checkSpace(dir string) error {
	size, err := db.Size()
	if err != nil {
		return err
	}
	need := uint64(size.File - size.Free + 2*growStep)
	if free, all, err := Space(dir); err == nil && all > 0 && free < need {
		return fmt.Errorf("%w: a copy takes %d bytes and there are %d", ErrFull, need, free)
	}
	return nil
}

// open opens the copy as the store itself is opened, locked, except that nothing is
// synced before it is whole.
func (c *copier) open() (err error) {
	o := options(false, mapSize, nil)
	o.NoSync = true
	o.OpenFile = func(path string, flag int, _ os.FileMode) (f *os.File, err error) {
		f, err = os.OpenFile(path, flag|os.O_CREATE|syscall.O_NOFOLLOW, fileMode)
		c.file = f
		return f, err
	}
	c.to, err = bolt.Open(c.path, fileMode, o)
	if errors.Is(err, syscall.ENOMEM) { // a limit on address space
		o.InitialMmapSize = 0
		c.to, err = bolt.Open(c.path, fileMode, o)
	}
	if err != nil {
		return err
	}
	c.to.AllocSize = growStep
	return nil
}

// run copies everything, and after that what has changed, until little is left for
// the last time.
func (c *copier) run() error {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	if err := c.makeBuckets(); err != nil {
		return err
	}
	for c.passed = range c.buckets {
		if err := c.walk(); err != nil {
			return err
		}
	}
	c.passed = len(c.buckets)
	for range mostRounds {
		if c.changed.count() <= lastNoted {
			break
		}
		if err := c.after(); err != nil {
			return err
		}
	}
	return c.sync() // so that the writer has not to wait for all of it
}

// last makes the copy the state of the newest commit and durable. The writer runs it,
// so nobody commits.
func (c *copier) last() error {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	if err := c.after(); err != nil {
		return err
	}
	c.db.writer.watch(nil)
	return nil
}

// settle wipes what pieces have left behind in pages that were used again, or not,
// and syncs the copy. Both meta pages then lead to all of it.
func (c *copier) settle() error {
	if err := wipeFree(c.file); err != nil {
		return ifFull(fmt.Errorf("wiping free pages: %w", err))
	}
	if err := c.update(func(*bolt.Tx) error { return nil }); err != nil {
		return err
	}
	return c.sync()
}

// makeBuckets makes those that the store has, also those that a newer version of this
// program has added.
func (c *copier) makeBuckets() error {
	err := c.db.View(func(s *Snapshot) error {
		defer markDamage()
		return s.btx.ForEach(func(name []byte, _ *bolt.Bucket) error {
			c.buckets = append(c.buckets, Bucket(name))
			return nil
		})
	})
	if err != nil {
		return err
	}
	return c.update(func(btx *bolt.Tx) error {
		for _, b := range c.buckets {
			if _, err := btx.CreateBucket([]byte(b)); err != nil {
				return err
			}
		}
		return nil
	})
}

// walk copies a bucket.
func (c *copier) walk() error {
	c.next = nil
	for more := true; more; {
		if err := c.mayGoOn(); err != nil {
			return err
		}
		if c.changed.count() > c.db.noted {
			if err := c.after(); err != nil {
				return err
			}
		}
		piece, rest, err := c.db.piece(c.buckets[c.passed], c.next, pieceKeys, pieceSize)
		if err != nil {
			return err
		}
		if err := c.put(c.buckets[c.passed], piece); err != nil {
			return err
		}
		if more = rest; rest {
			c.next = append(piece[len(piece)-1].key, 0) // the next key there can be
		}
	}
	return nil
}

func (c *copier) put(b Bucket, piece []entry) error {
	if len(piece) == 0 {
		return nil
	}
	return c.update(func(btx *bolt.Tx) error {
		bucket := btx.Bucket([]byte(b))
		bucket.FillPercent = fill(b)
		for _, e := range piece {
			if err := bucket.Put(e.key, e.value); err != nil {
				return err
			}
		}
		return nil
	})
}

// fill is how full a page of b is made when keys are put in ascending order.
func fill(b Bucket) float64 {
	if ascending(b) {
		return 1
	}
	return 0.9
}

// after copies again what has changed of what was passed. What lies ahead is left to
// the walk, which has yet to see it.
func (c *copier) after() error {
	places := slices.DeleteFunc(slices.SortedFunc(maps.Keys(c.changed.take()), comparePlaces), c.ahead)
	for len(places) > 0 {
		if err := c.mayGoOn(); err != nil {
			return err
		}
		n, err := c.again(places)
		if err != nil {
			return err
		}
		places = places[n:]
	}
	return nil
}

func comparePlaces(a, b place) int {
	if a.bucket != b.bucket {
		return strings.Compare(string(a.bucket), string(b.bucket))
	}
	return strings.Compare(a.key, b.key)
}

func (c *copier) ahead(p place) bool {
	i := slices.Index(c.buckets, p.bucket)
	return i > c.passed || i == c.passed && bytes.Compare([]byte(p.key), c.next) >= 0
}

// again copies the first places, a piece of them, as they are now: it returns how many.
func (c *copier) again(places []place) (n int, err error) {
	size := 0
	err = c.update(func(btx *bolt.Tx) error {
		return c.db.View(func(s *Snapshot) error {
			for n < len(places) && n < pieceKeys && size < pieceSize {
				p := places[n]
				value := s.Get(p.bucket, []byte(p.key))
				if err := c.set(btx, p, value); err != nil {
					return err
				}
				size += len(p.key) + len(value)
				n++
			}
			return nil
		})
	})
	return n, err
}

// set sets or deletes one key of the copy. bbolt keeps the value until the commit, when
// the snapshot that it is from may have ended.
func (c *copier) set(btx *bolt.Tx, p place, value []byte) error {
	bucket := btx.Bucket([]byte(p.bucket))
	bucket.FillPercent = fill(p.bucket)
	if value == nil {
		return bucket.Delete([]byte(p.key))
	}
	return bucket.Put([]byte(p.key), clone(value))
}

// update is one transaction in the copy.
func (c *copier) update(fn func(*bolt.Tx) error) error {
	return ifFull(safely(func() error {
		btx, err := c.to.Begin(true)
		if err != nil {
			return err
		}
		defer btx.Rollback() //nolint:errcheck // after a commit it does nothing
		if err := fn(btx); err != nil {
			return err
		}
		return c.db.disk.commit(btx)
	}))
}

func (c *copier) sync() error { return ifFull(c.db.disk.sync(c.file)) }

// mayGoOn says why a copy has to end early.
func (c *copier) mayGoOn() error {
	select {
	case <-c.db.closing:
		return ErrStopped
	case <-c.ctx.Done():
		return c.ctx.Err()
	default:
		return nil
	}
}

// abandon ends a copy that is not to be kept.
func (c *copier) abandon() error {
	c.db.writer.watch(nil)
	return errors.Join(c.to.Close(), removeCopy(c.path))
}

func removeCopy(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// ifFull is err, as ErrFull where it says that there was no space. That is so of a copy
// whichever step says it, since nothing depends on it yet.
func ifFull(err error) error {
	if err != nil && (isNoSpace(err) || isFullResize(err.Error())) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
