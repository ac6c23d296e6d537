package api

import "time"

// KEKRotation is the body of POST /v1/vault/rotate-kek.
type KEKRotation struct {
	Passphrase *string `json:"passphrase,omitempty"`
	Root       bool    `json:"root,omitempty"` // another root key too
	// With Root: passphrases of slots, so that these open the vault from then on as well.
	SlotPassphrases []string `json:"slot_passphrases,omitempty"`
	DropOthers      bool     `json:"drop_others,omitempty"` // slots whose secret is not at hand go
}

// KEKRotated is its answer: the keys from now on. What was sealed before is wrapped anew
// in the background.
type KEKRotated struct {
	KEK       string `json:"kek"`        // id of the keyring that seals
	Replaced  string `json:"replaced"`   // id of the one before it
	VerifyKey string `json:"verify_key"` // of the trail
	Epoch     uint64 `json:"epoch"`
	Seq       uint64 `json:"seq"` // of the event

	Root         bool     `json:"root,omitempty"`          // there is another root key too
	DroppedSlots []string `json:"dropped_slots,omitempty"` // ids of those that went
}

// VaultStatus is the answer of GET /v1/vault/status.
type VaultStatus struct {
	Tenant    string    `json:"tenant"`
	Sealed    bool      `json:"sealed"`
	Claimed   bool      `json:"claimed"`
	Format    int       `json:"format"`     // of the data file
	FileBytes uint64    `json:"file_bytes"` // of the data file
	FreeBytes uint64    `json:"free_bytes"` // of these, in pages that are free
	KEK       string    `json:"kek"`        // id of the keyring that seals values
	KEKSince  time.Time `json:"kek_since"`
	Epoch     uint64    `json:"epoch"` // of the key that signs the trail
	Slots     int       `json:"slots"`
	Turn      *KeyTurn  `json:"rotation,omitempty"` // absent: none is under way
}

// KeyTurn is how far it is to turn over the keys.
type KeyTurn struct {
	Stage    string    `json:"stage"`    // KeyTurnAuthenticating, KeyTurnRewrapping or KeyTurnCompacting
	Replaced string    `json:"replaced"` // id of the keyring that is to be destroyed
	Since    time.Time `json:"since"`
	Done     int       `json:"done"`              // values that are wrapped anew, or records authenticated anew
	Total    int       `json:"total"`             // 0: not counted yet
	Problem  string    `json:"problem,omitempty"` // why it does not go on
}

// The stages.
const (
	KeyTurnAuthenticating = "authenticating" // with another root key only
	KeyTurnRewrapping     = "rewrapping"
	KeyTurnCompacting     = "compacting"
)
