package main_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

// approvalsDaemon has requests that a real daemon would not make, and refuses
// to decide about some.
type approvalsDaemon struct {
	url   string
	items []api.Approval

	mu       sync.Mutex
	conflict string   // id of a request that has changed since it was listed
	code     api.Code // of its refusal
	asked    []string // routes of what was only looked at
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

// refuse makes d refuse to decide about one request, with code.
func (d *approvalsDaemon) refuse(id string, code api.Code) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conflict, d.code = id, code
}

// seen is what d was asked for and what it decided.
func (d *approvalsDaemon) seen() (asked, decided []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.asked), slices.Clone(d.decided)
}

func (d *approvalsDaemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.Method == http.MethodGet {
		d.asked = append(d.asked, r.URL.RequestURI())
		d.look(w, strings.TrimPrefix(r.URL.Path, "/v1/approvals"))
		return
	}
	body, _ := io.ReadAll(r.Body)
	d.decided = append(d.decided, r.URL.Path+" "+string(body))
	if d.conflict != "" && strings.Contains(r.URL.Path, d.conflict) {
		w.WriteHeader(d.code.Status())
		json.NewEncoder(w).Encode(api.ErrorBody{Error: api.Error{Code: d.code, Message: "another request now"}})
		return
	}
	id := strings.Split(r.URL.Path, "/")[3]
	json.NewEncoder(w).Encode(api.Approval{ID: id, Status: api.ApprovalApproved})
}

