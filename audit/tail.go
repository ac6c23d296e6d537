package audit

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
)

// checkTail checks the newest signed head and the events since the one before
// it, and returns that head and the time of the newest event.
func checkTail(r store.Reader, cfg Config) (SignedHead, time.Time, error) {
	fail := func(seq uint64, problem string) (SignedHead, time.Time, error) {
		return SignedHead{}, time.Time{}, brokenAt(seq, problem)
	}
	newest, err := lastEntry(r)
	if err != nil {
		return fail(newest.Seq, "the trail has no readable last event")
	}
	signed, err := chain.ParseSignatures(r.Get(store.Audit, headKey(newest.Seq)))
	if err != nil {
		return fail(newest.Seq, "the trail does not end at a signed head")
	}
	sig := signed[len(signed)-1] // of the newer key, where it changed
	head, key := Head{Epoch: cfg.Epoch, Seq: newest.Seq, Hash: newest.Hash}, chain.Key(cfg.Signer.Public().(ed25519.PublicKey))
	if sig.Epoch != cfg.Epoch || !head.Verify(cfg.Tenant, key, sig.Bytes) {
		return fail(newest.Seq, "the signature of the newest head does not verify")
	}
	last, seq, err := relink(r, newest.Seq)
	if err != nil {
		return fail(seq, err.Error())
	}
	return SignedHead{head, append([]byte(nil), sig.Bytes...), key}, last, nil
}

func brokenAt(seq uint64, problem string) error {
	return &TamperError{What: fmt.Sprintf("audit event %d", seq), Problem: problem}
}

// lastEntry is the newest event.
func lastEntry(r store.Reader) (Entry, error) {
	k, _ := r.Last(store.Audit)
	seq, _, ok := parseKey(k)
	if !ok {
		return Entry{}, errEntry
	}
	return readEntry(r, seq)
}

// headBefore is the newest event before seq that has a signed head; 0: none.
func headBefore(r store.Reader, seq uint64) (at uint64, err error) {
	err = r.ScanBack(store.Audit, seqKey(seq), func(k, _ []byte) (bool, error) {
		n, head, _ := parseKey(k)
		if head {
			at = n
		}
		return !head, nil
	})
	return at, err
}

// relink recomputes the chain from the signed head before newest, or from the
// beginning, up to newest. It returns the time of the newest event.
func relink(r store.Reader, newest uint64) (time.Time, uint64, error) {
	prev := Hash{}
	from, err := headBefore(r, newest)
	if err != nil {
		return time.Time{}, newest, err
	}
	if from > 0 {
		e, err := readEntry(r, from)
		if err != nil {
			return time.Time{}, from, err
		}
		prev = e.Hash
	}
	var last time.Time
	for seq := from + 1; seq <= newest; seq++ {
		e, err := readEntry(r, seq)
		if err != nil {
			return last, seq, err
		}
		if chain.Link(seq, prev, e.Bytes) != e.Hash {
			return last, seq, fmt.Errorf("its hash does not match")
		}
		ev, err := DecodeEvent(e.Bytes)
		if err != nil {
			return last, seq, err
		}
		prev, last = e.Hash, ev.Time.Time
	}
	return last, newest, nil
}
