package api

import "time"

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

// Formats of an export of the trail.
const (
	AuditJSONL = "jsonl"
	AuditCSV   = "csv"
)

// AuditLine is an event in an export: what it takes to prove it without the vault.
type AuditLine struct {
	Seq   uint64 `json:"seq"`
	Prev  string `json:"prev"`  // hash of the event before, 64 hex digits
	Hash  string `json:"hash"`  // its own
	Event string `json:"event"` // the bytes that were hashed, as text
}

// AuditHead is a signature of the head that the event before it in an export is.
type AuditHead struct {
	Head      uint64 `json:"head"`
	Epoch     uint64 `json:"epoch"`     // of the key
	Signature []byte `json:"signature"` // Ed25519, in base64
}
