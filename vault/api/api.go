// Package api holds the wire types and error codes that server and client
// share. It imports nothing of ours and decides nothing: a change here is a
// change of the published HTTP API.
//
// Times are RFC 3339 in UTC. Absent and null mean the same in requests.
package api

import "time"

// Health answers GET /v1/health; it needs no key.
type Health struct {
	Status  string `json:"status"` // "ok", or "failed" once the store or the chain is broken
	Version string `json:"version"`
	Service string `json:"service"` // always "assd"
	Sealed  bool   `json:"sealed"`
}

// Kinds of identity.
const (
	KindOwner = "owner"
	KindAgent = "agent"
)

// Me answers GET /v1/me. Plan and subscription exist because the published
// clients read them; a vault of one's own has no billing.
type Me struct {
	ID                 string `json:"id"`
	Email              string `json:"email"`
	Name               string `json:"name"`
	Plan               string `json:"plan"`
	SubscriptionStatus string `json:"subscription_status"`
	SecretCount        int    `json:"secret_count"` // secrets this caller can reach
	AgentCount         int    `json:"agent_count"`  // living agents; for an agent 1, itself
	NamespaceCount     int    `json:"namespace_count"`
	Tenant             string `json:"tenant"`
	Kind               string `json:"kind"`
	HasSubscription    bool   `json:"has_subscription"`
	// Chain says how the check of the whole audit chain stands: "running",
	// "ok", or what is broken. Owners only.
	Chain string `json:"chain,omitempty"`
	// VerifyKey is the key that signs the heads of the audit chain,
	// "ed25519:" and base64. Compare it with the one kept at login.
	VerifyKey string `json:"verify_key"`
}

// TokenRequest asks for a scoped token: POST /v1/tokens.
type TokenRequest struct {
	Scopes      []string `json:"scopes"`
	TTL         *TTL     `json:"ttl,omitempty"`          // "15m", "1h", "7d" or seconds; absent: 15 minutes
	MaxUses     *int     `json:"max_uses,omitempty"`     // 1 or more; absent: no limit
	IPAllowlist []string `json:"ip_allowlist,omitempty"` // addresses, networks, or "local" for the Unix socket
}

// TokenResponse carries a token; it is shown once.
type TokenResponse struct {
	Token     string    `json:"token"`
	TokenID   string    `json:"token_id"`
	ExpiresAt time.Time `json:"expires_at"`
	Scopes    []string  `json:"scopes"`
	AgentID   string    `json:"agent_id"` // random id of the agent or owner
}

// TokenWaits answers POST /v1/tokens with 202: an owner has to approve first.
type TokenWaits struct {
	RequiresApproval bool     `json:"requires_approval"` // always true
	ApprovalID       string   `json:"approval_id"`
	Message          string   `json:"message"`
	Scopes           []string `json:"scopes"`
}

// Token is a live token as listed by GET /v1/tokens, without the token itself.
type Token struct {
	ID          string    `json:"id"`
	AgentID     string    `json:"agent_id"`
	AgentName   string    `json:"agent_name"`
	Scopes      []string  `json:"scopes"`
	Uses        int       `json:"uses"`
	MaxUses     *int      `json:"max_uses"`
	IPAllowlist []string  `json:"ip_allowlist"`
	CreatedAt   time.Time `json:"created_at"`
	ExpiresAt   time.Time `json:"expires_at"`
}

// Tokens answers GET /v1/tokens.
type Tokens struct {
	Items []Token `json:"items"`
}

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
}

// SecretRotate is the body of POST /v1/secrets/{ns}/{KEY}/rotate: the next value,
// under either name, or neither to ask for one.
type SecretRotate struct {
	Value    *string `json:"value,omitempty"`
	NewValue *string `json:"new_value,omitempty"`
}

// ImportRequest is the body of POST /v1/secrets/import.
type ImportRequest struct {
	Namespace  string         `json:"namespace"`
	Content    *string        `json:"content"` // dotenv text, at most MaxImport bytes
	SecretType string         `json:"secret_type,omitempty"`
	AccessTier string         `json:"access_tier,omitempty"`
	Metadata   map[string]any `json:"metadata,omitempty"`
	Overwrite  *bool          `json:"overwrite,omitempty"` // absent: true; false skips what exists
	DryRun     bool           `json:"dry_run,omitempty"`   // says what would be done, and changes nothing
}

