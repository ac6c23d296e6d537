package webhook

import "time"

// Timeout is the longest that one attempt may take, from the look-up of the name to
// the end of the answer.
const Timeout = 15 * time.Second

// What is taken from outside, in bytes.
const (
	maxURL      = 2048
	maxAnswer   = 64 << 10 // is read of an answer, so that the connection can be used again
	maxHeader   = 64 << 10
	maxText     = 200 // of a foreign text in an error
	MaxSecrets  = 1 << 10
	minKey      = 24 // of a secret, as the standard has it
	maxKey      = 64
	secretsEach = 2 // in one file: the one in use and the one that is to be
)

// idleTimeout is how long a connection is kept for the next message.
const idleTimeout = 30 * time.Second
