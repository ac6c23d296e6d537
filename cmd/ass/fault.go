package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/agent-secret-store/assd/cmd/ass/internal/assrc"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
)

// Codes of errors that arise in ass itself.
const (
	codeUsage  = api.CodeValidation
	codeFailed = api.Code("FAILED")
)

// fault is an error of ass itself: what happened, and what to type next. Its
// message never holds an argument's text.
type fault struct {
	code    api.Code
	message string
	hint    string
	exit    int  // 0 means the exit code of the code
	whole   bool // the message is as long as it has to be: it names things
}

func (f *fault) Error() string { return f.message }

// Is makes errors.Is compare faults by their codes alone.
func (f *fault) Is(target error) bool {
	other, ok := target.(*fault)
	return ok && other.code == f.code
}

func (f *fault) Code() api.Code { return f.code }
func (f *fault) Hint() string   { return f.hint }

func (f *fault) ExitCode() int {
	if f.exit != 0 {
		return f.exit
	}
	return f.code.ExitCode()
}

// usage is a wrong command line: exit code 2.
func usage(message, hint string) error {
	return &fault{code: codeUsage, message: message, hint: hint}
}

// report is an error as it is printed.
type report struct {
	Code       api.Code       `json:"code"`
	Message    string         `json:"message"`
	Hint       string         `json:"hint"`
	ApprovalID string         `json:"approval_id,omitempty"`
	Details    map[string]any `json:"details,omitempty"`
	exit       int
	limit      int // of the message, in characters; 0: maxMessage
}

// describe makes a report of any error that a command can return.
func (a *app) describe(err error) report {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return a.describeAPI(e)
	}
	r := report{Code: codeFailed, Message: err.Error(), Hint: "look at the daemon with: ass status", exit: api.ExitFailed}
	var coded interface{ Code() api.Code }
	if errors.As(err, &coded) {
		r.Code = coded.Code()
	}
	var exiting interface{ ExitCode() int }
	if errors.As(err, &exiting) {
		r.exit = exiting.ExitCode()
	}
	if f, ok := errors.AsType[*fault](err); ok && f.whole {
		r.limit = uncut
	}
	var hinting interface{ Hint() string }
	switch {
	case errors.As(err, &hinting):
		r.Hint = hinting.Hint()
	case errors.Is(err, policy.ErrInvalid):
		r.Code, r.exit, r.Hint = codeUsage, api.ExitUsage, "run the command with --help"
	case errors.Is(err, assrc.ErrSyntax):
		r.Hint = "correct the line, or remove the file and run: ass login"
	}
	return r
}

func (a *app) describeAPI(e *api.Error) report {
	r := report{Code: e.Code, Message: e.Message, Hint: e.Hint, ApprovalID: e.ApprovalID, Details: e.Details, exit: e.ExitCode()}
	// The daemon cannot know which command it was, and names one that has just
	// said the same.
	if r.Hint == "" || e.Code == api.CodeUnauthorized {
		r.Hint = a.defaultHint(e)
	}
	if _, given := e.Details[api.OpensAt]; e.Code == api.CodeApprovalRequired && e.ApprovalID != "" && !given {
		r.Hint += "\nonce it is approved, run the same command again"
	}
	return r
}

// defaultHint says what to type next after an error of the daemon that does
// not say so itself.
func (a *app) defaultHint(e *api.Error) string {
	switch e.Code {
	case api.CodeValidation:
		return "run the command with --help"
	case api.CodeUnauthorized:
		return "set ASS_AGENT_KEY to a key that is accepted, or leave it unset and run: " + a.loginCommand()
	case api.CodeScopeDenied:
		return "see whose key is used with: ass whoami; an owner sets what an agent reaches"
	case api.CodeApprovalRequired:
		return approvalHint(e.ApprovalID)
	case api.CodeStepUpRequired:
		return "give your approval passphrase on the terminal, or with --passphrase-file FILE"
	case api.CodeLockedDown:
		return "an owner lifts it with: ass vault lift"
	case api.CodeSealed:
		return "ass vault unseal"
	case api.CodeSecretNotFound:
		return "see what there is with: ass secrets list"
	case api.CodeRateLimited:
		return fmt.Sprintf("wait %d s and try again", max(e.RetryAfter, 1))
	case api.CodeStorageFull:
		return "free space on the daemon's disk"
	}
	return "look at the daemon with: ass status"
}

// approvalHint says how an owner approves a request. An id that is not of the
// usual form does not get into a line that is there to be copied.
func approvalHint(id string) string {
	if !isApprovalID(id) {
		return "an owner approves it: ass approvals list"
	}
	return "an owner approves it with: ass approvals approve " + id
}

// fail prints err to stderr and returns its exit code.
func (a *app) fail(err error) int {
	r := a.describe(err)
	if a.JSON {
		doc, _ := encode(map[string]report{"error": r}, "") // a report always encodes
		fmt.Fprint(os.Stderr, doc)
		return r.exit
	}
	fmt.Fprintf(os.Stderr, "ass: %s\n", foreign(r.Message, cmp.Or(r.limit, maxMessage)))
	if r.ApprovalID != "" {
		fmt.Fprintf(os.Stderr, "  approval: %s\n", foreign(r.ApprovalID, maxName))
	}
	for line := range strings.Lines(r.Hint) {
		fmt.Fprintf(os.Stderr, "  hint: %s\n", foreign(strings.TrimSpace(line), maxMessage))
	}
	return r.exit
}
