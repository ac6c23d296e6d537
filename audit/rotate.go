package audit

import (
	"crypto/ed25519"
	"fmt"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
)

// Rotate writes e as the event that names next as the key which signs from now on,
// with the records that it changes. The head that ends with it is signed by the old key
// and by the new one, at once and not when the commit ends: what others write in the
// same commit is the new one's already.
func (l *Log) Rotate(tx *store.Tx, e Event, next ed25519.PrivateKey, changes ...Change) error {
	was := l.cfg
	key := chain.Key(next.Public().(ed25519.PublicKey))
	e.Action, e.Outcome = AuditRotateKey, OK
	e.Vault = &Birth{Tenant: was.Tenant, VerifyKey: key.String(), Epoch: was.Epoch + 1}
	if _, err := l.Append(tx, e, changes...); err != nil {
		return err
	}
	head, signed, sig := l.head, l.signed, l.sig
	last := chain.Sign(head, was.Tenant, was.Signer)
	l.cfg.Epoch, l.cfg.Signer, l.head.Epoch = was.Epoch+1, next, was.Epoch+1
	first := chain.Sign(l.head, was.Tenant, next)
	l.signed, l.sig = l.head, first.Bytes
	tx.OnUndo(func() { // what else cfg has is read beside the writer
		l.cfg.Epoch, l.cfg.Signer = was.Epoch, was.Signer
		l.head, l.signed, l.sig = head, signed, sig
	})
	if err := tx.Put(store.Audit, headKey(head.Seq), chain.FormatSignatures(last, first)); err != nil {
		return fmt.Errorf("signing for the new key: %w", err)
	}
	return nil
}

// RotationAt is the proof that the key which event seq names follows the one before.
func RotationAt(r store.Reader, seq uint64) (rot chain.Rotation, err error) {
	e, err := readEntry(r, seq)
	if err != nil || seq < 2 {
		return rot, brokenAt(seq, "it is missing or malformed")
	}
	before, err := readEntry(r, seq-1)
	if err != nil {
		return rot, brokenAt(seq-1, "it is missing or malformed")
	}
	signatures := append([]byte(nil), r.Get(store.Audit, headKey(seq))...)
	return chain.Rotation{Seq: seq, Prev: before.Hash, Event: string(e.Bytes), Signatures: signatures}, nil
}
