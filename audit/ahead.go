package audit

import (
	"bytes"
	"runtime"
	"slices"
	"sync"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
)

const (
	pieceLen = 500 // entries of a piece
	pieces   = 8   // that there are, so that a check needs little memory
)

// ahead reads the trail for a check, and looks at each entry, while others are walked.
// All that takes long can be judged of each event by itself, because the hash that it
// has to follow is stored with the event before it; that this is the hash which was
// judged there, the walk sees to, in the order of the trail.
type ahead struct {
	db    *store.DB
	free  chan *piece
	read  chan *piece // to be looked at
	ready chan *piece // the same, in their order
	quit  chan struct{}
	done  sync.WaitGroup
}

// piece is some entries of the trail, one behind the other.
type piece struct {
	store.Batch
	prev    Hash // of the event before them
	entries []looked
	looked  chan struct{} // has an element once that is done
	err     error         // of reading
	free    chan<- *piece
}

// looked is an entry of the trail and what is to be seen of it.
type looked struct {
	key, value []byte
	seq        uint64
	head, ok   bool  // ok: the key is that of an entry
	malformed  error // it is no event
	Entry
	look  chain.Look
	event *Event // where it may name records
	err   error  // from decoding that
}

// readAhead begins; stop has to be called.
func readAhead(db *store.DB) *ahead {
	a := &ahead{
		db: db, free: make(chan *piece, pieces), read: make(chan *piece, pieces), ready: make(chan *piece, pieces),
		quit: make(chan struct{}),
	}
	for range pieces {
		a.free <- &piece{looked: make(chan struct{}, 1), free: a.free}
	}
	a.done.Go(a.readAll)
	for range runtime.GOMAXPROCS(0) {
		a.done.Go(a.lookAtAll)
	}
	return a
}

// stop waits until nothing is read or looked at any more.
func (a *ahead) stop() {
	close(a.quit)
	a.done.Wait()
}

func (a *ahead) readAll() {
	defer close(a.ready)
	defer close(a.read)
	var from []byte
	var prev Hash
	for more := true; more; {
		select {
		case <-a.quit:
			return
		case p := <-a.free:
			more, p.err = a.db.Read(&p.Batch, store.Audit, from, pieceLen)
			if p.prev = prev; p.Len() > 0 {
				last, _ := p.At(p.Len() - 1)
				from, prev = append(bytes.Clone(last), 0), p.lastHash() // from the next key there can be
			}
			a.ready <- p
			a.read <- p
		}
	}
}

func (a *ahead) lookAtAll() {
	for p := range a.read {
		p.look()
		p.looked <- struct{}{}
	}
}

// next is the next piece in the order of the trail, once it has been looked at; nil:
// there is none.
func (a *ahead) next() *piece {
	p, ok := <-a.ready
	if !ok {
		return nil
	}
	<-p.looked
	return p
}

// release has the memory used again.
func (p *piece) release() { p.free <- p }

// lastHash is the hash of its last event.
func (p *piece) lastHash() Hash {
	for i := p.Len() - 1; i >= 0; i-- {
		k, v := p.At(i)
		if _, head, ok := parseKey(k); ok && !head {
			e, _ := parseEntry(k, v)
			return e.Hash
		}
	}
	return p.prev
}

// look looks at all entries.
func (p *piece) look() {
	p.entries = slices.Grow(p.entries[:0], p.Len())[:p.Len()]
	prev := p.prev
	var like chain.Time
	for i := range p.entries {
		e := &p.entries[i]
		e.key, e.value = p.At(i)
		if e.seq, e.head, e.ok = parseKey(e.key); e.ok && !e.head {
			e.take(prev, like)
			prev, like = e.Hash, e.look.Time
		}
	}
}

// take looks at an event, which has to follow the one with the hash prev; like is the time
// of the one before.
func (e *looked) take(prev Hash, like chain.Time) {
	e.event, e.err = nil, nil
	if e.Entry, e.malformed = parseEntry(e.key, e.value); e.malformed != nil {
		return
	}
	e.look.Look(e.link(), prev, like)
	if e.look.Records {
		var ev Event
		ev, e.err = DecodeEvent(e.Bytes)
		e.event = &ev
	}
}

func (e *looked) link() chain.Entry {
	return chain.Entry{Seq: e.Seq, Hash: e.Hash, Event: e.Bytes}
}
