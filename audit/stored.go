package audit

import (
	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
)

// Stored is an event with its place in the trail.
type Stored struct {
	Seq uint64
	Event
}

// HashAt is the hash of that event, held against its bytes.
func HashAt(r store.Reader, seq uint64) (Hash, error) {
	if _, err := Read(r, seq); err != nil {
		return Hash{}, err
	}
	e, err := readEntry(r, seq)
	return e.Hash, err
}

// Read is the event of that sequence number, held against its link; what was changed
// under the daemon is a *TamperError.
func Read(r store.Reader, seq uint64) (Stored, error) {
	e, err := readEntry(r, seq)
	if err != nil {
		return Stored{}, brokenAt(seq, "it is missing or malformed")
	}
	var before Entry
	if seq > 1 {
		if before, err = readEntry(r, seq-1); err != nil {
			return Stored{}, brokenAt(seq-1, "it is missing or malformed")
		}
	}
	ev, err := DecodeEvent(e.Bytes)
	if err != nil || chain.Link(seq, before.Hash, e.Bytes) != e.Hash {
		return Stored{}, brokenAt(seq, "it was changed: its hash does not match")
	}
	return Stored{seq, ev}, nil
}

func decodeStored(k, v []byte) (Stored, error) {
	e, err := parseEntry(k, v)
	if err != nil {
		return Stored{}, err
	}
	ev, err := DecodeEvent(e.Bytes)
	return Stored{e.Seq, ev}, err
}

// Walk calls fn with each event, oldest first, until it returns false. It holds
// r for as long as that takes: it is for short walks.
func Walk(r store.Reader, fn func(Stored) bool) error {
	return r.Scan(store.Audit, seqKey(1), func(k, v []byte) (bool, error) {
		if _, head, _ := parseKey(k); head {
			return true, nil
		}
		st, err := decodeStored(k, v)
		if err != nil {
			return false, err
		}
		return fn(st), nil
	})
}

// Heads is how many signed heads the trail has, counted up to most.
func Heads(r store.Reader, most int) (n int, err error) {
	err = r.Scan(store.Audit, nil, func(k, _ []byte) (bool, error) {
		if _, head, _ := parseKey(k); head {
			n++
		}
		return n < most, nil
	})
	return n, err
}
