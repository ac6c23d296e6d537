package api

import (
	"errors"
	"net/http"
)

// Code is the machine-readable part of an error.
type Code string

// The codes, complete. Status and exit code of each stand in its row of codes.
const (
	CodeValidation       Code = "VALIDATION_ERROR"
	CodeUnauthorized     Code = "UNAUTHORIZED"
	CodeScopeDenied      Code = "SCOPE_DENIED"
	CodeApprovalRequired Code = "APPROVAL_REQUIRED"
	CodeStepUpRequired   Code = "STEP_UP_REQUIRED"
	CodeLockedDown       Code = "LOCKED_DOWN"
	CodeSecretNotFound   Code = "SECRET_NOT_FOUND"
	CodeNotFound         Code = "NOT_FOUND"
	CodeConflict         Code = "CONFLICT"
	CodeTooLarge         Code = "PAYLOAD_TOO_LARGE"
	CodeRateLimited      Code = "RATE_LIMITED"
	CodeSealed           Code = "SEALED"
	CodeStorageFull      Code = "STORAGE_FULL"
	CodeInternal         Code = "INTERNAL"
)

// Exit codes of ass.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitNotFound    = 3
	ExitDenied      = 4
	ExitApproval    = 5
	ExitUnreachable = 6
	ExitRateLimited = 7
)

var codes = map[Code]struct{ status, exit int }{
	CodeValidation:       {http.StatusBadRequest, ExitUsage},
	CodeUnauthorized:     {http.StatusUnauthorized, ExitDenied},
	CodeScopeDenied:      {http.StatusForbidden, ExitDenied},
	CodeApprovalRequired: {http.StatusForbidden, ExitApproval},
	CodeStepUpRequired:   {http.StatusForbidden, ExitDenied},
	CodeLockedDown:       {http.StatusForbidden, ExitDenied},
	CodeSecretNotFound:   {http.StatusNotFound, ExitNotFound},
	CodeNotFound:         {http.StatusNotFound, ExitNotFound},
	CodeConflict:         {http.StatusConflict, ExitFailed},
	CodeTooLarge:         {http.StatusRequestEntityTooLarge, ExitFailed},
	CodeRateLimited:      {http.StatusTooManyRequests, ExitRateLimited},
	CodeSealed:           {http.StatusServiceUnavailable, ExitUnreachable},
	CodeStorageFull:      {http.StatusInsufficientStorage, ExitFailed},
	CodeInternal:         {http.StatusInternalServerError, ExitFailed},
}

// Status is the HTTP status that goes with c; 500 for a code it does not know.
func (c Code) Status() int {
	if row, ok := codes[c]; ok {
		return row.status
	}
	return http.StatusInternalServerError
}

// ExitCode is the exit code of ass that goes with c; 1 for a code it does not know.
func (c Code) ExitCode() int {
	if row, ok := codes[c]; ok {
		return row.exit
	}
	return ExitFailed
}

// Error is the one error that crosses the wire. Message never holds a secret
// value, a key or a token; Hint says what to type next.
type Error struct {
	Code       Code           `json:"code"`
	Message    string         `json:"message"`
	Hint       string         `json:"hint,omitempty"`
	Details    map[string]any `json:"details,omitempty"`
	ApprovalID string         `json:"-"` // at the top level of the body, and in Details
	RetryAfter int            `json:"-"` // seconds; the header of RATE_LIMITED
}

func (e *Error) Error() string { return e.Message }

// ExitCode is the exit code of ass for e.
func (e *Error) ExitCode() int { return e.Code.ExitCode() }

// Is reports whether target is an *Error of the same code, so that
// errors.Is(err, &Error{Code: CodeConflict}) asks for the code alone.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// New is an error with a code and a message. There is no formatting variant, so
// that no value finds its way into a message by accident.
func New(code Code, message string) *Error { return &Error{Code: code, Message: message} }

// WithHint returns a copy of e that ends in a hint.
func (e *Error) WithHint(hint string) *Error {
	c := *e
	c.Hint = hint
	return &c
}

// CodeOf is the code of err, INTERNAL when err is no *Error.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// OpensAt is the detail of APPROVAL_REQUIRED that says when an approval begins which
// has been given already.
const OpensAt = "opens_at"

// ErrorBody is how an error travels: detail repeats the message for clients
// that look there.
type ErrorBody struct {
	Error      Error  `json:"error"`
	Detail     string `json:"detail"`
	ApprovalID string `json:"approval_id,omitempty"`
}
