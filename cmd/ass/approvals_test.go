package main_test

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

// approvalsDaemon has requests that a real daemon would not make, and refuses
// to decide about some.
type approvalsDaemon struct {
	url      string
	items    []api.Approval
	conflict string                  // id of a request that has changed since it was listed
	code     api.Code                // of its refusal; "" means CONFLICT
	waits    func(api.Approval) bool // nil means all do
	decided  []string                // routes and bodies
}

func startApprovals(t *testing.T, items ...api.Approval) *approvalsDaemon {
	t.Helper()
	d := &approvalsDaemon{items: items}
	srv := httptest.NewServer(d)
	t.Cleanup(srv.Close)
	d.url = srv.URL
	return d
}

func (d *approvalsDaemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		items := slices.Clone(d.items)
		if d.waits != nil && r.URL.Query().Get("status") == api.ApprovalPending {
			items = slices.DeleteFunc(items, func(r api.Approval) bool { return !d.waits(r) })
		}
		json.NewEncoder(w).Encode(api.Approvals{Items: items})
		return
	}
	body, _ := io.ReadAll(r.Body)
	d.decided = append(d.decided, r.URL.Path+" "+string(body))
	if d.conflict != "" && strings.Contains(r.URL.Path, d.conflict) {
		code := cmp.Or(d.code, api.CodeConflict)
		w.WriteHeader(code.Status())
		json.NewEncoder(w).Encode(api.ErrorBody{Error: api.Error{Code: code, Message: "another request now"}})
		return
	}
	id := strings.Split(r.URL.Path, "/")[3]
	json.NewEncoder(w).Encode(api.Approval{ID: id, Status: api.ApprovalApproved})
}