// look answers with one request or with all. They wait unless they say otherwise.
func (d *approvalsDaemon) look(w http.ResponseWriter, below string) {
	items := slices.Clone(d.items)
	for i := range items {
		items[i].Status = cmp.Or(items[i].Status, api.ApprovalPending)
	}
	id, one := strings.CutPrefix(below, "/agent/")
	if !one {
		json.NewEncoder(w).Encode(api.Approvals{Items: items})
		return
	}
	i := slices.IndexFunc(items, func(r api.Approval) bool { return r.ID == id })
	if i < 0 {
		w.WriteHeader(http.StatusNotFound)
		json.NewEncoder(w).Encode(api.ErrorBody{Error: api.Error{Code: api.CodeNotFound, Message: "there is no such request"}})
		return
	}
	json.NewEncoder(w).Encode(items[i])
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
		d.refuse("apr_2", api.CodeConflict)
		stdout, stderr, code := ass(t, d.url, append([]string{"approvals", "approve"}, args...)...)
		if code != 1 || !strings.Contains(stdout, "apr_1") || strings.Contains(stdout, "apr_2") || !strings.Contains(stdout, "apr_3") ||
			!strings.Contains(stderr, "not decided: apr_2: another request now") || !strings.Contains(stderr, "ass approvals list") {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
		want := []string{
			`/v1/approvals/apr_1/approve {"digest":"d1"}`, `/v1/approvals/apr_2/approve {"digest":"d2"}`,
			`/v1/approvals/apr_3/approve {"digest":"d3"}`,
		}
		if _, decided := d.seen(); !slices.Equal(decided, want) {
			t.Errorf("%v: decided %q, want %q", args, decided, want)
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
		d.refuse("apr_2", api.CodeStorageFull)
		stdout, stderr, code := ass(t, d.url, append([]string{"approvals", "approve", "--all", "--yes"}, args...)...)
		_, decided := d.seen()
		if code != 1 || !strings.Contains(stdout, "apr_1") || strings.Contains(stdout, "apr_3") || len(decided) != 2 {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q, decided %q", args, code, stdout, stderr, decided)
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

// Whoever decides about what was approved already is told how to end that.
func TestRevokeHint(t *testing.T) {
	d := startApprovals(t, api.Approval{ID: "apr_1", AgentID: "x; rm -rf ~", Status: api.ApprovalApproved})
	_, stderr, code := ass(t, d.url, "approvals", "deny", "apr_1")
	if code != 1 || !strings.HasSuffix(stderr, "to end what it has opened: ass approvals revoke apr_1\n") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
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
		"apr_1 .* READ a/B +│", `apr_2 .* READ a/B \(token 15m\) +│`, `apr_3 .* READ a/B +│.*\n.* \(token 15m, at most 2 uses in all\) +│`,
		`apr_4 .* READ a/B +│.*\n.* token 15m +│.*\n.* at most 2 uses in all +│.*\n.* only from 10\.0\.0\.1 +│.*\n.* or from local +│`,
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

// column is the text of a column of a table, its lines put together again, and a
// blank.
func column(table string, n int) string {
	var b strings.Builder
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "│"); len(cells) > n {
			b.WriteString(" " + strings.TrimSpace(cells[n]))
		}
	}
	return strings.ReplaceAll(b.String(), " ↳ ", "") + " "
}

// What an agent chooses can be long. Two requests that differ only at the end of
// a path, or two agents at the end of a name, do not look the same.
func TestApprovalsListCutsNothing(t *testing.T) {
	path, name := strings.Repeat("p/", 64)+strings.Repeat("K", 127), strings.Repeat("n", 63)
	d := startApprovals(t,
		api.Approval{ID: "apr_1", AgentID: name + "1", Source: "local", RequestedScopes: []string{"secrets:read:" + path + "1"}},
		api.Approval{ID: "apr_2", AgentID: name + "2", Source: "local", RequestedScopes: []string{"secrets:read:" + path + "2"}})
	stdout, _, _ := ass(t, d.url, "approvals", "list")
	for _, end := range []string{"1", "2"} {
		if !strings.Contains(column(stdout, 3), "READ "+path+end+" ") || !strings.Contains(column(stdout, 2), name+end+" ") {
			t.Errorf("request %s is not whole:\n%s", end, stdout)
		}
	}
	if strings.Contains(stdout, "…") {
		t.Errorf("something is cut:\n%s", stdout)
	}
}

// largest is as large a request as a daemon keeps.
func largest() api.Approval {
	ttl := api.TTL(168 * time.Hour)
	r := api.Approval{ID: "apr_1", AgentID: "bot", AccessTier: "critical", Source: "local", TTL: &ttl, MaxUses: 3}
	for i := range 64 {
		r.RequestedScopes = append(r.RequestedScopes, fmt.Sprintf("secrets:read:%s/K%d", strings.Repeat("n", 250), i))
		r.IPAllowlist = append(r.IPAllowlist, fmt.Sprintf("2001:db8:1111:2222:3333:4444:5555:%x/128", 0x1000+i))
	}
	return r
}

// All of it is seen by whoever approves, denies or lists.
func TestAllOfALargeRequestIsShown(t *testing.T) {
	r := largest()
	for _, args := range [][]string{{"list"}, {"approve", "--all", "--yes"}} {
		stdout, stderr, _ := ass(t, startApprovals(t, r).url, append([]string{"approvals"}, args...)...)
		shown := stderr
		if args[0] == "list" {
			shown = column(stdout, 3)
		}
		shown = strings.Join(strings.Fields(shown), " ") + " "
		for i := range 64 {
			path, _ := strings.CutPrefix(r.RequestedScopes[i], "secrets:read:")
			if !strings.Contains(shown, "READ "+path+" ") || !strings.Contains(shown, "from "+r.IPAllowlist[i]+" ") {
				t.Fatalf("%v does not show act or address %d: %s", args, i, shown)
			}
		}
		if !strings.Contains(shown, "token "+r.TTL.String()+" ") || !strings.Contains(shown, "at most 3 uses in all ") || strings.Contains(stdout+stderr, "…") {
			t.Errorf("%v does not show lifetime and uses, or cuts: %s", args, shown)
		}
	}
}

// What is said to be decided is whole too.
func TestAllOfALargeDecisionIsTold(t *testing.T) {
	r := largest()
	for _, verb := range []string{"approve", "deny"} {
		stdout, _, _ := ass(t, startApprovals(t, r).url, "approvals", verb, r.ID)
		if n := strings.Count(stdout, "    READ n"); n != 64 || !strings.Contains(stdout, "/K63\n") || strings.Contains(stdout, "…") {
			t.Errorf("%s tells %d of 64 acts: %s", verb, n, stdout)
		}
	}
}

// One request is asked for by its id: agents can make the list of all long.
func TestOneRequestIsAskedFor(t *testing.T) {
	d := startApprovals(t, api.Approval{ID: "apr_1"}, api.Approval{ID: "apr_2"}, api.Approval{ID: "apr_3", Status: api.ApprovalDenied})
	for _, args := range [][]string{{"approve", "apr_1"}, {"deny", "apr_2"}, {"approve", "apr_3"}, {"approve", "apr_none"}, {"deny", "hunter2"}} {
		ass(t, d.url, append([]string{"approvals"}, args...)...)
	}
	asked, decided := d.seen()
	const route = "/v1/approvals/agent/"
	asked = slices.DeleteFunc(asked, func(path string) bool { return path == "/v1/me" }) // whether there is a passphrase
	if want := []string{route + "apr_1", route + "apr_2", route + "apr_3", route + "apr_none"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
	if len(decided) != 2 {
		t.Errorf("decided %q, want apr_1 and apr_2", decided)
	}
}

// A daemon that answers with another request does not get that one approved.
func TestAnotherRequestIsNotApproved(t *testing.T) {
	var decided atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			decided.Store(true)
		}
		json.NewEncoder(w).Encode(api.Approval{ID: "apr_2", Status: api.ApprovalPending})
	}))
	defer srv.Close()
	if _, stderr, code := ass(t, srv.URL, "approvals", "approve", "apr_1"); code != 1 || decided.Load() || !strings.Contains(stderr, "another request") {
		t.Errorf("exit code %d, decided %v, stderr %q", code, decided.Load(), stderr)
	}
}

