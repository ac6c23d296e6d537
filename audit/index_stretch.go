package audit

import (
	"context"
	"encoding/binary"

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

// stretchIndex is the index of one stretch while it is made.
type stretchIndex struct {
	stretch uint64
	posts   map[term]*posting
	known   map[facets][]*posting // many events are alike
	terms   termCache
}

// posting is which events of a stretch have a term: the offset of the first, and for
// each after it how far it is from the one before, as unsigned varints.
type posting struct {
	offsets []byte
	last    uint64
}

func (p *posting) add(offset uint64) {
	p.offsets = binary.AppendUvarint(p.offsets, offset-p.last)
	p.last = offset
}

// parseOffsets reads what a posting wrote, as far as it can be that.
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

func newStretchIndex(stretch uint64, terms termCache) *stretchIndex {
	return &stretchIndex{stretch, map[term]*posting{}, map[facets][]*posting{}, terms}
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

// add takes in an event behind those it has.
func (x *stretchIndex) add(seq uint64, f facets) {
	posts, ok := x.known[f]
	if !ok {
		for _, t := range x.terms.of(f) {
			posts = append(posts, x.posting(t))
		}
		x.known[f] = posts
	}
	for _, p := range posts {
		p.add(seq - firstOf(x.stretch))
	}
}

func (x *stretchIndex) posting(t term) *posting {
	p := x.posts[t]
	if p == nil {
		p = &posting{}
		x.posts[t] = p
	}
	return p
}

func (x *stretchIndex) coarse() bool { return len(x.posts) > maxStretchTerms }

// kept are the terms that are to be written.
func (x *stretchIndex) kept() map[term]*posting {
	if !x.coarse() {
		return x.posts
	}
	kept := map[term]*posting{}
	for f := range x.known {
		for _, t := range f.coarse() {
			kept[t] = x.posts[t]
		}
	}
	return kept
}

// entries is what is to be written, in the order of the keys.
func (x *stretchIndex) entries() (all []indexEntry) {
	if x.coarse() {
		all = append(all, indexEntry{coarseKey(x.stretch), []byte{1}})
	}
	return append(all, entriesOf(x.stretch, ofStretch, x.kept(), func(p *posting) []byte { return p.offsets })...)
}
