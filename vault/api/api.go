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

// SecretRotate is the body of POST /v1/secrets/{ns}/{KEY}/rotate: the next value,
// under either name, or neither to ask for one.
type SecretRotate struct {
	Value    *string `json:"value,omitempty"`
	NewValue *string `json:"new_value,omitempty"`
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

// SecretRotation answers it: the secret as it is now, and what has come of it.
type SecretRotation struct {
	SecretInfo
	Status string `json:"status"`
}

// The statuses of a rotation.
const (
	RotationStored  = "stored"  // there is a new version
	RotationPending = "pending" // nothing makes one; it waits for the next write
	RotationRunning = "running" // a rotator's command has not ended yet (202)
)

// FailedRotation is a secret whose last rotation by its rotator has failed.
type FailedRotation struct {
	Namespace string    `json:"namespace"`
	Key       string    `json:"key"`
	At        time.Time `json:"at"`
	Problem   string    `json:"problem"`
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
	Reason     string         `json:"reason,omitempty"`    // of an agent: why; shown to the owner as what the agent says
}

// What an import would do to a secret.
const (
	ImportNew       = "new"
	ImportChanged   = "changed"
	ImportUnchanged = "unchanged"
	ImportExists    = "exists" // and stays, or the caller may not read it now
)

// ImportState is what a dry run says of one secret.
type ImportState struct {
	Key   string `json:"key"`
	State string `json:"state"`
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
	// States are of a dry run: what would become of each, in the order of the text.
	States []ImportState `json:"states,omitempty"`
}

// Purposes of an export.
const (
	ForExport = "export" // into a file, or wherever the caller puts it: an event of its own tells of the whole
	ForRun    = "run"    // into the environment of one process
)

// ExportRequest is the body of POST /v1/secrets/export.
type ExportRequest struct {
	Namespaces []string `json:"namespaces"`        // of each the secrets directly in it
	Keys       []string `json:"keys,omitempty"`    // only these; absent: all
	Purpose    string   `json:"purpose,omitempty"` // absent: "export"
	Reason     string   `json:"reason,omitempty"`  // of an agent: why; shown to the owner as what the agent says
}

// Export answers an export: by namespace, in the order of the request, then by key.
type Export struct {
	Items []Secret `json:"items"`
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
	Passphrase        *string  `json:"passphrase,omitempty"`
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
	ApprovalRevoked  = "revoked"
)

// Approval is a request that waits for an owner, or waited: exactly these acts on
// exactly these secrets. Nothing in it is the asker's own words but ClaimedReason.
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

	RequesterKind   string     `json:"requester_kind"`   // "agent", or "owner" for an act that needs two owners
	Because         string     `json:"because"`          // why a person has to agree
	ApprovalsNeeded int        `json:"approvals_needed"` // different owners who must agree
	ApprovedBy      []string   `json:"approved_by"`      // names of those who have
	OpensAt         *time.Time `json:"opens_at"`         // once approved: when what it opens begins
	OpensFor        *TTL       `json:"opens_for"`        // while it waits: how long an approval would be open
	RevokedAt       *time.Time `json:"revoked_at"`
	Process         []Process  `json:"process"`        // that asked, then its parents: hints, which a program can forge
	ClaimedReason   *string    `json:"claimed_reason"` // the asker's own words, which nobody has checked
}

// Process is what the system told about a process when it asked.
type Process struct {
	PID       int        `json:"pid"`
	Name      string     `json:"name"` // what it calls itself
	Exe       string     `json:"exe"`  // "" where it cannot be read
	StartedAt *time.Time `json:"started_at"`
}

// Approvals answers GET /v1/approvals, newest first.
type Approvals struct {
	Items []Approval `json:"items"`
	// Cursor stands for just this list: sent back with a wait, the answer comes
	// when the list is another one.
	Cursor string `json:"cursor"`
}

// ApprovalDecision is the body of POST /v1/approvals/{id}/approve, /deny and
// /revoke. Only approve takes a passphrase.
type ApprovalDecision struct {
	Reason     string  `json:"reason,omitempty"`
	Digest     string  `json:"digest,omitempty"` // what was shown; CONFLICT when it is not what is asked for
	Passphrase *string `json:"passphrase,omitempty"`
}

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

