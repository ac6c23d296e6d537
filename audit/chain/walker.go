package chain

import (
	"bytes"
	"fmt"
)

// Bad is what is wrong with a trail, at the first sequence number that is off; 0: it is
// about no event.
type Bad struct {
	Seq     uint64
	Problem string
}

// Error names the event, where it is about one.
func (b *Bad) Error() string {
	if b.Seq == 0 {
		return b.Problem
	}
	return fmt.Sprintf("event %d: %s", b.Seq, b.Problem)
}

// Walker checks a trail, fed with its events and signed heads in order. What it finds
// is one of: changed, missing, out of order, inserted, cut, foreign signature.
//
// Signatures are checked beside the walk: when a method has returned an error, or at
// the end, Finish says what the first bad one is. The walk is then over.
type Walker struct {
	Tenant  string
	Lineage Lineage
	Head    Head   // of the event just walked; its epoch is that of the newest signed one
	Signed  uint64 // the newest event that has a signed head
	Heads   uint64 // signed heads so far
	Last    Glance // at the event just walked; its slices are valid until the next one

	turning    bool // the event just walked names a key, and its head is to follow
	signatures signatures
	bad        *Bad
}

// NewWalker stands before event 1. Finish has to be called.
func NewWalker() *Walker { return &Walker{signatures: newSignatures()} }

// Entry is one event as it came.
type Entry struct {
	Seq   uint64
	Prev  *Hash // as it says itself; nil: it does not
	Hash  Hash
	Event []byte
}

func (w *Walker) fail(seq uint64, format string, args ...any) error {
	if w.bad == nil {
		w.bad = &Bad{seq, fmt.Sprintf(format, args...)}
	}
	return w.bad
}

// Look is what an event says, and whether its hash is the one that it has to have: all
// that can be judged without the walk, and so by anyone beside it.
type Look struct {
	Glance
	linked bool
	err    error // from reading it
}

// Look looks at an event that follows the one with the hash prev. like is the time of
// another one, or none: to be of the same second saves work.
func (l *Look) Look(e Entry, prev Hash, like Time) {
	l.linked = Link(e.Seq, prev, e.Event) == e.Hash
	if l.err = l.at(e.Event, like); l.err != nil {
		l.Glance = Glance{}
	}
}

// Event takes the next event.
func (w *Walker) Event(e Entry) error {
	var l Look
	l.Look(e, w.Head.Hash, w.Last.Time)
	return w.Looked(e, &l)
}

// Looked takes the next event, at which somebody has looked as the one that follows the
// event just walked.
func (w *Walker) Looked(e Entry, l *Look) error {
	want := w.Head.Seq + 1
	if err := w.fits(want, e, l.linked); err != nil {
		return err
	}
	if l.err != nil {
		return w.fail(want, "changed: %v", l.err)
	}
	before := w.Last.Time
	w.Last = l.Glance
	if bytes.Compare(w.Last.Time[:], before[:]) < 0 {
		return w.fail(want, "out of order: it is older than the one before it")
	}
	if err := w.names(want, e.Event); err != nil {
		return w.fail(want, "changed: %v", err)
	}
	w.Head.Seq, w.Head.Hash = want, e.Hash
	return w.signatures.failed()
}

// fits holds e against its place; linked says whether its hash is the one it has to have.
func (w *Walker) fits(want uint64, e Entry, linked bool) error {
	switch {
	case w.turning:
		return w.fail(w.Head.Seq, "foreign signature: the key before has not signed for the new one")
	case e.Seq == w.Head.Seq && want > 1:
		return w.fail(want, "inserted: event %d comes twice", e.Seq)
	case e.Seq < want:
		return w.fail(want, "out of order: event %d comes behind event %d", e.Seq, w.Head.Seq)
	case e.Seq > want:
		return w.fail(want, "missing or out of order: the next one is %d", e.Seq)
	case e.Prev != nil && *e.Prev != w.Head.Hash:
		return w.fail(want, "changed, inserted or out of order: it does not follow the event before it")
	case !linked && e.Prev != nil:
		return w.fail(want, "changed: its hash does not match")
	case !linked:
		return w.fail(want, "changed or out of order: its hash does not match")
	}
	return nil
}

// names takes over what the event says of keys.
func (w *Walker) names(seq uint64, event []byte) (err error) {
	switch {
	case seq == 1:
		w.Tenant, w.Lineage, err = Begin(event)
		w.Head.Epoch = w.Lineage.Newest().Epoch
	case string(w.Last.Action) == rotation && w.Last.OK():
		w.Lineage, err = w.Lineage.with(w.Tenant, seq, event)
		w.turning = true
	}
	return err
}

// SignedHead takes the signed head of event seq, which must be the one just walked.
func (w *Walker) SignedHead(seq uint64, signed []Signature) error {
	if seq != w.Head.Seq || seq == w.Signed {
		return w.fail(w.Head.Seq+1, "cut or missing: the signed head of event %d follows", seq)
	}
	turned := w.turning
	w.turning = false
	if turned && !w.Lineage.changesAt(signed) || !turned && (len(signed) != 1 || signed[0].Epoch != w.Lineage.Newest().Epoch) {
		return w.fail(seq, foreign)
	}
	for _, s := range signed {
		h := w.Head
		h.Epoch = s.Epoch
		w.signatures.check(job{h, w.Tenant, w.Lineage.Of(s.Epoch), bytes.Clone(s.Bytes)})
	}
	w.Head.Epoch, w.Signed = w.Lineage.Newest().Epoch, seq
	w.Heads++
	return w.signatures.failed()
}

const foreign = "foreign signature, or a changed one: its signed head does not verify"

// Malformed ends the walk at what is no entry at all.
func (w *Walker) Malformed(format string, args ...any) error {
	return w.fail(w.Head.Seq+1, format, args...)
}

// End says that nothing follows.
func (w *Walker) End() error {
	switch {
	case w.Head.Seq == 0:
		return w.fail(1, "missing")
	case w.turning:
		return w.fail(w.Head.Seq, "foreign signature: the key before has not signed for the new one")
	case w.Signed != w.Head.Seq:
		return w.fail(w.Signed+1, "cut, or inserted after the newest signed head, or the head is missing")
	}
	return nil
}

// Finish waits for the signatures and returns the first that is bad of all that was
// found; nil: the trail is sound as far as it was walked.
func (w *Walker) Finish() *Bad {
	if b := w.signatures.finish(); b != nil && (w.bad == nil || b.Seq <= w.bad.Seq) {
		w.bad = b
	}
	return w.bad
}
