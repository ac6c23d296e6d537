package api

import "time"

// CheckpointPlace is where the daemon sends checkpoints of the trail, as far as this
// run of it knows. A URL may hold a token, so only its origin is told.
type CheckpointPlace struct {
	To     string     `json:"to"`
	Every  TTL        `json:"every"`
	SentAt *time.Time `json:"sent_at"` // when the last one left
	Size   uint64     `json:"size"`    // events that it covers; 0: none has left
	// These are there while it fails.
	FailingSince *time.Time `json:"failing_since"`
	Failure      string     `json:"failure,omitempty"`
	NextTry      *time.Time `json:"next_try"`
}
