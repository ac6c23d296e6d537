package audit

import (
	"cmp"
	"context"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/agent-secret-store/assd/store"
)

// maxStretchTerms is how many terms a stretch has at most: whoever makes a new namespace
// of many parts for each request makes 48 terms with each. A stretch with more is coarse:
// it says so, and keeps those terms alone of which each event has few that are its own.
var maxStretchTerms = 1 << 13 // a test has fewer

// coarseKey is where it stands that a stretch is coarse.
func coarseKey(stretch uint64) []byte { return levelKey(stretch, ofStretch) }

func isCoarse(s *store.Snapshot, stretch uint64) bool {
	return s.Get(store.Trail, coarseKey(stretch)) != nil
}

// stretchIndex makes the index of one stretch after another. What it has learned of
// the events and terms of one it keeps for the next, since many are alike.
type stretchIndex struct {
	stretch uint64
	round   uint64 // counts the stretches that it has begun
	kinds   map[string]*kind
	terms   map[term]*posting
	known   []*posting // by term
	fresh   []*posting // what is known besides, in no order
	present []*kind    // of this stretch
	posts   []*posting // what is to be written of it
	coarse  bool       // it has too many terms

	key, room []byte // that is used again
	made      []indexEntry
}

// What is kept for the next stretch at most.
const (
	maxKinds = 1 << 12
	maxTerms = 1 << 15
)

// kind is the events that are found by the same.
type kind struct {
	offsets
	round uint64 // what they are the offsets of
	posts []*posting
	few   []*posting // of these, what a coarse stretch keeps
}

// posting is which events of a stretch have a term.
type posting struct {
	offsets
	round uint64
	kept  uint64 // the last round in which it belonged to a coarse stretch
	term  term
}

// offsets is some events of a stretch, a bit each.
type offsets [stretchLen / 64]uint64

func (o *offsets) add(offset uint64) { o[offset/64] |= 1 << (offset % 64) }

// append writes the offset of the first, and for each after it how far it is from the
// one before, as unsigned varints.
func (o *offsets) append(b []byte) []byte {
	last := uint64(0)
	for i, w := range o {
		for ; w != 0; w &= w - 1 {
			offset := uint64(i*64 + bits.TrailingZeros64(w))
			if step := offset - last; step < 0x80 {
				b = append(b, byte(step))
			} else {
				b = binary.AppendUvarint(b, step)
			}
			last = offset
		}
	}
	return b
}

// parseOffsets reads what append wrote, as far as it can be that.
func parseOffsets(b []byte) (offsets []uint64) {
	at := uint64(0)
	for len(b) > 0 {
		step, n := binary.Uvarint(b)
		if at += step; n <= 0 || step >= stretchLen || at >= stretchLen {
			break
		}
		offsets, b = append(offsets, at), b[n:]
	}
	return offsets
}

func newStretchIndex() *stretchIndex {
	x := &stretchIndex{kinds: map[string]*kind{}, terms: map[term]*posting{}}
	x.begin(0)
	return x
}

// begin begins a stretch; of the one before nothing is left.
func (x *stretchIndex) begin(stretch uint64) {
	x.stretch, x.present, x.posts = stretch, x.present[:0], x.posts[:0]
	x.round++
	if len(x.kinds) > maxKinds || len(x.terms) > maxTerms {
		clear(x.kinds)
		clear(x.terms)
		x.known, x.fresh = nil, nil
	}
}

// read takes in all events of the stretch.
func (x *stretchIndex) read(ctx context.Context, s *store.Snapshot) error {
	for seq := firstOf(x.stretch); seq <= lastOf(x.stretch) && ctx.Err() == nil; seq++ {
		st, err := Read(s, seq)
		if err != nil {
			return err
		}
		x.add(seq, facetsOf(&st.Event))
	}
	return ctx.Err()
}

// add takes in an event of the stretch.
func (x *stretchIndex) add(seq uint64, f facets) {
	x.key = f.append(x.key[:0])
	k := x.kinds[string(x.key)]
	if k == nil {
		k = x.kind(f)
		x.kinds[string(x.key)] = k
	}
	if k.round != x.round {
		k.offsets, k.round = offsets{}, x.round
		x.present = append(x.present, k)
	}
	k.add(seq - firstOf(x.stretch))
}

func (x *stretchIndex) kind(f facets) *kind {
	k := &kind{}
	for _, t := range f.terms() {
		p := x.terms[t]
		if p == nil {
			p = &posting{term: t}
			x.terms[t] = p
			x.fresh = append(x.fresh, p)
		}
		k.posts = append(k.posts, p)
	}
	for _, t := range f.coarse() {
		k.few = append(k.few, x.terms[t])
	}
	return k
}

// gather makes the postings of the stretch, in the order of their terms. Nothing is added
// behind it.
func (x *stretchIndex) gather() {
	for _, k := range x.present {
		for _, p := range k.posts {
			if p.round != x.round {
				p.offsets, p.round = k.offsets, x.round
				continue
			}
			for i, w := range k.offsets {
				p.offsets[i] |= w
			}
		}
	}
	x.order()
	x.posts = x.posts[:0]
	for _, p := range x.known {
		if p.round == x.round {
			x.posts = append(x.posts, p)
		}
	}
	if x.coarse = len(x.posts) > maxStretchTerms; x.coarse {
		x.keepFew()
	}
}

// keepFew drops what a coarse stretch does not keep.
func (x *stretchIndex) keepFew() {
	for _, k := range x.present {
		for _, p := range k.few {
			p.kept = x.round
		}
	}
	x.posts = slices.DeleteFunc(x.posts, func(p *posting) bool { return p.kept != x.round })
}

// order has all that is known in its order: to do so once costs less than to sort what
// each stretch has.
func (x *stretchIndex) order() {
	if len(x.fresh) == 0 {
		return
	}
	slices.SortFunc(x.fresh, func(a, b *posting) int { return cmp.Compare(a.term, b.term) })
	all := make([]*posting, 0, len(x.known)+len(x.fresh))
	for _, p := range x.known {
		for len(x.fresh) > 0 && x.fresh[0].term < p.term {
			all, x.fresh = append(all, x.fresh[0]), x.fresh[1:]
		}
		all = append(all, p)
	}
	x.known, x.fresh = append(all, x.fresh...), nil
}

// entries is what is to be written, in the order of the keys; it is valid until the next
// stretch has its entries.
func (x *stretchIndex) entries() []indexEntry {
	x.gather()
	all, b := x.made[:0], x.room[:0]
	if x.coarse {
		all = append(all, indexEntry{coarseKey(x.stretch), []byte{1}})
	}
	for _, p := range x.posts {
		at := len(b)
		b = appendIndexKey(b, x.stretch, ofStretch, p.term)
		value := len(b)
		b = p.append(b)
		all = append(all, indexEntry{b[at:value:value], b[value:len(b):len(b)]})
	}
	x.made, x.room = all, b
	return all[:len(all):len(all)]
}
