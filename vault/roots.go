package vault

import (
	"context"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/seal"
)

// roots are the root key with what it is used for, and the one before it as long as it
// authenticates records.
type roots struct {
	key   *seal.RootKey
	slot  seal.SlotID // that key came from; of a new vault the first
	outer tink.AEAD   // the outer wrap of the approval key's private half

	before      *seal.RootKey // nil: there is none
	outerBefore tink.AEAD     // for who has read a wrap before it was made anew
}

// root is the key that all else is sealed under.
func (v *Vault) root() *seal.RootKey { return v.roots.Load().key }

func (r *roots) wipe() {
	r.key.Wipe()
	if r.before != nil {
		r.before.Wipe()
	}
}

// wipeBefore wipes the root key before, and what was checked with it. Whoever wraps a
// slot does that alone, so nobody uses it now.
func (v *Vault) wipeBefore(before *seal.RootKey) {
	if before == nil {
		return
	}
	v.cache.clear()
	if leave, err := v.tries.alone(context.Background()); err == nil { // never for long
		defer leave()
	}
	before.Wipe()
}

// takeRoot has another root key used, by what comes behind in the same commit too.
func (v *Vault) takeRoot(tx *store.Tx, r *rootTurn) {
	was := v.roots.Load()
	tx.OnUndo(func() { v.roots.Store(was) })
	v.roots.Store(&roots{key: r.key, slot: r.slotAfter(was.slot), outer: r.outer, before: was.key, outerBefore: was.outer})
	v.log.RotateMAC(tx, r.key.Derive(macLabel))
}

// dropOldRoot lets go of the root key before, which authenticates nothing any more.
func (v *Vault) dropOldRoot(tx *store.Tx) {
	was := v.roots.Load()
	tx.OnUndo(func() { v.roots.Store(was) })
	v.roots.Store(&roots{key: was.key, slot: was.slot, outer: was.outer})
	v.log.DropOldMAC(tx)
}
