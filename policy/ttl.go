package policy

import "time"

// Lifetimes of tokens, until a policy file says otherwise.
const (
	DefaultTTL = 15 * time.Minute
	MaxTTL     = 168 * time.Hour
)