// Protection says what guards a vault beside its keys.
type Protection struct {
	PassphraseSet bool   `json:"passphrase_set"` // there is an approval passphrase
	OwnPassphrase bool   `json:"own_passphrase"` // this owner has one
	Owners        int    `json:"owners"`
	Confined      string `json:"confined"`                 // "full", "partial" or "none": whether the daemon is kept to its own folders
	ConfinedLacks string `json:"confined_lacks,omitempty"` // what could not be had, and why
	RunsAsRoot    bool   `json:"runs_as_root"`
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

	RotationProblem string           `json:"rotation_problem,omitempty"` // what keeps the commands of rotators from being run
	FailedRotations []FailedRotation `json:"failed_rotations,omitempty"` // until one goes well
}

// RecoveredOwner is an owner who got a new key offline: assd recover-owner.
type RecoveredOwner struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

// Names of the operator's files.
const (
	PolicyFile = "policy.toml"
	ConfigFile = "assd.toml"
)

// How an operator's file stands.
const (
	FileNone    = "none"     // nothing was ever accepted
	FileInForce = "in force" // the text in force is the file's
	FileHeld    = "held"     // the file has changed and waits for an owner
	FileProblem = "problem"  // the file cannot be used; what was accepted last is in force
)

// OperatorFile is how policy.toml or assd.toml stands.
type OperatorFile struct {
	Name       string     `json:"name"`
	Path       string     `json:"path"` // where the daemon looks
	State      string     `json:"state"`
	Problem    string     `json:"problem,omitempty"`
	Text       string     `json:"text"`   // in force
	Digest     string     `json:"digest"` // of it; "" when there is none
	AcceptedAt *time.Time `json:"accepted_at"`
	AcceptedBy string     `json:"accepted_by"`
	HeldText   string     `json:"held_text"` // waits for an owner
	HeldDigest string     `json:"held_digest"`
}

// OperatorFiles answers GET /v1/policy: policy.toml, then assd.toml.
type OperatorFiles struct {
	Items []OperatorFile `json:"items"`
}

// PolicyAccept is the body of POST /v1/policy/accept.
type PolicyAccept struct {
	Name       string  `json:"name"`   // of the file
	Digest     string  `json:"digest"` // of the text that was shown
	Passphrase *string `json:"passphrase,omitempty"`
}

// How a webhook stands.
const (
	WebhookOK      = "ok"
	WebhookFailing = "failing" // the last try failed
)

// Webhook is a receiver that the operator has configured. Its URL may hold a token,
// so only the origin is told.
type Webhook struct {
	Name          string     `json:"name"`
	Origin        string     `json:"origin"` // scheme, host and port of its URL
	Events        []string   `json:"events"`
	State         string     `json:"state"`
	Pending       int        `json:"pending"` // events that wait for it
	OldestPending *time.Time `json:"oldest_pending"`
	// These are what this run of the daemon knows.
	LastDelivered *time.Time `json:"last_delivered"`
	LastFailureAt *time.Time `json:"last_failure_at"`
	LastFailure   string     `json:"last_failure"`
	NextTry       *time.Time `json:"next_try"` // while it is failing
	// Lost are the events of the last week that it was never told of.
	Lost       int        `json:"lost"`
	LostAt     *time.Time `json:"lost_at"` // the last of them
	LostReason string     `json:"lost_reason"`
}

// Webhooks answers GET /v1/webhooks.
type Webhooks struct {
	Items []Webhook `json:"items"`
}

// WebhookTest answers POST /v1/webhooks/{name}/test.
type WebhookTest struct {
	Name         string `json:"name"`
	Origin       string `json:"origin"`
	Delivered    bool   `json:"delivered"`
	Failure      string `json:"failure"` // why not
	Milliseconds int    `json:"milliseconds"`
}

// PolicyCheck answers GET /v1/policy/check: what the policy and everything else
// that decides say to a scope, and why.
type PolicyCheck struct {
	Agent  string `json:"agent"`
	Scope  string `json:"scope"`
	From   string `json:"from"`   // an address, or "local"
	Effect string `json:"effect"` // allow, deny or approve
	Reason string `json:"reason"`
	Line   int    `json:"line,omitempty"` // of the rule in policy.toml that made it; absent: no rule did
	// RuleText is that rule as it stands in the file.
	RuleText string `json:"rule_text,omitempty"`
	// Tier is that of the secret, where the scope names one that exists.
	Tier            string `json:"tier,omitempty"`
	ApprovalsNeeded int    `json:"approvals_needed,omitempty"`
}

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

// Certificate answers GET /v1/vault/certificate: what the daemon shows on TLS.
type Certificate struct {
	Certificate string `json:"certificate"` // PEM
	Fingerprint string `json:"fingerprint"` // of its public key, as --fingerprint takes it
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
