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

// MaxWait bounds how long a request may wait, and a delay with what follows it:
// less than the 168 hours for which the trail's verifier remembers them.
const MaxWait = 160 * time.Hour
