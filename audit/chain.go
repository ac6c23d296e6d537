package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
)

// What can be checked without a vault, [chain] owns.
type (
	Hash = chain.Hash
	Head = chain.Head
)

// FormatKey prints a verification key: "ed25519:" and base64.
func FormatKey(k ed25519.PublicKey) string { return chain.Key(k).String() }

// ParseKey reads what FormatKey prints.
func ParseKey(s string) (chain.Key, error) { return chain.ParseKey(s) }

// seqKey is a sequence number as a bucket key: 8 bytes, big-endian.
func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// headKey is where the signed head of event seq lies: right behind the event, in
// the same bucket, so that a commit touches one place of the file and not two.
func headKey(seq uint64) []byte { return append(seqKey(seq), headMark) }

const headMark = 'h'

// parseKey takes a key of the audit bucket apart: an event's, or a head's.
func parseKey(k []byte) (seq uint64, head, ok bool) {
	switch {
	case len(k) == 8:
		return binary.BigEndian.Uint64(k), false, true
	case len(k) == 9 && k[8] == headMark:
		return binary.BigEndian.Uint64(k), true, true
	}
	return 0, false, false
}

// Entry is one event as stored: its link and its bytes.
type Entry struct {
	Seq   uint64
	Hash  Hash
	Bytes []byte
}

var errEntry = errors.New("malformed entry of the trail")

func parseEntry(k, v []byte) (Entry, error) {
	if len(k) != 8 || len(v) <= sha256.Size {
		return Entry{}, errEntry
	}
	e := Entry{Seq: binary.BigEndian.Uint64(k), Bytes: v[sha256.Size:]}
	copy(e.Hash[:], v)
	return e, nil
}

func readEntry(r store.Reader, seq uint64) (Entry, error) {
	k := seqKey(seq)
	return parseEntry(k, r.Get(store.Audit, k))
}
