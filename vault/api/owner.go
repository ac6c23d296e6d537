package api

import "time"

// PassphraseChange is the body of POST /v1/vault/passphrase: an owner changes its
// own approval passphrase.
type PassphraseChange struct {
	Passphrase    *string `json:"passphrase"` // the old one
	NewPassphrase *string `json:"new_passphrase"`
}

// OwnerCreate is the body of POST /v1/owners.
type OwnerCreate struct {
	Name       string  `json:"name"`
	Passphrase *string `json:"passphrase,omitempty"`
}

// OwnerRevoke is the body of POST /v1/owners/{id}/revoke.
type OwnerRevoke struct {
	Passphrase *string `json:"passphrase,omitempty"`
}

// Owner describes a person who owns the vault, never the key.
type Owner struct {
	ID            string     `json:"id"`
	Name          string     `json:"name"`
	APIKeyPrefix  string     `json:"api_key_prefix"`
	HasPassphrase bool       `json:"has_passphrase"`
	CreatedAt     time.Time  `json:"created_at"`
	LastActiveAt  *time.Time `json:"last_active_at"`
}

// OwnerCreated answers POST /v1/owners, the only time the key is shown, and the
// passphrase that the new owner is to change.
type OwnerCreated struct {
	Owner
	APIKey            string  `json:"api_key"`
	InitialPassphrase *string `json:"initial_passphrase"` // null without an approval passphrase
}

// Owners answers GET /v1/owners: the living ones, oldest first.
type Owners struct {
	Items []Owner `json:"items"`
}

// ClaimRequest is the body of POST /v1/vault/claim.
type ClaimRequest struct {
	Passphrase *string `json:"passphrase,omitempty"` // to be the approval passphrase
}

// Claim answers POST /v1/vault/claim, once in a vault's life.
type Claim struct {
	OwnerKey  string `json:"owner_key"`
	OwnerID   string `json:"owner_id"`
	Name      string `json:"name"`
	Tenant    string `json:"tenant"`
	VerifyKey string `json:"verify_key"`
	// RecoveryPassphrase opens what the approval passphrase opens, when that is
	// lost; absent without one.
	RecoveryPassphrase string `json:"recovery_passphrase,omitempty"`
}
