package audit

import (
	"crypto/ed25519"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
)

// maxKey keeps the length prefixes of recordMAC from wrapping.
const maxKey = 1 << 15

// Config is what a Log needs. All fields but OldMACKey, OldBefore,
// Anchored and Attach are required.
type Config struct {
	Tenant string
	Epoch  uint64
	Signer ed25519.PrivateKey // signs heads and nothing else
	MACKey []byte             // authenticates records; derived from the root key
	// OldMACKey is good for records from before the event OldBefore, while they are
	// authenticated anew; nil: none is.
	OldMACKey []byte
	OldBefore uint64
	Now       func() time.Time // the wall clock
	NewID     func() string    // a fresh event id
	// Anchored are the records that decide about everything else: each event says in
	// which state it found them. They and their order never change.
	Anchored []Object
	// Attach is asked, in the transaction of each event, once that has its id and time,
	// what it writes besides; nil: nothing. What it changes in memory it takes back
	// by tx.OnUndo.
	Attach func(tx *store.Tx, seq uint64, e *Event) []Change
}

// Log appends to the trail. Its methods are called inside the store's write
// operations, of which there is one at a time, so it holds no lock; Head,
// VerifyKey, Query, and Check of a snapshot are safe anywhere.
type Log struct {
	cfg       Config
	head      Head      // of what has been appended, committed or not
	last      time.Time // of the newest event
	lastAt    time.Time // by our clock, when it became that
	signed    Head      // of the newest signature
	sig       []byte
	ledger    ledger
	anchors   anchors
	macs      atomic.Pointer[macKeys]
	index     *stretchIndex // of the goroutine that indexes
	committed atomic.Pointer[SignedHead]
	instant   atomic.Pointer[instant] // of the newest event that is committed
}

// instant is the time of an event, and when that was by our clock.
type instant struct{ at, seen time.Time }

// SignedHead is a committed head with its signature, and the key that it verifies by.
type SignedHead struct {
	Head
	Signature []byte
	Key       chain.Key
}

func (l *Log) key() chain.Key { return chain.Key(l.cfg.Signer.Public().(ed25519.PublicKey)) }

// New is a Log for a vault that has no events yet.
func New(cfg Config) *Log {
	l := &Log{cfg: cfg, ledger: newLedger(), anchors: newAnchors(cfg.Anchored), index: newStretchIndex(), head: Head{Epoch: cfg.Epoch}}
	l.macs.Store(&macKeys{now: cfg.MACKey, old: cfg.OldMACKey, before: cfg.OldBefore})
	return l
}

// Open is a Log that goes on where the trail in r ends. It checks the newest
// signed head and the events since the one before it; Verify checks the rest.
func Open(r store.Reader, cfg Config) (*Log, error) {
	l := New(cfg)
	head, last, err := checkTail(r, cfg)
	if err != nil {
		return nil, err
	}
	l.head, l.last, l.lastAt = head.Head, last, cfg.Now()
	l.signed, l.sig = head.Head, head.Signature
	l.ledger.opened = head.Seq
	if err := l.resumeAnchors(r, head.Seq); err != nil {
		return nil, err
	}
	l.Committed()
	return l, nil
}

// resumeAnchors checks the records that decide about everything, and has the ledger
// know them from now on.
func (l *Log) resumeAnchors(r store.Reader, newest uint64) error {
	e, err := Read(r, newest)
	if err != nil {
		return err
	}
	if err := l.anchors.load(r, e.Anchor); err != nil {
		return err
	}
	for i, o := range l.anchors.objects {
		l.ledger.last[keyOf(o)] = l.anchors.seqs[i]
	}
	return nil
}

// Next is the sequence number that the next event gets; inside write operations only.
func (l *Log) Next() uint64 { return l.head.Seq + 1 }

// At is Now for those who look at what is committed, safe from any
// goroutine.
func (l *Log) At() time.Time {
	i := l.instant.Load()
	if i == nil {
		return l.cfg.Now()
	}
	return later(l.wall(), i.at, i.seen, l.cfg.Now())
}

// later is the wall clock, or the time of the newest event and what has passed since
// by our clock, whichever is later.
func later(wall, last, seen, now time.Time) time.Time {
	passed := last.Add(max(0, now.Sub(seen)).Truncate(time.Millisecond))
	if wall.After(passed) {
		return wall
	}
	return passed
}

// Now is the later of the wall clock and the time of the last event, so that a
// clock put back brings nothing back to life. Behind the last event it goes on
// by the time that has really passed: a clock that once jumped ahead does not
// stop time for those who wait for something to expire.
func (l *Log) Now() time.Time {
	return later(l.wall(), l.last, l.lastAt, l.cfg.Now())
}

func (l *Log) wall() time.Time { return l.cfg.Now().UTC().Truncate(time.Millisecond) }

