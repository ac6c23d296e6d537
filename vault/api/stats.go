package api

import "time"

// AuditStats counts events over a time. One that stands for several counts as several.
// Of each table there are the most frequent; how often the others were counted is in
// Others.
type AuditStats struct {
	Since         time.Time      `json:"since"`
	Until         time.Time      `json:"until"`
	Complete      bool           `json:"complete"` // else there was no time for what came after Until
	Events        uint64         `json:"events"`
	Reads         uint64         `json:"reads"`  // of values
	Denied        uint64         `json:"denied"` // of whatever kind
	BucketSeconds uint64         `json:"bucket_seconds"`
	Buckets       []AuditBucket  `json:"buckets"`
	Actors        []AuditActor   `json:"actors"`
	Paths         []AuditPath    `json:"paths"`
	ReadsOf       []AuditReads   `json:"reads_of"`
	Denials       []AuditDenials `json:"denials"`
	Others        AuditOthers    `json:"others"`
}

// AuditBucket is one piece of the time.
type AuditBucket struct {
	Start  time.Time `json:"start"`
	Events uint64    `json:"events"`
	Denied uint64    `json:"denied"`
}

// AuditActor is how much somebody did.
type AuditActor struct {
	AgentID string `json:"agent_id"` // its newest name, as in AuditEvent
	ActorID string `json:"actor_id"`
	Type    string `json:"actor_type"`
	Events  uint64 `json:"events"`
	Reads   uint64 `json:"reads"`
	Denied  uint64 `json:"denied"`
}

// AuditPath is how much was done to a secret.
type AuditPath struct {
	Path   string `json:"path"`
	Events uint64 `json:"events"`
	Reads  uint64 `json:"reads"`
	Denied uint64 `json:"denied"`
}

// AuditReads is how often somebody read a secret.
type AuditReads struct {
	AgentID string    `json:"agent_id"`
	ActorID string    `json:"actor_id"`
	Path    string    `json:"path"`
	Reads   uint64    `json:"reads"`
	Last    time.Time `json:"last"`
}

// AuditDenials is how often somebody was denied something.
type AuditDenials struct {
	AgentID string    `json:"agent_id"`
	ActorID string    `json:"actor_id"`
	Action  string    `json:"action"`
	Path    string    `json:"path"` // of the secret, or the namespace; else empty
	Denied  uint64    `json:"denied"`
	Last    time.Time `json:"last"`
}

// AuditOthers is what was counted and is in none of the rows of a table.
type AuditOthers struct {
	Actors  uint64 `json:"actors"` // events
	Paths   uint64 `json:"paths"`  // events
	ReadsOf uint64 `json:"reads_of"`
	Denials uint64 `json:"denials"`
}
