package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// What each answer to the one who waits means.
func TestWaiterLooks(t *testing.T) {
	past, future, by, why := time.Now().Add(-time.Hour), time.Now().Add(time.Hour), "alice", "not at night"
	for name, tc := range map[string]struct {
		r    api.Approval
		err  error
		done bool
		exit int
		says string
	}{
		"pending":  {r: api.Approval{Status: api.ApprovalPending}},
		"delayed":  {r: api.Approval{Status: api.ApprovalApproved, OpensAt: &future}},
		"open":     {r: api.Approval{Status: api.ApprovalApproved, OpensAt: &past}, done: true},
		"denied":   {r: api.Approval{ID: "apr_1", Status: api.ApprovalDenied, DecidedBy: &by, Reason: &why}, done: true, exit: api.ExitDenied, says: "request apr_1 was denied by alice: not at night"},
		"revoked":  {r: api.Approval{Status: api.ApprovalRevoked}, done: true, exit: api.ExitDenied, says: "ended by an owner"},
		"expired":  {r: api.Approval{Status: api.ApprovalExpired}, done: true, exit: api.ExitApproval, says: "has expired"},
		"gone":     {err: &client.UnreachableError{Err: errors.New("x")}},
		"no right": {err: api.New(api.CodeUnauthorized, "no such key"), done: true, exit: api.ExitDenied, says: "no such key"},
	} {
		w := waiter{a: &app{globals: globals{Quiet: true}}, id: "apr_1"}
		done, err := w.look(&tc.r, tc.err)
		exit, says := 0, ""
		if e, ok := errors.AsType[*api.Error](err); ok {
			exit, says = e.ExitCode(), e.Message
		}
		if done != tc.done || exit != tc.exit || !strings.Contains(says, tc.says) || (err == nil) != (tc.exit == 0) {
			t.Errorf("%s: done %v, exit code %d, %v", name, done, exit, err)
		}
	}
}
