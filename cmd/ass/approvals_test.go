package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/api"
)

// approvalsDaemon has requests that a real daemon would not make, and refuses
// to decide about some.
type approvalsDaemon struct {
	url      string
	items    []api.Approval
	conflict string   // id of a request that has changed since it was listed
	decided  []string // routes and bodies
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
		json.NewEncoder(w).Encode(api.Approvals{Items: d.items})
		return
	}
	body, _ := io.ReadAll(r.Body)
	d.decided = append(d.decided, r.URL.Path+" "+string(body))
	if d.conflict != "" && strings.Contains(r.URL.Path, d.conflict) {
		w.WriteHeader(http.StatusConflict)
		json.NewEncoder(w).Encode(api.ErrorBody{Error: api.Error{Code: api.CodeConflict, Message: "another request now"}})
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

// When one of several cannot be decided, those before it are, and are told.
func TestApproveThatFailsHalfway(t *testing.T) {
	scopes := []string{"secrets:read:a/B"}
	for _, args := range [][]string{{}, {"--json"}} {
		d := startApprovals(t,
			api.Approval{ID: "apr_1", RequestedScopes: scopes, Digest: "d1"},
			api.Approval{ID: "apr_2", RequestedScopes: scopes, Digest: "d2"},
			api.Approval{ID: "apr_3", RequestedScopes: scopes, Digest: "d3"})
		d.conflict = "apr_2"
		stdout, stderr, code := ass(t, d.url, append([]string{"approvals", "approve", "--all", "--yes"}, args...)...)
		if code != 1 || !strings.Contains(stdout, "apr_1") || strings.Contains(stdout, "apr_2") || !strings.Contains(stderr, "another request now") {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
		want := []string{`/v1/approvals/apr_1/approve {"digest":"d1"}`, `/v1/approvals/apr_2/approve {"digest":"d2"}`}
		if !slices.Equal(d.decided, want) {
			t.Errorf("%v: decided %q, want %q", args, d.decided, want)
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
