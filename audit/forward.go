package audit

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
)

// What a forward walk takes out of one snapshot: enough to be quick, and little enough
// to hold none for long.
const (
	batchEvents = 256
	batchBytes  = 1 << 20
)

// Link is an event as the chain has it, and the signatures of the head that it is; none
// where no commit ended with it.
type Link struct {
	Seq        uint64
	Prev, Hash Hash
	Bytes      []byte // as stored
	Signatures []chain.Signature
}

// Event is the event itself.
func (l Link) Event() (Stored, error) {
	e, err := DecodeEvent(l.Bytes)
	if err != nil {
		return Stored{}, brokenAt(l.Seq, err.Error())
	}
	return Stored{l.Seq, e}, nil
}

// Forward is a walk along the trail, oldest first. It holds each event against its
// link, and the last one that was committed when it began, or was refreshed, against
// what the log remembers of it: what was changed under the daemon is a *TamperError.
type Forward struct {
	log      *Log
	next, to uint64
	prev     Hash
	begun    bool
	head     SignedHead
}

// Forward is a walk from the event numbered from up to the one numbered to, or to the
// newest committed one where that comes first.
func (l *Log) Forward(from, to uint64) *Forward {
	f := &Forward{log: l, next: max(from, 1)}
	f.Refresh()
	f.to = min(to, f.to)
	return f
}

// Refresh has the walk go on to what is the newest committed event now.
func (f *Forward) Refresh() {
	f.head = f.log.Head()
	f.to = f.head.Seq
}

// Done reports whether there is nothing more to walk.
func (f *Forward) Done() bool { return f.next > f.to }

// Last is the number of the last event that was walked.
func (f *Forward) Last() uint64 { return f.next - 1 }

// Next is the next batch, read from r: some events, or none when the walk is done.
func (f *Forward) Next(r store.Reader) ([]Link, error) {
	if f.Done() {
		return nil, nil
	}
	if err := f.begin(r); err != nil {
		return nil, err
	}
	var links []Link
	size, first := 0, f.next
	err := r.Scan(store.Audit, seqKey(f.next), func(k, v []byte) (bool, error) {
		seq, head, _ := parseKey(k)
		if head && len(links) > 0 && seq == f.next-1 {
			return true, links[len(links)-1].sign(v)
		}
		if f.Done() || size >= batchBytes || len(links) == batchEvents {
			return false, nil
		}
		l, err := f.take(k, v)
		if err != nil {
			return false, err
		}
		links, size = append(links, l), size+len(v)
		return true, nil
	})
	if err == nil && len(links) == 0 {
		err = brokenAt(first, "it is missing")
	}
	return links, err
}

// begin finds the link before the first event.
func (f *Forward) begin(r store.Reader) error {
	if f.begun || f.next == 1 {
		f.begun = true
		return nil
	}
	before, err := readEntry(r, f.next-1)
	if err != nil {
		return brokenAt(f.next-1, "it is missing or malformed")
	}
	f.prev, f.begun = before.Hash, true
	return nil
}

// take is the next event, checked.
func (f *Forward) take(k, v []byte) (Link, error) {
	e, err := parseEntry(k, v)
	switch {
	case err != nil || e.Seq != f.next:
		return Link{}, brokenAt(f.next, "it is missing or malformed")
	case chain.Link(e.Seq, f.prev, e.Bytes) != e.Hash:
		return Link{}, brokenAt(f.next, "it was changed: its hash does not match")
	case e.Seq == f.head.Seq && e.Hash != f.head.Hash:
		return Link{}, brokenAt(f.next, "it is not the one that was committed")
	}
	l := Link{Seq: e.Seq, Prev: f.prev, Hash: e.Hash, Bytes: bytes.Clone(e.Bytes)}
	f.next, f.prev = e.Seq+1, e.Hash
	return l, nil
}

// sign keeps the signatures in the entry of a signed head: more than one where the key
// changed there.
func (l *Link) sign(v []byte) (err error) {
	if l.Signatures, err = chain.ParseSignatures(bytes.Clone(v)); err != nil {
		return brokenAt(l.Seq, "its signed head is malformed")
	}
	return nil
}

// Each calls fn with each event from the one numbered from up to the one numbered to,
// oldest first, and returns its error. It reads in snapshots of their own, and fn runs
// outside of any.
func (l *Log) Each(ctx context.Context, db *store.DB, from, to uint64, fn func(Link) error) error {
	f := l.Forward(from, to)
	for !f.Done() {
		if err := ctx.Err(); err != nil {
			return err
		}
		var links []Link
		err := db.View(func(s *store.Snapshot) (err error) {
			links, err = f.Next(s)
			return err
		})
		for i := 0; err == nil && i < len(links); i++ {
			err = fn(links[i])
		}
		if err != nil {
			return fmt.Errorf("walking the trail: %w", err)
		}
	}
	return nil
}

// Span is the numbers of the first event not before since and of the last one not after
// until; a zero time is no bound. Without an event between them first is beyond last.
func (l *Log) Span(db *store.DB, since, until time.Time) (first, last uint64, err error) {
	first, last = 1, l.Head().Seq
	err = db.View(func(s *store.Snapshot) (err error) {
		older := uint64(0)
		if !since.IsZero() {
			older, err = countUntil(s, last, func(t time.Time) bool { return !t.Before(since) })
		}
		if first = older + 1; err == nil && !until.IsZero() {
			last, err = countUntil(s, last, func(t time.Time) bool { return t.After(until) })
		}
		return err
	})
	return first, last, err
}
