package vault

import (
	"cmp"
	"fmt"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

// state is the record at vault/state: what the vault is, and whether it has been
// claimed. It is written by vault.init, by the claim, when the approval
// passphrase is first set and when all is sealed to it, when one that was lost is
// replaced, and when keys are.
type state struct {
	Tenant    string    `json:"tenant"`
	Epoch     uint64    `json:"epoch"`
	Created   time.Time `json:"created"`
	KEK       string    `json:"kek"`       // id of the keyring that seals new values
	AuditKey  string    `json:"audit_key"` // id of the key that signs heads
	TokenKey  string    `json:"token_key"` // id of the key that signs tokens
	ClaimedAt time.Time `json:"claimed_at,omitzero"`
	ClaimedBy string    `json:"claimed_by,omitempty"` // where the claim came from
	Claimant  string    `json:"claimant,omitempty"`   // name of the first owner

	// ApprovalKey is the id of the key that values are sealed to which need a
	// person; "" until somebody has set an approval passphrase.
	ApprovalKey string `json:"approval_key,omitempty"`
	// ApprovalTenant is the tenant that the approval key is bound to, with all that is
	// sealed to it; "": this one. It is another's in a vault that was made of a backup,
	// whose values nobody could open for that.
	ApprovalTenant string `json:"approval_tenant,omitempty"`
	// Resealing says that older values are not all sealed to it yet, or that what
	// they were lies in free pages still.
	Resealing bool `json:"resealing,omitempty"`

	// OtherTokenKey says that the token key is not the vault's first one: tokens whose
	// records name none are void.
	OtherTokenKey bool `json:"other_token_key,omitempty"`
	// KEKSince is since when KEK seals; zero: since Created.
	KEKSince time.Time `json:"kek_since,omitzero"`
	Turn     turn      `json:"turn,omitzero"`
	// Restored is the last restore from a backup.
	Restored restoration `json:"restored,omitzero"`
}

const stateKey = "state"

func (v *Vault) state(r store.Reader) (*state, error) {
	s, err := load[state](v, r, store.Vault, stateKey)
	if err == nil && s == nil {
		err = &audit.TamperError{What: "record vault/state", Problem: "it is missing"}
	}
	return s, err
}

// keyTenant is the tenant that the approval key is bound to.
func (s *state) keyTenant() string { return cmp.Or(s.ApprovalTenant, s.Tenant) }

// tenantOf is the tenant that the approval key of that id is bound to: a new one, which is
// not in force yet, to this vault's.
func (v *Vault) tenantOf(r store.Reader, key string) (string, error) {
	st, err := v.state(r)
	if err != nil || st.ApprovalKey != key {
		return v.tenant, err
	}
	return st.keyTenant(), nil
}

// tenantNow is tenantOf what is committed.
func (v *Vault) tenantNow(key string) (tenant string, err error) {
	err = v.db.View(func(s *store.Snapshot) error {
		tenant, err = v.tenantOf(s, key)
		return err
	})
	return tenant, err
}

// everClaimed reports whether the trail knows a first owner, whatever the state
// record says: the record could have been put back.
func everClaimed(r store.Reader) (bool, error) {
	found := false
	err := audit.Walk(r, func(s audit.Stored) bool {
		found = s.Action == audit.OwnerCreate
		return !found
	})
	if err != nil {
		return false, fmt.Errorf("looking for a claim in the trail: %w", err)
	}
	return found, nil
}
