package api

// UnsealRequest is the body of POST /v1/vault/unseal.
type UnsealRequest struct {
	// Passphrase of a slot; absent: what the daemon was told to open the vault with is
	// tried again.
	Passphrase *string `json:"passphrase,omitempty"`
}

// Unsealed answers POST /v1/vault/unseal: the vault is open.
type Unsealed struct {
	Sealed bool   `json:"sealed"`       // always false
	Slot   string `json:"slot"`         // id of the slot that it was opened with; "" when it was open already
	Failed int    `json:"failed_tries"` // wrong passphrases while it was sealed
}

// SealRequest is the body of POST /v1/vault/seal.
type SealRequest struct {
	Reason string `json:"reason,omitempty"`
}

// Sealing answers POST /v1/vault/seal: what is under way ends, and the keys go.
type Sealing struct {
	Sealed bool `json:"sealed"` // always true
}
