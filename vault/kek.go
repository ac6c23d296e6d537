package vault

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/envelope"
	"github.com/agent-secret-store/assd/vault/seal"
)

// turn is what is left to be done for a KEK that was replaced. In the commit that
// begins it new keys are there, and the vault seals with them; in the one that ends the
// first stage the old sealed keyset is removed; in the one that ends the second nothing
// of it is in the file any more.
type turn struct {
	Old   string    `json:"old"`   // id of the keyring that was replaced
	Stage string    `json:"stage"` // "": nothing is left
	Begun time.Time `json:"begun"`
	Gone  time.Time `json:"gone,omitzero"` // when the old sealed keyset was removed

	Root      string `json:"root,omitempty"`       // id of the record of the root key that was replaced; "": it stays
	RootSince uint64 `json:"root_since,omitempty"` // the event with which that one ended
}

// The stages of a turn.
const (
	stageRecords = api.KeyTurnAuthenticating // some records are authenticated by the old root key still
	stageRewrap  = api.KeyTurnRewrapping     // the DEKs of some values are wrapped by the old keyring still
	stageCompact = api.KeyTurnCompacting     // none is, but free pages hold what was
)

// newKeys are the keys that come in place of those there are.
type newKeys struct {
	keyring  *envelope.Keyring
	token    ed25519.PrivateKey
	audit    ed25519.PrivateKey
	tokenKey *tokenKey
	root     *rootTurn // nil: it stays
}

func (v *Vault) makeKeys() (k newKeys, err error) {
	_, k.token, _ = ed25519.GenerateKey(rand.Reader)
	_, k.audit, _ = ed25519.GenerateKey(rand.Reader)
	if k.tokenKey, err = newTokenKey(newID("jwk"), v.tenant, k.token); err != nil {
		return k, err
	}
	k.keyring, err = envelope.NewKeyring(newID("kek"))
	return k, err
}

// RotateKEK has another keyring seal values from now on, another key sign tokens, so
// that those from before are void, and another one the trail; for owners. The DEKs of
// what is there are wrapped anew while the vault goes on serving; then the old keyring
// is destroyed, and an event says so. Values that are sealed to the approval key are
// not the KEK's, and stay as they are. With want.Root another root key comes as well: all
// keys are sealed under it, the slots wrap it, and the records are authenticated anew.
func (v *Vault) RotateKEK(ctx context.Context, req Request, want api.KEKRotation) (out api.KEKRotated, err error) {
	if req, err = v.stepUp(ctx, req, want.Passphrase); err != nil {
		return out, err
	}
	keys, err := v.makeKeys()
	if err != nil {
		return out, asAPI(err)
	}
	if keys.root, err = v.newRoot(ctx, req, want); err != nil {
		return out, asAPI(err)
	}
	err = v.do(ctx, on("kek.rotate"), req, func(a *act) error {
		if err := a.ownerOnly(audit.KEKRotate); err != nil {
			return err
		}
		st, err := v.state(a.tx)
		if err != nil {
			return err
		}
		if st.Turn.Stage != "" {
			return api.New(api.CodeConflict, "the keys are just being turned over, since "+st.Turn.Begun.Format("2006-01-02 15:04:05 MST")).
				WithHint("ass vault status shows how far it is")
		}
		a.ends = true // tokens
		out, err = a.beginTurn(*st, keys, want)
		return err
	})
	if err == nil {
		v.turning.begin()
	}
	return out, err
}

// beginTurn puts the keys in place of those of st.
func (a *act) beginTurn(st state, keys newKeys, want api.KEKRotation) (out api.KEKRotated, err error) {
	v := a.v
	next := st
	next.KEK, next.KEKSince = keys.keyring.ID(), v.log.Now()
	next.TokenKey, next.OtherTokenKey = keys.tokenKey.id, true
	next.Turn = turn{Old: st.KEK, Stage: stageRewrap, Begun: next.KEKSince}
	ev := a.event(audit.KEKRotate)
	ev.Reason = "begun: " + next.KEK + " seals in place of " + st.KEK + ", and tokens from before are void"
	out = api.KEKRotated{KEK: next.KEK, Replaced: st.KEK, Seq: v.log.Next(), Epoch: st.Epoch + 1}
	var moved []audit.Change
	if want.Root {
		if moved, err = a.rootChanges(keys.root, &next, want.DropOthers); err != nil {
			return out, err
		}
		ev.Reason += "; another root key, " + keys.root.describe()
		out.Root, out.DroppedSlots = true, idsOf(keys.root.lost)
	}
	kek, err := keys.keyring.Marshal(v.root(), v.tenant)
	if err != nil {
		return out, err
	}
	token, err := v.root().Seal(seal.RoleToken, v.tenant, next.TokenKey, keys.token.Seed())
	if err != nil {
		return out, err
	}
	if err := a.record(ev, append(moved, put(store.Vault, stateKey, next), put(store.Keys, kekName(next), sealedKey{kek}),
		put(store.Keys, tokenKeyName(next), sealedKey{token}), remove(store.Keys, tokenKeyName(st)))...); err != nil {
		return out, err
	}
	changes, err := v.nextSigner(a.tx, &next, keys.audit)
	if err != nil {
		return out, err
	}
	out.VerifyKey = chain.Key(keys.audit.Public().(ed25519.PublicKey)).String()
	v.take(a.tx, keys)
	return out, v.log.Rotate(a.tx, a.event(audit.AuditRotateKey), keys.audit, changes...)
}

// take has the keys used, by what comes behind in the same commit too.
func (v *Vault) take(tx *store.Tx, keys newKeys) {
	rings, tokens := v.rings.Load(), v.tokens.Load()
	tx.OnUndo(func() {
		v.rings.Store(rings)
		v.tokens.Store(tokens)
	})
	v.rings.Store(&keyrings{now: keys.keyring, old: rings.now})
	v.tokens.Store(keys.tokenKey)
}
