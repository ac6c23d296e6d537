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
	terms  map[term]uint64
	coarse uint64 // the stretches that are, which have not all their terms in it
	any    bool   // there were too many
}

func newBlockIndex() *blockIndex { return &blockIndex{terms: map[term]uint64{}} }

// anyKey is where it stands that a block has too many terms, or which of its stretches are
// coarse: one byte, or 8.
func anyKey(last uint64) []byte { return levelKey(last, ofBlock) }

// add takes in a stretch that has its entries.
func (b *blockIndex) add(x *stretchIndex) {
	if x.coarse {
		b.coarse |= bitOf(x.stretch)
	}
	for _, p := range x.posts {
		b.set(p.term, x.stretch)
	}
}

func bitOf(stretch uint64) uint64 { return 1 << (stretch % blockLen) }

func (b *blockIndex) set(t term, stretch uint64) {
	if b.any {
		return
	}
	if b.terms[t] |= bitOf(stretch); len(b.terms) > maxBlockTerms {
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
		if len(t) == 0 {
			b.coarse |= bitOf(stretch)
			return true, nil
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
func (b *blockIndex) entries(last uint64) (all []indexEntry) {
	bytesOf := func(bits uint64) []byte { return binary.BigEndian.AppendUint64(nil, bits) }
	switch {
	case b.any:
		return []indexEntry{{anyKey(last), []byte{1}}}
	case b.coarse != 0:
		all = append(all, indexEntry{anyKey(last), bytesOf(b.coarse)})
	}
	for _, t := range slices.Sorted(maps.Keys(b.terms)) {
		all = append(all, indexEntry{indexKey(last, ofBlock, t), bytesOf(b.terms[t])})
	}
	return all
}

// blockBits is which stretches of a block may have the term, or where they are coarse the
// one that stands for it there.
func blockBits(s *store.Snapshot, last uint64, t, coarse term) (uint64, error) {
	are := s.Get(store.Trail, anyKey(last))
	if len(are) == 1 {
		return ^uint64(0), nil
	}
	inCoarse, err := asBits(are)
	if err != nil {
		return 0, err
	}
	set, err := asBits(s.Get(store.Trail, indexKey(last, ofBlock, t)))
	if err != nil || inCoarse == 0 {
		return set, err
	}
	others, err := asBits(s.Get(store.Trail, indexKey(last, ofBlock, coarse)))
	return set&^inCoarse | others&inCoarse, err
}

// asBits is a value of 8 bytes, 0 where there is none.
func asBits(v []byte) (uint64, error) {
	switch len(v) {
	case 0:
		return 0, nil
	case 8:
		return binary.BigEndian.Uint64(v), nil
	}
	return 0, badIndexes("an entry is malformed")
}
