package audit

import (
	"bytes"
	"encoding/binary"

	"github.com/agent-secret-store/assd/store"
)

// blockIndex is which stretches of a block have a term: a bit each, the lowest for the
// first. By it a query passes over 64 stretches at once.
type blockIndex map[term]uint64

func newBlockIndex() blockIndex { return blockIndex{} }

// add takes in a stretch.
func (b blockIndex) add(x *stretchIndex) {
	for t := range x.posts {
		b.set(t, x.stretch)
	}
}

func (b blockIndex) set(t term, stretch uint64) { b[t] |= 1 << (stretch % blockLen) }

// read takes in a stretch that is indexed in s.
func (b blockIndex) read(s *store.Snapshot, stretch uint64) error {
	prefix := levelKey(stretch, ofStretch)
	return s.Scan(store.Trail, prefix, func(k, _ []byte) (bool, error) {
		t, ok := bytes.CutPrefix(k, prefix)
		if !ok {
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
func (b blockIndex) entries(last uint64) []indexEntry {
	return entriesOf(last, ofBlock, b, func(bits uint64) []byte { return binary.BigEndian.AppendUint64(nil, bits) })
}
