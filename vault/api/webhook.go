package api

import "time"

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
