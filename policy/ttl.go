package policy

import "time"

// Lifetimes of tokens, until a policy file says otherwise.
const (
	DefaultTTL = 15 * time.Minute
	MaxTTL     = 168 * time.Hour
)

// How long a request for approval waits for an owner, and how long what an owner
// has approved stays open, until a policy file says otherwise.
const (
	RequestTTL = time.Hour
	GrantTTL   = time.Hour
)
