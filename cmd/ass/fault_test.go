package main

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/agent-secret-store/assd/cmd/ass/internal/assrc"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// Every error has a code, an exit code, and a hint of what to type next.
func TestDescribe(t *testing.T) {
	_, invalid := policy.ParsePath("x")
	_, malformed := assrc.Parse([]byte("x"))
	for _, tc := range []struct {
		err  error
		code api.Code
		exit int
	}{
		{api.New(api.CodeValidation, "m"), "VALIDATION_ERROR", 2},
		{api.New(api.CodeUnauthorized, "m"), "UNAUTHORIZED", 4},
		{api.New(api.CodeScopeDenied, "m"), "SCOPE_DENIED", 4},
		{api.New(api.CodeApprovalRequired, "m"), "APPROVAL_REQUIRED", 5},
		{api.New(api.CodeStepUpRequired, "m"), "STEP_UP_REQUIRED", 4},
		{api.New(api.CodeLockedDown, "m"), "LOCKED_DOWN", 4},
		{api.New(api.CodeSecretNotFound, "m"), "SECRET_NOT_FOUND", 3},
		{api.New(api.CodeNotFound, "m"), "NOT_FOUND", 3},
		{api.New(api.CodeConflict, "m"), "CONFLICT", 1},
		{api.New(api.CodeTooLarge, "m"), "PAYLOAD_TOO_LARGE", 1},
		{api.New(api.CodeRateLimited, "m"), "RATE_LIMITED", 7},
		{api.New(api.CodeSealed, "m"), "SEALED", 6},
		{api.New(api.CodeStorageFull, "m"), "STORAGE_FULL", 1},
		{api.New(api.CodeInternal, "m"), "INTERNAL", 1},
		{fmt.Errorf("reading: %w", api.New(api.CodeNotFound, "m")), "NOT_FOUND", 3},
		{&client.UnreachableError{URL: "u", Err: os.ErrNotExist}, "UNREACHABLE", 6},
		{&client.UnreachableError{URL: "u", Err: os.ErrNotExist, Unsure: true}, "UNREACHABLE", 6},
		{&client.RefusedError{URL: "u", Reason: "r"}, "REFUSED", 4},
		{&assrc.ExposedError{Path: "p"}, "FAILED", 1},
		{usage("m", "h"), "VALIDATION_ERROR", 2},
		{newApp().noKey(), "UNAUTHORIZED", 4},
		{errInterrupted, "FAILED", 130},
		{invalid, "VALIDATION_ERROR", 2},
		{malformed, "FAILED", 1},
		{errors.New("disk on fire"), "FAILED", 1},
	} {
		got := newApp().describe(tc.err)
		if got.Code != tc.code || got.exit != tc.exit || got.Hint == "" || got.Message == "" {
			t.Errorf("%v is %+v, want code %s, exit code %d and a hint", tc.err, got, tc.code, tc.exit)
		}
	}
}

func TestDescribeKeepsTheDaemonsHint(t *testing.T) {
	e := api.New(api.CodeApprovalRequired, "m").WithHint("h")
	e.ApprovalID = "apr_1"
	if got := newApp().describe(e); got.Hint != "h\nonce it is approved, run the same command again" || got.ApprovalID != "apr_1" {
		t.Errorf("got %+v, want the daemon's hint and approval id", got)
	}
}

// No hint sends its reader to a command that will say the same again.
func TestHintOfAKeyThatIsRefused(t *testing.T) {
	e := api.New(api.CodeUnauthorized, "m").WithHint("check the key with ass whoami")
	url, file := "https://h:1", "it's"
	t.Chdir(t.TempDir())
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a := newApp()
	a.APIURL, a.CACert = &url, &file
	const want = "set ASS_AGENT_KEY to a key that is accepted, or leave it unset and run: ass login"
	if got := newApp().describe(e).Hint; got != want {
		t.Errorf("the hint is %q", got)
	}
	if got := a.describe(e).Hint; got != want+` --api-url https://h:1 --ca-cert 'it'\''s'` {
		t.Errorf("the hint is %q", got)
	}
	gone := "hunter2" // no file: it may be anything
	a.CACert = &gone
	if got := a.describe(e).Hint; got != want+" --api-url https://h:1 --ca-cert FILE" {
		t.Errorf("the hint is %q", got)
	}
}

// A command that is there to be copied holds no text that somebody else chose.
func TestApprovalHint(t *testing.T) {
	const again = "\nonce it is approved, run the same command again"
	for id, want := range map[string]string{
		"apr_1Ab":         "an owner approves it with: ass approvals approve apr_1Ab" + again,
		"":                "an owner approves it: ass approvals list",
		"apr_1; rm -rf ~": "an owner approves it: ass approvals list" + again,
		"apr_1\n":         "an owner approves it: ass approvals list" + again,
	} {
		e := api.New(api.CodeApprovalRequired, "m")
		e.ApprovalID = id
		if got := newApp().describe(e).Hint; got != want {
			t.Errorf("%q: the hint is %q, want %q", id, got, want)
		}
	}
}
