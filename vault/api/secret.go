package api

import "time"

// Secret answers GET /v1/secrets/{ns}/{KEY}.
type Secret struct {
	Value string `json:"value"`
	SecretInfo
}

// SecretInfo describes a secret without its value. It answers PUT, and the
// listings repeat it.
type SecretInfo struct {
	ID         string         `json:"id"`
	Namespace  string         `json:"namespace"`
	Key        string         `json:"key"`
	Version    uint64         `json:"version"`
	SecretType string         `json:"secret_type"`
	AccessTier string         `json:"access_tier"`
	Metadata   map[string]any `json:"metadata"` // encrypted with the value; null in listings
	CreatedAt  time.Time      `json:"created_at"`
	UpdatedAt  time.Time      `json:"updated_at"`
	// RotationPending says that somebody has asked for a new value that no
	// one has stored yet.
	RotationPending bool `json:"rotation_pending"`
	// ExpiresAt is when the version expires: then the secret is not there any more
	// for agents, and for owners it is marked as expired.
	ExpiresAt *time.Time `json:"expires_at"`
	Expired   bool       `json:"expired"`
}

// SecretList answers the listings. Namespace is empty when the whole vault
// was asked for.
type SecretList struct {
	Namespace string       `json:"namespace"`
	Items     []SecretInfo `json:"items"`
}

// SecretWrite is the body of PUT /v1/secrets/{ns}/{KEY}.
type SecretWrite struct {
	Value      *string        `json:"value"`
	SecretType string         `json:"secret_type,omitempty"` // absent: keeps the type, "custom" when new
	AccessTier string         `json:"access_tier,omitempty"` // absent: keeps the tier, "standard" when new
	Metadata   map[string]any `json:"metadata,omitempty"`
	LowerTier  bool           `json:"lower_tier,omitempty"` // owners only: AccessTier may be below the tier in force
	ExpiresAt  *Expiry        `json:"expires_at,omitempty"` // absent: never, whenever the version before did
}

// SecretVersion is one kept version of a secret, without its value.
type SecretVersion struct {
	Version       uint64     `json:"version"`
	CreatedAt     time.Time  `json:"created_at"`
	CreatedBy     string     `json:"created_by"`      // name of the owner or agent, or "assd"
	CreatedByKind string     `json:"created_by_kind"` // "owner", "agent" or "daemon"
	Current       bool       `json:"current"`
	ReplacedAt    *time.Time `json:"replaced_at"` // null: it is the current one
	ExpiresAt     *time.Time `json:"expires_at"`
	Expired       bool       `json:"expired"`
}

// SecretVersions answers GET /v1/secrets/{ns}/{KEY}/versions, newest first.
type SecretVersions struct {
	Namespace string          `json:"namespace"`
	Key       string          `json:"key"`
	Items     []SecretVersion `json:"items"`
}

// SecretRollback is the body of POST /v1/secrets/{ns}/{KEY}/rollback: which version's
// value becomes the next one.
type SecretRollback struct {
	Version *uint64 `json:"version"`
}

// Namespace is one line of GET /v1/namespaces.
type Namespace struct {
	Name        string `json:"name"`
	Namespace   string `json:"namespace"` // the same, under the name the listings use
	SecretCount int    `json:"secret_count"`
}

// Namespaces answers GET /v1/namespaces.
type Namespaces struct {
	Items []Namespace `json:"items"`
}
