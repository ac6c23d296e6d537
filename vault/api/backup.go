package api

import "time"

// BackupRequest is the body of POST /v1/vault/backup.
type BackupRequest struct {
	Passphrase *string `json:"passphrase,omitempty"` // the caller's approval passphrase
}

// BackupInfo says what a backup is: headers of the answer that is one.
type BackupInfo struct {
	Tenant string
	Size   int64    // bytes
	SHA256 string   // 64 hex digits
	Events uint64   // of its trail
	Head   string   // hash of the newest, 64 hex digits
	Slots  []string // the kinds that open it, each once: "file", "passphrase"
}

// Backups says how the backups stand that the daemon takes by itself.
type Backups struct {
	To           string     `json:"to"` // the folder
	Every        TTL        `json:"every"`
	Keep         int        `json:"keep"`
	TakenAt      *time.Time `json:"taken_at"` // the newest; null: none yet
	Failure      string     `json:"failure,omitempty"`
	FailingSince *time.Time `json:"failing_since,omitempty"`
}

// The headers of a backup.
const (
	BackupTenant = "Assd-Tenant"
	BackupDigest = "Repr-Digest" // RFC 9530: sha-256=:BASE64:
	BackupEvents = "Assd-Events"
	BackupHead   = "Assd-Head"
	BackupSlots  = "Assd-Slots" // comma-separated
)
