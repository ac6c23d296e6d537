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
	// Lockdown says whether the vault is locked down.
	Lockdown Lockdown `json:"lockdown"`
	// Protection says what guards this vault beside its keys. Owners only.
	Protection *Protection `json:"protection,omitempty"`
}

// TokenRequest asks for a scoped token: POST /v1/tokens.
type TokenRequest struct {
	Scopes      []string `json:"scopes"`
	TTL         *TTL     `json:"ttl,omitempty"`          // "15m", "1h", "7d" or seconds; absent: 15 minutes
	MaxUses     *int     `json:"max_uses,omitempty"`     // 1 or more; absent: no limit
	IPAllowlist []string `json:"ip_allowlist,omitempty"` // addresses, networks, or "local" for the Unix socket
	Reason      string   `json:"reason,omitempty"`       // of an agent: why; shown to the owner as what the agent says
	Passphrase  *string  `json:"passphrase,omitempty"`   // of an owner: makes a token for exactly these secrets, once each, for a minute
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
	Hint             string   `json:"hint"`
	Scopes           []string `json:"scopes"`
	// OpensAt is when an approval begins that has been given already.
	OpensAt *time.Time `json:"opens_at"`
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

// Protection says what guards a vault beside its keys.
type Protection struct {
	PassphraseSet bool   `json:"passphrase_set"` // there is an approval passphrase
	OwnPassphrase bool   `json:"own_passphrase"` // this owner has one
	Owners        int    `json:"owners"`
	Confined      string `json:"confined"`                 // "full", "partial" or "none": whether the daemon is kept to its own folders
	ConfinedLacks string `json:"confined_lacks,omitempty"` // what could not be had, and why
	RunsAsRoot    bool   `json:"runs_as_root"`
	ClearSwap     string `json:"clear_swap,omitempty"` // where memory may be swapped to unencrypted
	// Recovered are the owners who got a new key offline in the last 30 days.
	Recovered     []RecoveredOwner `json:"recovered_owners"`
	Pending       int              `json:"pending_approvals"`
	Policy        string           `json:"policy"` // "none", "in force", "held" or "problem": how policy.toml stands
	PolicyRules   int              `json:"policy_rules"`
	PolicyProblem string           `json:"policy_problem,omitempty"`
	Config        string           `json:"config"` // the same of assd.toml
	ConfigProblem string           `json:"config_problem,omitempty"`
	// Webhooks are those that fail, or did not get all of the last week.
	Webhooks []Webhook `json:"webhooks"`
	// Checkpoints are the places that checkpoints of the trail are sent to.
	Checkpoints []CheckpointPlace `json:"checkpoints"`

	FileBytes uint64 `json:"file_bytes"` // the data file
	FreeBytes uint64 `json:"free_bytes"` // of it that hold nothing any more, until it is compacted

	HeadProblem string `json:"head_problem,omitempty"` // why the head file, which tells an older copy of the data file, is behind

	// Backups are those that the daemon takes by itself; null: none.
	Backups *Backups `json:"backups,omitempty"`
	// Restored is the restore from a backup of the last 30 days.
	Restored *Restored `json:"restored,omitempty"`

	RotationProblem string           `json:"rotation_problem,omitempty"` // what keeps the commands of rotators from being run
	FailedRotations []FailedRotation `json:"failed_rotations,omitempty"` // until one goes well
}

// RecoveredOwner is an owner who got a new key offline: assd recover-owner.
type RecoveredOwner struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

// Restored is a restore from a backup: assd restore.
type Restored struct {
	At                 time.Time `json:"at"`                  // when the vault was first opened with it
	Events             uint64    `json:"events"`              // of the backup
	ReplacedEvents     uint64    `json:"replaced_events"`     // of what it took the place of, as far as known; 0: nothing was there
	Relation           string    `json:"relation"`            // "none", "newer", "older", "fork" or "unknown": how that stands to the backup
	RevocationsUnknown bool      `json:"revocations_unknown"` // nobody knows who was revoked since the backup
}

// Certificate answers GET /v1/vault/certificate: what the daemon shows on TLS.
type Certificate struct {
	Certificate string `json:"certificate"` // PEM
	Fingerprint string `json:"fingerprint"` // of its public key, as --fingerprint takes it
}

// JWKS answers GET /.well-known/jwks.json: the public keys of the tokens.
type JWKS struct {
	Keys []map[string]string `json:"keys"`
}
