package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Signer is a key that signs heads, from the event on that names it. That one is
// signed for by the key before as well.
type Signer struct {
	Epoch uint64 `json:"epoch"`
	Since uint64 `json:"since"` // sequence number of the event that names it
	Key   Key    `json:"key"`
}

// Lineage is the keys of one vault, the first and newest at its ends: each was named
// by an event that the one before it has signed.
type Lineage []Signer

// Newest is the key that signs now.
func (l Lineage) Newest() Signer {
	if len(l) == 0 {
		return Signer{}
	}
	return l[len(l)-1]
}

// Of is the key of an epoch; nil: there is none.
func (l Lineage) Of(epoch uint64) Key {
	for _, s := range l {
		if s.Epoch == epoch {
			return s.Key
		}
	}
	return nil
}

// span is which events the key of an epoch signs: up to the one that names the next key,
// which both sign. There has to be such a key.
func (l Lineage) span(epoch uint64) (first, last uint64) {
	i := slices.IndexFunc(l, func(s Signer) bool { return s.Epoch == epoch })
	if i+1 < len(l) {
		return l[i].Since, l[i+1].Since
	}
	return l[i].Since, math.MaxUint64
}

// Has reports whether k is one of them.
func (l Lineage) Has(k Key) bool {
	for _, s := range l {
		if s.Key.Equal(k) {
			return true
		}
	}
	return false
}

// Signs reports whether the key of the signature's epoch made it of h.
func (l Lineage) Signs(tenant string, h Head, s Signature) bool {
	key := l.Of(s.Epoch)
	h.Epoch = s.Epoch
	return key != nil && h.Verify(tenant, key, s.Bytes)
}

// The events that name keys.
const (
	beginning = "vault.init"
	rotation  = "audit.rotate_key"
)

// naming is what such an event says.
type naming struct {
	Action string `json:"action"`
	Vault  *struct {
		Tenant string `json:"tenant"`
		Key    Key    `json:"verify_key"`
		Epoch  uint64 `json:"epoch"`
	} `json:"vault"`
}

func parseNaming(event []byte, action string) (n naming, err error) {
	if json.Unmarshal(event, &n) != nil || n.Action != action || n.Vault == nil || n.Vault.Key == nil {
		return n, fmt.Errorf("it is no %s event with a verification key", action)
	}
	return n, nil
}

// Begin is the lineage that event 1 begins, and the tenant it is of.
func Begin(event []byte) (tenant string, l Lineage, err error) {
	n, err := parseNaming(event, beginning)
	if err != nil {
		return "", nil, err
	}
	return n.Vault.Tenant, Lineage{{n.Vault.Epoch, 1, n.Vault.Key}}, nil
}

// with is l and the key that the event seq names.
func (l Lineage) with(tenant string, seq uint64, event []byte) (Lineage, error) {
	n, err := parseNaming(event, rotation)
	switch {
	case err != nil:
		return nil, err
	case n.Vault.Tenant != tenant:
		return nil, errors.New("it names a key of another vault")
	case n.Vault.Epoch != l.Newest().Epoch+1 || l.Has(n.Vault.Key):
		return nil, errors.New("it names no new key of the next epoch")
	}
	return append(l[:len(l):len(l)], Signer{n.Vault.Epoch, seq, n.Vault.Key}), nil
}

// Rotation proves that a key was followed by another, to whoever trusts the one
// before.
type Rotation struct {
	Seq        uint64 `json:"seq"`
	Prev       Hash   `json:"prev"`
	Event      string `json:"event"`      // as stored
	Signatures []byte `json:"signatures"` // as stored: the old key's and the new one's
}

// Extend is l and the key that r names, if both keys have signed for that.
func (l Lineage) Extend(tenant string, r Rotation) (Lineage, error) {
	next, err := l.with(tenant, r.Seq, []byte(r.Event))
	if err != nil {
		return nil, fmt.Errorf("following the signing keys at event %d: %w", r.Seq, err)
	}
	signatures, err := ParseSignatures(r.Signatures)
	h := Head{Seq: r.Seq, Hash: Link(r.Seq, r.Prev, []byte(r.Event))}
	if err != nil || !next.changesAt(signatures) || !next.Signs(tenant, h, signatures[0]) || !next.Signs(tenant, h, signatures[1]) {
		return nil, fmt.Errorf("following the signing keys at event %d: the old and the new key have not both signed it", r.Seq)
	}
	return next, nil
}

// changesAt reports whether the signatures are by the two newest keys, in their order.
func (l Lineage) changesAt(signatures []Signature) bool {
	return len(l) > 1 && len(signatures) == 2 &&
		signatures[0].Epoch == l[len(l)-2].Epoch && signatures[1].Epoch == l.Newest().Epoch
}
