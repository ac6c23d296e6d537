package vault

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// maxSigners is how many keys may have signed one trail before owners get no other one:
// each answer with a checkpoint has them all, about a kilobyte for each, and a client
// takes ten megabytes. A restore has another key all the same, since the backup's may
// sign a fork.
const maxSigners = 1000

// RotateAuditKey has another key sign the trail from now on, for owners. One event
// names it, signed for by both, and takes the old private key out of the file; it is
// there still in older copies, and in freed pages until the file is compacted.
func (v *Vault) RotateAuditKey(ctx context.Context, req Request, want api.KeyRotation) (out api.KeyRotated, err error) {
	if req, err = v.stepUp(ctx, req, want.Passphrase); err != nil {
		return out, err
	}
	public, next, _ := ed25519.GenerateKey(rand.Reader)
	defer clear(next)
	kept := append(ed25519.PrivateKey(nil), next...) // the log's own
	err = v.do(ctx, on("audit.rotate_key"), req, func(a *act) error {
		if err := a.ownerOnly(audit.AuditRotateKey); err != nil {
			return err
		}
		st, err := v.state(a.tx)
		if err != nil {
			return err
		}
		changes, err := v.nextSigner(a.tx, st, next)
		if err != nil {
			return err
		}
		out = api.KeyRotated{VerifyKey: chain.Key(public).String(), Epoch: st.Epoch + 1, Seq: v.log.Next()}
		return v.log.Rotate(a.tx, a.event(audit.AuditRotateKey), kept, changes...)
	})
	return out, err
}

// nextSigner is newSigner for an owner who wants another key: CONFLICT where the trail
// has had too many.
func (v *Vault) nextSigner(tx *store.Tx, old *state, next ed25519.PrivateKey) ([]audit.Change, error) {
	keys, err := v.lineageIn(tx, v.VerifyKey())
	if err != nil {
		return nil, err
	}
	if len(keys) >= cmp.Or(v.cfg.mostSigners, maxSigners) {
		return nil, api.New(api.CodeConflict, fmt.Sprintf("the signing key was changed %d times, and no oftener is possible", len(keys)-1)).
			WithHint("keep the key there is")
	}
	return v.signerAfter(keys, old, next)
}

// newSigner are the records that change with the signing key.
func (v *Vault) newSigner(tx *store.Tx, old *state, next ed25519.PrivateKey) ([]audit.Change, error) {
	keys, err := v.lineageIn(tx, v.VerifyKey())
	if err != nil {
		return nil, err
	}
	return v.signerAfter(keys, old, next)
}

// signerAfter is newSigner with the keys of before.
func (v *Vault) signerAfter(keys chain.Lineage, old *state, next ed25519.PrivateKey) ([]audit.Change, error) {
	st := *old
	st.AuditKey, st.Epoch = newID("aud"), old.Epoch+1
	blob, err := v.root().Seal(seal.RoleAudit, v.tenant, st.AuditKey, next.Seed())
	if err != nil {
		return nil, err
	}
	signer := chain.Signer{Epoch: st.Epoch, Since: v.log.Next(), Key: chain.Key(next.Public().(ed25519.PublicKey))}
	return []audit.Change{
		put(store.Vault, stateKey, st),
		put(store.Vault, signersKey, signers{append(keys[:len(keys):len(keys)], signer)}),
		put(store.Keys, auditKeyName(st), sealedKey{blob}),
		remove(store.Keys, auditKeyName(*old)),
	}, nil
}