// Append writes e as the next event, and the records that it changes. It fills
// in id, time and records of e.
func (l *Log) Append(tx *store.Tx, e Event, changes ...Change) (uint64, error) {
	seq, prev, last, at := l.head.Seq+1, l.head, l.last, l.lastAt
	e.ID, e.Time = l.cfg.NewID(), Time{l.Now()}
	if wall := l.wall(); wall.Before(e.Time.Time) {
		e.Clock = &Time{wall}
	}
	if l.cfg.Attach != nil {
		changes = append(changes[:len(changes):len(changes)], l.cfg.Attach(tx, seq, &e)...)
	}
	stored := l.encodeAll(seq, changes)
	e.Records = marks(tx, changes, stored)
	undo := l.anchors.note(seq, changes)
	e.Anchor = l.anchors.mark()
	tx.OnUndo(undo)
	b, err := e.encode()
	if err != nil {
		return 0, err
	}
	h := chain.Link(seq, prev.Hash, b)
	if err := tx.Put(store.Audit, seqKey(seq), append(h[:], b...)); err != nil {
		return 0, fmt.Errorf("appending event: %w", err)
	}
	for i, c := range changes {
		if err := l.write(tx, seq, c.Object, stored[i]); err != nil {
			return 0, err
		}
	}
	l.head, l.last, l.lastAt = Head{Epoch: l.cfg.Epoch, Seq: seq, Hash: h}, e.Time.Time, l.cfg.Now()
	tx.OnUndo(func() { l.head, l.last, l.lastAt = prev, last, at })
	return seq, nil
}

// encodeAll is the changes as they will be stored; nil for one removed.
func (l *Log) encodeAll(seq uint64, changes []Change) [][]byte {
	stored := make([][]byte, len(changes))
	for i, c := range changes {
		if c.Content != nil {
			stored[i] = encodeRecord(l.macs.Load().now, c.Object, seq, c.Content)
		}
	}
	return stored
}

// marks is what an event says of the records it writes. It names the event that
// wrote what is replaced, too: so a record that was put back to an older state
// and used before anyone noticed is found by the event of that use.
func marks(r store.Reader, changes []Change, stored [][]byte) map[string]string {
	if len(changes) == 0 {
		return nil
	}
	m := make(map[string]string, len(changes))
	for i, c := range changes {
		old, _ := ParseRecord(r.Get(c.Bucket, []byte(c.Key)))
		m[c.String()] = mark{replaces: old.Seq}.of(stored[i]).String()
	}
	return m
}

func (l *Log) write(tx *store.Tx, seq uint64, o Object, stored []byte) error {
	if len(o.Key) > maxKey {
		return fmt.Errorf("writing record: key of %d bytes is too long", len(o.Key))
	}
	if stored == nil {
		l.ledger.remove(tx, o)
		return tx.Delete(o.Bucket, []byte(o.Key))
	}
	l.ledger.set(tx, o, seq)
	return tx.Put(o.Bucket, []byte(o.Key), stored)
}

// Drop removes a record without an event. It is for what has expired and counts
// for nothing, present or absent.
func (l *Log) Drop(tx *store.Tx, o Object) error {
	l.ledger.forget(tx, o)
	return tx.Delete(o.Bucket, []byte(o.Key))
}

// Check is the content of the record stored as raw at o, or nil for no record.
// A record whose MAC fails, or that an older event wrote than the last one known
// to be about it, is a *TamperError and must not be used.
func (l *Log) Check(r store.Reader, o Object, raw []byte) ([]byte, error) {
	rec, ok := ParseRecord(raw)
	if raw != nil && (!ok || !l.macs.Load().fits(o, rec)) {
		return nil, &TamperError{What: "record " + o.String(), Problem: "its check fails: it was changed by something other than assd"}
	}
	return rec.Content, l.Current(r, o, raw)
}

// Current is the half of Check that must be made anew each time: that no newer
// event is known about the object. It says nothing about a snapshot, which may
// rightly be older.
func (l *Log) Current(r store.Reader, o Object, raw []byte) error {
	if _, writing := r.(*store.Tx); !writing {
		return nil
	}
	rec, _ := ParseRecord(raw)
	return l.ledger.check(o, rec.Seq)
}

// Sign signs the head of what has been appended since the last commit. It is
// the store's Prepare.
func (l *Log) Sign(tx *store.Tx) error {
	if l.head.Seq == l.signed.Seq {
		return nil
	}
	was, sig := l.signed, l.sig
	signature := chain.Sign(l.head, l.cfg.Tenant, l.cfg.Signer)
	l.signed, l.sig = l.head, signature.Bytes
	tx.OnUndo(func() { l.signed, l.sig = was, sig })
	return tx.Put(store.Audit, headKey(l.head.Seq), chain.FormatSignatures(signature))
}

// Committed publishes the signed head after a commit. It is called from the
// store's Committed.
func (l *Log) Committed() {
	l.committed.Store(&SignedHead{l.signed, l.sig, l.key()})
	l.instant.Store(&instant{l.last, l.lastAt})
}

// Head is the newest committed head; safe from any goroutine.
func (l *Log) Head() SignedHead {
	if h := l.committed.Load(); h != nil {
		return *h
	}
	return SignedHead{}
}

// VerifyKey is the public half of the signing key, as event 1 or the newest rotation
// has it; safe from any goroutine once there has been a commit.
func (l *Log) VerifyKey() string {
	if h := l.committed.Load(); h != nil {
		return h.Key.String()
	}
	return l.key().String()
}
