package api

import "time"

// Names of the operator's files.
const (
	PolicyFile = "policy.toml"
	ConfigFile = "assd.toml"
)

// How an operator's file stands.
const (
	FileNone    = "none"     // nothing was ever accepted
	FileInForce = "in force" // the text in force is the file's
	FileHeld    = "held"     // the file has changed and waits for an owner
	FileProblem = "problem"  // the file cannot be used; what was accepted last is in force
)

// OperatorFile is how policy.toml or assd.toml stands.
type OperatorFile struct {
	Name       string     `json:"name"`
	Path       string     `json:"path"` // where the daemon looks; "": nowhere, or what was typed names nothing
	State      string     `json:"state"`
	Problem    string     `json:"problem,omitempty"`
	Text       string     `json:"text"`   // in force
	Digest     string     `json:"digest"` // of it; "" when there is none
	AcceptedAt *time.Time `json:"accepted_at"`
	AcceptedBy string     `json:"accepted_by"`
	HeldText   string     `json:"held_text"` // waits for an owner
	HeldDigest string     `json:"held_digest"`
}

// OperatorFiles answers GET /v1/policy: policy.toml, then assd.toml.
type OperatorFiles struct {
	Items []OperatorFile `json:"items"`
}

// PolicyAccept is the body of POST /v1/policy/accept.
type PolicyAccept struct {
	Name       string  `json:"name"`   // of the file
	Digest     string  `json:"digest"` // of the text that was shown
	Passphrase *string `json:"passphrase,omitempty"`
}

// PolicyCheck answers GET /v1/policy/check: what the policy and everything else
// that decides say to a scope, and why.
type PolicyCheck struct {
	Agent  string `json:"agent"`
	Scope  string `json:"scope"`
	From   string `json:"from"`   // an address, or "local"
	Effect string `json:"effect"` // allow, deny or approve
	Reason string `json:"reason"`
	Line   int    `json:"line,omitempty"` // of the rule in policy.toml that made it; absent: no rule did
	// RuleText is that rule as it stands in the file.
	RuleText string `json:"rule_text,omitempty"`
	// Tier is that of the secret, where the scope names one that exists.
	Tier            string `json:"tier,omitempty"`
	ApprovalsNeeded int    `json:"approvals_needed,omitempty"`
}
