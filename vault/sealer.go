package vault

import (
	"fmt"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/envelope"
)

// sealer is a keyset that values are sealed to: the KEK, or the approval key's
// public half.
type sealer interface {
	ID() string
	Seal(envelope.Place, envelope.Payload) ([]byte, error)
}

// sealerFor is what values of a tier are sealed to.
func (v *Vault) sealerFor(r store.Reader, t policy.Tier) (sealer, error) {
	if !protected(t) {
		return v.keyring(), nil
	}
	to, err := v.recipient(r)
	if err != nil || to == nil {
		return v.keyring(), err
	}
	st, err := v.state(r)
	if err != nil {
		return nil, err
	}
	return approvalSealer{to, st.keyTenant()}, nil
}

// approvalSealer seals to the approval key, for the tenant that it is bound to.
type approvalSealer struct {
	*envelope.ApprovalRecipient
	tenant string
}

func (s approvalSealer) Seal(p envelope.Place, pay envelope.Payload) ([]byte, error) {
	p.Tenant = s.tenant
	return s.ApprovalRecipient.Seal(p, pay)
}

// BUG(vault): the pages that a raise of a tier frees keep what the KEK opens of the
// older versions, as those of a deletion keep the value, until they are used again or the
// file is compacted: within a week by itself, at once with Compact.

// reseal seals the kept versions that h lists to what its tier is sealed to now,
// those that are not yet: older versions count as the secret. What another KEK has
// sealed is left to the walk that wraps it anew. It changes h, and the values in tx.
func (v *Vault) reseal(tx *store.Tx, p policy.Path, h *header, to sealer, opener string) error {
	copied := false
	for i, ver := range h.Versions {
		by, err := envelope.SealedBy(tx.Get(store.Values, valueKey(h.ID, ver.N)))
		if err != nil || by == to.ID() || v.has(by) && v.has(to.ID()) {
			continue // what is malformed is found when it is opened, and by verify
		}
		next, err := v.resealOne(tx, p, h.ID, ver, to, opener)
		if err != nil {
			return err
		}
		if !copied { // the versions may be those of a record that others read
			h.Versions, copied = append([]version(nil), h.Versions...), true
		}
		h.Versions[i] = next
	}
	return nil
}

func (v *Vault) resealOne(tx *store.Tx, p policy.Path, secretID string, ver version, to sealer, opener string) (version, error) {
	pay, err := v.unseal(tx, p, secretID, ver, opener)
	if err != nil {
		return ver, err
	}
	defer pay.Wipe()
	sealed, err := to.Seal(v.place(secretID, p, ver.N), pay)
	if err != nil {
		return ver, fmt.Errorf("sealing a version anew: %w", err)
	}
	ver.Meta = len(pay.Metadata) > 0
	if ver.Digest, err = envelope.Digest(sealed); err != nil {
		return ver, err
	}
	return ver, tx.Put(store.Values, valueKey(secretID, ver.N), sealed)
}
