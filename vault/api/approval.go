package api

import "time"

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
