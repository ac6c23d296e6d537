package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/agent-secret-store/assd/store"
)

const (
	chainLabel = "ass-audit-v1\n"
	headLabel  = "ass-head-v1\n"
)

// Hash is one link of the chain.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes h in hex.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads 64 hex digits.
func (h *Hash) UnmarshalText(b []byte) error {
	if len(b) != hex.EncodedLen(len(h)) {
		return errors.New("reading hash: not 64 hex digits")
	}
	if _, err := hex.Decode(h[:], b); err != nil {
		return errors.New("reading hash: not 64 hex digits")
	}
	return nil
}

// link is hash(seq) = SHA-256(label ‖ seq ‖ prev ‖ event bytes).
func link(seq uint64, prev Hash, event []byte) (h Hash) {
	d := sha256.New()
	d.Write([]byte(chainLabel))
	d.Write(seqKey(seq))
	d.Write(prev[:])
	d.Write(event)
	d.Sum(h[:0])
	return h
}

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

// Head is how far a chain has come.
type Head struct {
	Epoch uint64 `json:"epoch"`
	Seq   uint64 `json:"seq"`
	Hash  Hash   `json:"hash"`
}

// message is what the audit key signs, and the only thing it signs.
func (h Head) message(tenant string) []byte {
	b := append([]byte(headLabel), tenant...)
	b = binary.BigEndian.AppendUint64(b, h.Epoch)
	b = binary.BigEndian.AppendUint64(b, h.Seq)
	return append(b, h.Hash[:]...)
}

// signedHead is the value of a signed head: epoch ‖ signature.
func signedHead(h Head, tenant string, key ed25519.PrivateKey) (value, signature []byte) {
	signature = ed25519.Sign(key, h.message(tenant))
	return append(binary.BigEndian.AppendUint64(nil, h.Epoch), signature...), signature
}

var errHead = errors.New("malformed signed head")

func parseHead(v []byte) (epoch uint64, signature []byte, err error) {
	if len(v) != 8+ed25519.SignatureSize {
		return 0, nil, errHead
	}
	return binary.BigEndian.Uint64(v), v[8:], nil
}

const keyPrefix = "ed25519:"

// FormatKey prints a verification key: "ed25519:" and base64.
func FormatKey(k ed25519.PublicKey) string {
	return keyPrefix + base64.StdEncoding.EncodeToString(k)
}

// ParseKey reads what FormatKey prints.
func ParseKey(s string) (ed25519.PublicKey, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(strings.TrimPrefix(s, keyPrefix))
	if err != nil || !strings.HasPrefix(s, keyPrefix) || len(b) != ed25519.PublicKeySize {
		return nil, errors.New(`reading verification key: want "ed25519:" and 44 characters of base64`)
	}
	return b, nil
}
