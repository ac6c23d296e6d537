package policy

import "time"

// Terms are what an approval takes, by tier.
type Terms struct {
	// Approvals is how many different owners must agree; 1 by default.
	Approvals int
	// RequestTTL is how long a request waits for an answer; [RequestTTL] by
	// default.
	RequestTTL time.Duration
	// GrantTTL is how long what was approved stays open; [GrantTTL] by default.
	GrantTTL time.Duration
	// Delay is the wait between the last approval and its effect; none by
	// default.
	Delay time.Duration
}

// orDefault fills in what was not said.
func (t Terms) orDefault() Terms {
	if t.Approvals == 0 {
		t.Approvals = 1
	}
	if t.RequestTTL == 0 {
		t.RequestTTL = RequestTTL
	}
	if t.GrantTTL == 0 {
		t.GrantTTL = GrantTTL
	}
	return t
}
