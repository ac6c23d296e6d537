package api

import "time"

// Lockdown says whether the vault is locked down. It answers POST
// /v1/vault/lockdown and /lift.
type Lockdown struct {
	Locked bool       `json:"locked"`
	Since  *time.Time `json:"since"`
	By     string     `json:"by"` // name of the owner or agent
	Reason string     `json:"reason"`
}

// LockdownRequest is the body of POST /v1/vault/lockdown.
type LockdownRequest struct {
	Reason string `json:"reason,omitempty"`
}

// LiftRequest is the body of POST /v1/vault/lift.
type LiftRequest struct {
	Reason     string  `json:"reason,omitempty"`
	Passphrase *string `json:"passphrase,omitempty"`
}
