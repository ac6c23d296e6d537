package api

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

// The headers of a backup.
const (
	BackupTenant = "Assd-Tenant"
	BackupDigest = "Repr-Digest" // RFC 9530: sha-256=:BASE64:
	BackupEvents = "Assd-Events"
	BackupHead   = "Assd-Head"
	BackupSlots  = "Assd-Slots" // comma-separated
)