// ImportResponse answers an import. Imported and Keys are the same names, in the
// order of the text.
type ImportResponse struct {
	Namespace     string   `json:"namespace"`
	Imported      []string `json:"imported"`
	ImportedCount int      `json:"imported_count"`
	Keys          []string `json:"keys"`
	Skipped       int      `json:"skipped"` // existed and were not to be overwritten
	DryRun        bool     `json:"dry_run"`
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

// AgentCreate is the body of POST /v1/agents.
type AgentCreate struct {
	Name              string   `json:"name"`
	Description       string   `json:"description,omitempty"`
	AllowedNamespaces []string `json:"allowed_namespaces,omitempty"` // absent or empty: every namespace
	AllowedScopes     []string `json:"allowed_scopes,omitempty"`     // absent or empty: secrets:read:*
}

// Agent describes an agent, never its key.
type Agent struct {
	ID                string     `json:"id"`
	Name              string     `json:"name"`
	Description       *string    `json:"description"`
	APIKeyPrefix      string     `json:"api_key_prefix"`
	AllowedNamespaces []string   `json:"allowed_namespaces"`
	AllowedScopes     []string   `json:"allowed_scopes"`
	Active            bool       `json:"active"`
	CreatedAt         time.Time  `json:"created_at"`
	LastActiveAt      *time.Time `json:"last_active_at"`
}

// AgentCreated answers POST /v1/agents, the only time the key is shown.
type AgentCreated struct {
	Agent
	APIKey string `json:"api_key"`
}

// Agents answers GET /v1/agents: the living ones, oldest first.
type Agents struct {
	Items []Agent `json:"items"`
}

// Statuses of an approval.
const (
	ApprovalPending  = "pending"
	ApprovalApproved = "approved"
	ApprovalDenied   = "denied"
	ApprovalExpired  = "expired"
)

// Approval is an agent's request that waits for an owner, or waited: exactly
// these acts on exactly these secrets. Nothing in it is the agent's own words.
type Approval struct {
	ID              string     `json:"id"`
	AgentID         string     `json:"agent_id"` // the agent's name, as in the audit trail
	ActorID         string     `json:"actor_id"` // its random id
	Status          string     `json:"status"`
	AccessTier      string     `json:"access_tier"`      // the highest among the secrets
	RequestedScopes []string   `json:"requested_scopes"` // secrets:ACTION:PATH each
	Digest          string     `json:"digest"`           // of all that is asked for; an approver may send it back
	Source          string     `json:"source"`           // where the agent asked from
	Reason          *string    `json:"reason"`           // the owner's, once decided
	DecidedBy       *string    `json:"decided_by"`       // the owner's name
	CreatedAt       time.Time  `json:"created_at"`
	ExpiresAt       time.Time  `json:"expires_at"` // of the request; once approved, of what it opens
	ApprovedAt      *time.Time `json:"approved_at"`
	DeniedAt        *time.Time `json:"denied_at"`
	TTL             *TTL       `json:"ttl"`                // of the token that was asked for; null when a key acted, or an older token
	MaxUses         int        `json:"max_uses,omitempty"` // how often all of it together may be used once approved; absent: no limit
	IPAllowlist     []string   `json:"ip_allowlist"`       // where from; empty: anywhere
}

// Approvals answers GET /v1/approvals, newest first.
type Approvals struct {
	Items []Approval `json:"items"`
}

// ApprovalDecision is the body of POST /v1/approvals/{id}/approve and /deny.
type ApprovalDecision struct {
	Reason string `json:"reason,omitempty"`
	Digest string `json:"digest,omitempty"` // what was shown; CONFLICT when it is not what is asked for
}

// Certificate answers GET /v1/vault/certificate: what the daemon shows on TLS.
type Certificate struct {
	Certificate string `json:"certificate"` // PEM
	Fingerprint string `json:"fingerprint"` // of its public key, as --fingerprint takes it
}

// Claim answers POST /v1/vault/claim, once in a vault's life.
type Claim struct {
	OwnerKey  string `json:"owner_key"`
	OwnerID   string `json:"owner_id"`
	Name      string `json:"name"`
	Tenant    string `json:"tenant"`
	VerifyKey string `json:"verify_key"`
}

// AuditEvent is one event of the trail as the API tells it: the stored event,
// with the names beside it under which the published clients look.
type AuditEvent struct {
	Seq        uint64         `json:"seq"`
	ID         string         `json:"id"`
	Timestamp  time.Time      `json:"timestamp"`
	Action     string         `json:"action"`
	Outcome    string         `json:"outcome"`
	AgentID    string         `json:"agent_id"` // the actor's name, as in the table of ass audit
	ActorID    string         `json:"actor_id"` // its random id
	ActorType  string         `json:"actor_type"`
	Namespace  string         `json:"namespace"`
	Resource   string         `json:"resource"` // the key of a secret, else the name or id acted on
	Version    uint64         `json:"version,omitempty"`
	Reason     string         `json:"reason,omitempty"`
	Source     string         `json:"source,omitempty"` // "local uid 1000 pid 4242" or an address
	RequestID  string         `json:"request_id,omitempty"`
	TokenID    string         `json:"token_id,omitempty"`
	ApprovalID string         `json:"approval_id,omitempty"`
	Count      int            `json:"count,omitempty"` // how many equal refusals this event stands for
	EventType  string         `json:"event_type"`      // action again
	CreatedAt  time.Time      `json:"created_at"`      // timestamp again
	ResType    string         `json:"resource_type"`
	ResID      *string        `json:"resource_id"`
	IPAddress  *string        `json:"ip_address"`
	Metadata   map[string]any `json:"metadata"`
}

// AuditPage answers GET /v1/audit, newest first.
type AuditPage struct {
	Events     []AuditEvent `json:"events"`
	Total      *uint64      `json:"total,omitempty"` // exact, or absent when a filter would have to be counted
	Page       int          `json:"page"`
	Limit      int          `json:"limit"`
	NextCursor string       `json:"next_cursor,omitempty"`
}

// JWKS answers GET /.well-known/jwks.json: the public keys of the tokens.
type JWKS struct {
	Keys []map[string]string `json:"keys"`
}
