package api

// Doctor answers GET /v1/vault/doctor: what protects an installation, and what does not.
type Doctor struct {
	Checks []Check `json:"checks"`
}

// Check is one thing that was looked at.
type Check struct {
	Name  string `json:"name"`  // what was looked at: "disk"
	State string `json:"state"` // [CheckOK], [CheckAdvice] or [CheckProblem]
	Says  string `json:"says"`
	Fix   string `json:"fix,omitempty"` // the command, or the line of assd.toml, that improves it
}

// States of a check.
const (
	CheckOK      = "ok"
	CheckAdvice  = "advice"  // it could be safer
	CheckProblem = "problem" // something is open, or will break
)

// Fine is a check that found nothing.
func Fine(name, says string) Check { return Check{Name: name, State: CheckOK, Says: says} }

// Advice is a check that knows something safer.
func Advice(name, says, fix string) Check { return Check{name, CheckAdvice, says, fix} }

// Problem is a check that found something open.
func Problem(name, says, fix string) Check { return Check{name, CheckProblem, says, fix} }
