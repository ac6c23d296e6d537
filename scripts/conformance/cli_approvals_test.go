package conformance_test

import (
	"slices"
	"testing"
)

// request is an approval request as --json tells it.
type request struct {
	ID, Status      string
	AgentID         string   `json:"agent_id"`
	AccessTier      string   `json:"access_tier"`
	RequestedScopes []string `json:"requested_scopes"`
	Reason          *string
	ExpiresAt       string `json:"expires_at"`
	CreatedAt       string `json:"created_at"`
}

// gate is one sensitive secret and an agent that asks for it.
type gate struct {
	w            *world
	owner, agent *person
	path         string
}

// cliApprovals: an agent asks, an owner lists, approves or denies.
func (w *world) cliApprovals(t *testing.T) {
	owner := w.person(t, "approvals", w.vault, w.vault.key)
	agent := w.person(t, "asker", w.vault, w.vault.agent(t, "asker", []string{"gated"}, []string{"secrets:read:gated/*"}))
	for _, tc := range []struct {
		name   string
		decide func(*testing.T, *person, string) result
		status string
		reason string
	}{
		{"APPROVE", func(t *testing.T, p *person, id string) result {
			return p.sit(t, "approvals", "approve", id).expect("Approve request").press(enter).end().shows(t, "Request approved")
		}, "approved", ""},
		{"APPROVE_FORCE", func(t *testing.T, p *person, id string) result {
			return p.ass(t, "approvals", "approve", id, "-f").shows(t, id)
		}, "approved", ""},
		{"DENY", func(t *testing.T, p *person, id string) result {
			x := p.sit(t, "approvals", "deny", id)
			x.expect("Reason for denial").press("not today" + enter)
			return x.expect("Deny request").press("y").end().shows(t, "Request denied")
		}, "denied", "not today"},
		{"DENY_FLAGS", func(t *testing.T, p *person, id string) result {
			return p.ass(t, "approvals", "deny", id, "-f", "-r", "never").shows(t, "never")
		}, "denied", "never"},
		{"DENY_SILENT", func(t *testing.T, p *person, id string) result {
			return p.sit(t, "approvals", "deny", id, "-f").expect("Reason for denial").press(enter).end()
		}, "denied", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := gate{w, owner, agent, "gated/" + tc.name}
			w.vault.put(t, g.path, value("behind a gate"), "sensitive")
			id := g.ask(t)
			g.aborted(t, id)
			tc.decide(t, owner, id).ok(t)
			g.decided(t, id, tc.status, tc.reason)
		})
	}
	t.Run("refused", func(t *testing.T) {
		owner.ass(t, "approvals", "approve", "apr_nosuchrequest", "-f").fails(t, "Not found.")
		owner.ass(t, "approvals", "deny", "apr_nosuchrequest", "-f", "-r", "x").fails(t, "Not found.")
		owner.ass(t, "approvals", "list", "--status", "nonsense").fails(t)
		agent.ass(t, "approvals", "list").fails(t, "Permission denied.")
	})
}

// ask has the agent refused, twice, and returns the id of the one request that
// this opens.
func (g gate) ask(t *testing.T) string {
	t.Helper()
	for range 2 {
		g.agent.ass(t, "secrets", "get", g.path).fails(t, "Permission denied.")
	}
	g.w.audited(t, "secret.read.denied", g.path)
	g.w.audited(t, "approval.request", "")
	found := g.list(t, "pending")
	if len(found) != 1 {
		t.Fatalf("the agent asked for %s, pending is %+v", g.path, found)
	}
	r := found[0]
	if r.ID == "" || r.AgentID != "asker" || r.AccessTier != "sensitive" || r.Reason != nil || r.ExpiresAt == "" || r.CreatedAt == "" {
		t.Errorf("approvals list --json: %+v", r)
	}
	g.owner.ass(t, "approvals", "list").ok(t).shows(t, "asker", "pending", "sensitive", "s ago")
	return r.ID
}

// list returns the requests of that status for the gate's secret alone.
func (g gate) list(t *testing.T, status string) []request {
	t.Helper()
	var list struct{ Items []request }
	g.owner.json(t, &list, "approvals", "ls", "--status", status)
	return slices.DeleteFunc(list.Items, func(r request) bool {
		return !slices.Equal(r.RequestedScopes, []string{"secrets:read:" + g.path})
	})
}

// aborted: who says no at the prompt has decided nothing.
func (g gate) aborted(t *testing.T, id string) {
	t.Helper()
	g.owner.sit(t, "approvals", "approve", id).expect("Approve request").press("n").end().ok(t)
	g.owner.sit(t, "approvals", "deny", id, "-r", "x").expect("Deny request").press("n").end().ok(t)
	if len(g.list(t, "pending")) != 1 {
		t.Error("the request is not pending any more")
	}
}

func (g gate) decided(t *testing.T, id, status, reason string) {
	t.Helper()
	found := g.list(t, status)
	if len(found) != 1 || found[0].ID != id || found[0].Status != status || reason != "" && (found[0].Reason == nil || *found[0].Reason != reason) {
		t.Errorf("approvals list --status %s --json: %+v", status, found)
	}
	g.owner.ass(t, "approvals", "list", "-s", status).ok(t).shows(t, "asker", status)
	if status == "denied" {
		g.w.audited(t, "approval.deny", "")
		g.agent.ass(t, "secrets", "get", g.path).fails(t, "Permission denied.")
		g.owner.ass(t, "approvals", "approve", id, "-f").fails(t)
		return
	}
	g.w.audited(t, "approval.approve", "")
	if r := g.agent.ass(t, "secrets", "get", g.path).ok(t); r.stdout != value("behind a gate") {
		t.Errorf("got %q", r.stdout)
	}
	g.w.audited(t, "secret.read", g.path)
}
