package vault

import (
	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
)

// signers is the record at vault/signers: the keys that have signed heads, the one
// that does now at the end. A vault that has only had its first key has none.
//
// It is a short way to what the trail says: a start needs the keys to read a head file
// from before the newest one, and does not walk the trail for them.
type signers struct {
	Keys chain.Lineage `json:"keys"`
}

const signersKey = "signers"

// lineageIn is the keys that have signed heads, in r. Where that has only had the first
// one, it is newest: the key of the newest head, as it was before r was.
func (v *Vault) lineageIn(r store.Reader, newest string) (chain.Lineage, error) {
	rec, err := load[signers](v, r, store.Vault, signersKey)
	if err != nil {
		return nil, err
	}
	if rec != nil {
		return rec.Keys, nil
	}
	st, err := v.state(r)
	if err != nil {
		return nil, err
	}
	key, err := audit.ParseKey(newest)
	return chain.Lineage{{Epoch: st.Epoch, Since: 1, Key: key}}, err
}

// lineage is lineageIn what is committed.
func (v *Vault) lineage() (keys chain.Lineage, err error) {
	newest := v.VerifyKey()
	err = v.db.View(func(s *store.Snapshot) error {
		keys, err = v.lineageIn(s, newest)
		return err
	})
	return keys, err
}