// ass runs ass against a daemon at url without a terminal.
func ass(t *testing.T, url string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "ass"), append(args, "--api-url", url, "--api-key", "ask_live_x")...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Run()
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// One of several that cannot be decided any more does not hold up the others,
// and is told at the end.
func TestApproveGoesOnAfterAConflict(t *testing.T) {
	scopes := []string{"secrets:read:a/B"}
	for _, args := range [][]string{{"--all", "--yes"}, {"--all", "--yes", "--json"}, {"apr_1", "apr_2", "apr_3"}} {
		d := startApprovals(t,
			api.Approval{ID: "apr_1", RequestedScopes: scopes, Digest: "d1"},
			api.Approval{ID: "apr_2", RequestedScopes: scopes, Digest: "d2"},
			api.Approval{ID: "apr_3", RequestedScopes: scopes, Digest: "d3"})
		d.conflict = "apr_2"
		stdout, stderr, code := ass(t, d.url, append([]string{"approvals", "approve"}, args...)...)
		if code != 1 || !strings.Contains(stdout, "apr_1") || strings.Contains(stdout, "apr_2") || !strings.Contains(stdout, "apr_3") ||
			!strings.Contains(stderr, "not decided: apr_2: another request now") || !strings.Contains(stderr, "ass approvals list") {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
		want := []string{
			`/v1/approvals/apr_1/approve {"digest":"d1"}`, `/v1/approvals/apr_2/approve {"digest":"d2"}`,
			`/v1/approvals/apr_3/approve {"digest":"d3"}`,
		}
		if !slices.Equal(d.decided, want) {
			t.Errorf("%v: decided %q, want %q", args, d.decided, want)
		}
	}
}

// A daemon that fails otherwise is not asked again; what is done is told.
func TestApproveEndsWhenTheDaemonFails(t *testing.T) {
	scopes := []string{"secrets:read:a/B"}
	for _, args := range [][]string{{}, {"--json"}} {
		d := startApprovals(t,
			api.Approval{ID: "apr_1", RequestedScopes: scopes}, api.Approval{ID: "apr_2", RequestedScopes: scopes},
			api.Approval{ID: "apr_3", RequestedScopes: scopes})
		d.conflict, d.code = "apr_2", api.CodeStorageFull
		stdout, stderr, code := ass(t, d.url, append([]string{"approvals", "approve", "--all", "--yes"}, args...)...)
		if code != 1 || !strings.Contains(stdout, "apr_1") || strings.Contains(stdout, "apr_3") || len(d.decided) != 2 {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q, decided %q", args, code, stdout, stderr, d.decided)
		}
	}
}

// Who approves is told how often what was asked for can be done.
func TestApprovedForHowLong(t *testing.T) {
	for want, scopes := range map[string][]string{
		"for bot, until ":                   {"secrets:read:a/B", "secrets:read:a/C"},
		"for bot, once, until ":             {"secrets:write:a/B", "secrets:delete:a/C"},
		"for bot, each change once, until ": {"secrets:read:a/B", "secrets:write:a/B"},
	} {
		d := startApprovals(t, api.Approval{ID: "apr_1", AgentID: "bot", RequestedScopes: scopes})
		if stdout, _, _ := ass(t, d.url, "approvals", "approve", "apr_1"); !strings.Contains(stdout, want) {
			t.Errorf("%q does not say %q", stdout, want)
		}
	}
}

// A command that is there to be copied holds no text that somebody else chose.
func TestRevokeHintOfAHostileName(t *testing.T) {
	for name, want := range map[string]string{"deploy-bot": "deploy-bot", "x; rm -rf ~": "NAME", "": "NAME"} {
		d := startApprovals(t, api.Approval{ID: "apr_1", AgentID: name, Status: api.ApprovalApproved})
		d.waits = func(api.Approval) bool { return false }
		_, stderr, code := ass(t, d.url, "approvals", "deny", "apr_1")
		if code != 1 || !strings.HasSuffix(stderr, "ends it: ass agents revoke "+want+"\n") {
			t.Errorf("%q: exit code %d, stderr %q", name, code, stderr)
		}
	}
}

// Requests that differ in the token alone can be told apart.
func TestApprovalsListShowsTheToken(t *testing.T) {
	ttl, scope := api.TTL(15*time.Minute), []string{"secrets:read:a/B"}
	sources := []string{"10.0.0.1", "local"}
	d := startApprovals(t,
		api.Approval{ID: "apr_1", RequestedScopes: scope},
		api.Approval{ID: "apr_2", RequestedScopes: scope, TTL: &ttl},
		api.Approval{ID: "apr_3", RequestedScopes: scope, TTL: &ttl, MaxUses: 2},
		api.Approval{ID: "apr_4", RequestedScopes: scope, TTL: &ttl, MaxUses: 2, IPAllowlist: sources},
		api.Approval{ID: "apr_5", RequestedScopes: append(scope, "secrets:read:a/C"), TTL: &ttl})
	stdout, _, _ := ass(t, d.url, "approvals", "list")
	for _, want := range []string{
		"apr_1 .* READ a/B +│", `apr_2 .* READ a/B \(token 15m\) +│`, `apr_3 .* READ a/B \(token 15m, at most 2 uses\) +│`,
		`apr_4 .* READ a/B +│.*\n.* \(token 15m, at most 2 uses, from 10\.0\.0\.1, local alone\) +│`,
		`apr_5 .* READ a/B +│.*\n.* READ a/C +│.*\n.* \(token 15m\) +│`,
	} {
		if !regexp.MustCompile(want).MatchString(stdout) {
			t.Errorf("there is no %s in\n%s", want, stdout)
		}
	}
}

// A request for several secrets has a line for each, and one id.
func TestApprovalsListHasALineForEachAct(t *testing.T) {
	d := startApprovals(t, api.Approval{ID: "apr_1", AgentID: "b\u202eot", RequestedScopes: []string{"secrets:read:a/B", "secrets:read:a/C"}})
	stdout, _, code := ass(t, d.url, "approvals", "list")
	if code != 0 || strings.Count(stdout, "apr_1") != 1 || !strings.Contains(stdout, "1 total") ||
		!strings.Contains(stdout, "READ a/B") || !strings.Contains(stdout, "READ a/C") || !strings.Contains(stdout, `b\u202eot`) {
		t.Errorf("exit code %d, stdout %q", code, stdout)
	}
}
