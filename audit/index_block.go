package audit

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/agent-secret-store/assd/store"
)

// maxBlockTerms is how many terms a block has at most: whoever makes a new namespace for
// each request is to cost neither memory nor a long commit. A block with more only says
// that any of its stretches may have any term.
var maxBlockTerms = 1 << 16 // a test has fewer

// blockIndex is which stretches of a block have a term: a bit each, the lowest for the
// first. By it a query passes over 64 stretches at once.
type blockIndex struct {
	terms map[term]uint64
	any   bool // there were too many
}

func newBlockIndex() *blockIndex { return &blockIndex{terms: map[term]uint64{}} }

// anyKey is where it stands that a block has too many terms.
func anyKey(last uint64) []byte { return levelKey(last, ofBlock) }

// add takes in a stretch that has its entries.
func (b *blockIndex) add(x *stretchIndex) {
	for _, p := range x.posts {
		b.set(p.term, x.stretch)
	}
}

func (b *blockIndex) set(t term, stretch uint64) {
	if b.any {
		return
	}
	if b.terms[t] |= 1 << (stretch % blockLen); len(b.terms) > maxBlockTerms {
		b.terms, b.any = nil, true
	}
}

// read takes in a stretch that is indexed in s.
func (b *blockIndex) read(s *store.Snapshot, stretch uint64) error {
	prefix := levelKey(stretch, ofStretch)
	return s.Scan(store.Trail, prefix, func(k, _ []byte) (bool, error) {
		t, ok := bytes.CutPrefix(k, prefix)
		if !ok || b.any {
			return false, nil
		}
		if len(t) != 8 {
			return false, badIndexes("an entry is malformed")
		}
		b.set(term(binary.BigEndian.Uint64(t)), stretch)
		return true, nil
	})
}

// entries is what is to be written with the last stretch of the block, in the order of the
// keys.
func (b *blockIndex) entries(last uint64) []indexEntry {
	if b.any {
		return []indexEntry{{anyKey(last), []byte{1}}}
	}
	all := make([]indexEntry, 0, len(b.terms))
	for _, t := range slices.Sorted(maps.Keys(b.terms)) {
		all = append(all, indexEntry{indexKey(last, ofBlock, t), binary.BigEndian.AppendUint64(nil, b.terms[t])})
	}
	return all
}

// blockBits is which stretches of a block may have the term.
func blockBits(s *store.Snapshot, last uint64, t term) (uint64, error) {
	v := s.Get(store.Trail, indexKey(last, ofBlock, t))
	switch {
	case v == nil && s.Get(store.Trail, anyKey(last)) != nil:
		return ^uint64(0), nil
	case v == nil:
		return 0, nil
	case len(v) != 8:
		return 0, badIndexes("an entry is malformed")
	}
	return binary.BigEndian.Uint64(v), nil
}