// What --yes approves stands in the log of whatever ran it, before it is decided.
func TestApproveAllShowsWithoutATerminal(t *testing.T) {
	r := api.Approval{ID: "apr_1", AgentID: "bot", AccessTier: "critical", Source: "local", RequestedScopes: []string{"secrets:read:a/B"}}
	for _, tc := range []struct{ flag, want string }{
		{"--yes", "About to approve:\n  apr_1: bot, critical, from local\n    READ a/B\nass: "},
		{"--json", `"agent_id":"bot"`},
		{"--quiet", ""},
	} {
		d := startApprovals(t, r)
		d.refuse(r.ID, api.CodeInternal)
		_, stderr, code := ass(t, d.url, "approvals", "approve", "--all", "--yes", tc.flag)
		if code != 1 || !strings.Contains(stderr, tc.want) || (tc.want == "") != !strings.Contains(stderr, "bot") {
			t.Errorf("%s: exit code %d, stderr %q, want %q", tc.flag, code, stderr, tc.want)
		}
		if tc.flag != "--json" {
			continue
		}
		docs := json.NewDecoder(strings.NewReader(stderr))
		for docs.More() {
			var doc map[string]any
			if err := docs.Decode(&doc); err != nil {
				t.Fatalf("stderr is not JSON: %q", stderr)
			}
		}
	}
}

// A list that may not be all does not say that it is.
func TestALongListIsNotCalledTheTotal(t *testing.T) {
	items := make([]api.Approval, 1000)
	for i := range items {
		items[i] = api.Approval{ID: fmt.Sprintf("apr_%d", i), RequestedScopes: []string{"secrets:read:a/B"}}
	}
	stdout, _, _ := ass(t, startApprovals(t, items...).url, "approvals", "list")
	if strings.Contains(stdout, "total") || !strings.Contains(stdout, "the newest 1000") {
		t.Errorf("the title is %.300s", stdout)
	}
	_, stderr, _ := ass(t, startApprovals(t, items...).url, "approvals", "approve", "--all", "--yes")
	if !strings.Contains(stderr, "see what else waits with: ass approvals list") {
		t.Error("nothing says that more may wait")
	}
	stdout, stderr, _ = ass(t, startApprovals(t, items[:999]...).url, "approvals", "list")
	if !strings.Contains(stdout, "999 total") || stderr != "" {
		t.Errorf("the title is %.300s, stderr %q", stdout, stderr)
	}
}
