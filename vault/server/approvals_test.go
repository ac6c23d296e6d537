package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

// guard stores a secret of a tier as the owner.
func (d *daemon) guard(path, value, tier string) {
	d.t.Helper()
	d.want(d.call("PUT", "/v1/secrets/"+path, d.owner, asJSON(map[string]any{"value": value, "access_tier": tier})), "")
}

// ask is a wish for a token of one scope, which has to wait.
func (d *daemon) ask(key, scope string) string {
	d.t.Helper()
	r := d.call("POST", "/v1/tokens", key, asJSON(map[string]any{"scopes": []string{scope}}))
	if r.status != http.StatusAccepted {
		d.t.Fatalf("asking for %s: %d %.300s, want 202", scope, r.status, r.body)
	}
	return into[api.TokenWaits](d, r).ApprovalID
}

const approvalFields = "id agent_id actor_id status access_tier requested_scopes digest source reason decided_by ttl " +
	"created_at expires_at approved_at denied_at ip_allowlist requester_kind because approvals_needed approved_by opens_at opens_for " +
	"revoked_at process claimed_reason"

// TestApprovalLife: what the published clients send and look for, from the wish
// to the value.
func TestApprovalLife(t *testing.T) {
	d := start(t)
	d.guard("production/HOT", d.secret("value-behind-an-approval"), "sensitive")
	bot, other := d.agent("bot", `["secrets:read:*"]`, `["production"]`), d.agent("other", `["secrets:*:*"]`, `[]`)
	wild := d.token(bot, "secrets:read:production/*")
	const wish = `{"scopes":["secrets:read:production/HOT"],"ttl":"15m"}`

	r := d.call("POST", "/v1/tokens", bot, wish)
	if r.status != http.StatusAccepted {
		t.Fatalf("a wish is answered %d %s", r.status, r.body)
	}
	waits := object(t, r.body, "requires_approval approval_id hint message opens_at scopes")
	id, _ := waits["approval_id"].(string)
	if waits["requires_approval"] != true || !strings.HasPrefix(id, "apr_") || len(id) != 12 || !strings.Contains(waits["message"].(string), id) {
		t.Fatalf("it waits as %s", r.body)
	}
	if again := into[api.TokenWaits](d, d.call("POST", "/v1/tokens", bot, wish)); again.ApprovalID != id {
		t.Errorf("the same wish again is %s, it was %s", again.ApprovalID, id)
	}
	// Straight at the secret, by key and by an older token: another wish, since
	// it is bound to nothing.
	var direct string
	for _, key := range []string{bot, wild} {
		r = d.want(d.call("GET", "/v1/secrets/production/HOT", key, ""), "APPROVAL_REQUIRED")
		body := object(t, r.body, "error detail approval_id")
		failure := body["error"].(map[string]any)
		details, _ := failure["details"].(map[string]any)
		if body["approval_id"] == "" || details["approval_id"] != body["approval_id"] || body["detail"] != failure["message"] {
			t.Errorf("refused as %s", r.body)
		}
		direct, _ = body["approval_id"].(string)
	}
	if direct == id {
		t.Error("a read is the same wish as a token for 15 minutes")
	}

	d.seen(id, "pending", bot, other)
	d.want(d.call("POST", "/v1/approvals/"+id+"/approve", bot, ""), "SCOPE_DENIED")
	d.want(d.call("POST", "/v1/approvals/"+id+"/deny", wild, ""), "SCOPE_DENIED")
	d.want(d.call("POST", "/v1/approvals/"+id+"/approve", "", ""), "UNAUTHORIZED")
	got := object(t, d.want(d.call("POST", "/v1/approvals/"+id+"/approve", d.owner, `{"reason":"for tonight"}`), "").body, approvalFields)
	checkTime(t, got, 0, "created_at", "approved_at")
	checkTime(t, got, time.Hour, "expires_at")
	if got["status"] != "approved" || got["decided_by"] != "olga" || got["reason"] != "for tonight" || got["denied_at"] != nil {
		t.Errorf("approved, it is %v", got)
	}
	d.seen(id, "approved", bot, other)
	r = d.call("POST", "/v1/tokens", bot, wish)
	if r.status != http.StatusOK {
		t.Fatalf("approved, the wish is answered %d %s", r.status, r.body)
	}
	for _, key := range []string{d.secret(into[api.TokenResponse](d, r).Token), wild, bot} {
		if s := into[api.Secret](d, d.call("GET", "/v1/secrets/production/HOT", key, "")); s.Value != "value-behind-an-approval" {
			t.Errorf("it reads %q", s.Value)
		}
	}
	d.want(d.call("GET", "/v1/secrets/production/HOT", other, ""), "APPROVAL_REQUIRED")
	for _, act := range []string{"approve", "deny"} {
		d.want(d.call("POST", "/v1/approvals/"+id+"/"+act, d.owner, "{}"), "CONFLICT")
	}

	d.want(d.call("POST", "/v1/approvals/"+direct+"/deny", d.owner, ""), "")
	d.seen(direct, "denied", bot, other)
	d.want(d.call("POST", "/v1/approvals/"+direct+"/approve", d.owner, ""), "CONFLICT")
}

// seen checks how a request stands for its agent, for an owner, in the lists,
// and that another agent sees nothing.
func (d *daemon) seen(id, status, agent, other string) {
	d.t.Helper()
	for _, key := range []string{agent, d.owner} {
		if got := into[api.Approval](d, d.call("GET", "/v1/approvals/agent/"+id, key, "")); got.ID != id || got.Status != status {
			d.t.Errorf("request %s is %s, want %s %s", got.ID, got.Status, id, status)
		}
	}
	theirs := d.want(d.call("GET", "/v1/approvals/agent/"+id, other, ""), "NOT_FOUND")
	none := d.want(d.call("GET", "/v1/approvals/agent/apr_aaaaaaaa", other, ""), "NOT_FOUND")
	if string(theirs.body) != string(none.body) {
		d.t.Errorf("another agent can tell %s from %s", theirs.body, none.body)
	}
	for _, filter := range []string{"", "pending", "approved", "denied", "expired"} {
		target := "/v1/approvals"
		if filter != "" {
			target += "?status=" + filter
		}
		list := into[api.Approvals](d, d.call("GET", target, d.owner, ""))
		listed := slices.ContainsFunc(list.Items, func(a api.Approval) bool { return a.ID == id })
		if want := filter == "" || filter == status; listed != want {
			d.t.Errorf("%s lists it: %v, want %v", target, listed, want)
		}
		d.want(d.call("GET", target, agent, ""), "SCOPE_DENIED")
	}
}

func TestApprovalDigest(t *testing.T) {
	d := start(t)
	d.guard("a/HOT", "v", "sensitive")
	d.guard("a/HOTTER", "v", "critical")
	bot := d.agent("bot", `["secrets:*:*"]`, `[]`)
	id, other := d.ask(bot, "secrets:read:a/HOT"), d.ask(bot, "secrets:write:a/HOTTER")
	digest := func(id string) string {
		return into[api.Approval](d, d.call("GET", "/v1/approvals/agent/"+id, d.owner, "")).Digest
	}
	before := d.last()
	for _, act := range []string{"approve", "deny"} {
		d.want(d.call("POST", "/v1/approvals/"+id+"/"+act, d.owner, asJSON(map[string]any{"digest": digest(other)})), "CONFLICT")
		d.want(d.call("POST", "/v1/approvals/"+id+"/"+act, d.owner, `{"digest":"sha256:00"}`), "CONFLICT")
	}
	if got := actions(d.since(before)); len(got) != 0 {
		t.Errorf("left in the trail: %v", got)
	}
	d.want(d.call("POST", "/v1/approvals/"+id+"/approve", d.owner, asJSON(map[string]any{"digest": digest(id)})), "")
	d.want(d.call("GET", "/v1/secrets/a/HOT", bot, ""), "")
}

// TestApprovalRequests: what these routes take, and what they do not.
func TestApprovalRequests(t *testing.T) {
	d := start(t)
	d.guard("a/HOT", "v", "sensitive")
	bot := d.agent("bot", `["secrets:read:*"]`, `[]`)
	id := d.ask(bot, "secrets:read:a/HOT")
	before := d.last()
	for _, tc := range []struct{ method, target, body, code string }{
		{"GET", "/v1/approvals?status=open", "", "VALIDATION_ERROR"},
		{"GET", "/v1/approvals?status=PENDING", "", "VALIDATION_ERROR"},
		{"GET", "/v1/approvals?status=", "", "VALIDATION_ERROR"},
		{"GET", "/v1/approvals?state=pending", "", "VALIDATION_ERROR"},
		{"GET", "/v1/approvals/agent/a%2Fb", "", "VALIDATION_ERROR"},
		{"GET", "/v1/approvals/agent/", "", "VALIDATION_ERROR"},
		{"GET", "/v1/approvals/" + id, "", "NOT_FOUND"},
		{"POST", "/v1/approvals/" + id, "", "NOT_FOUND"},
		{"GET", "/v1/approvals/" + id + "/approve", "", "NOT_FOUND"},
		{"POST", "/v1/approvals/" + id + "/approve/", "", "NOT_FOUND"},
		{"POST", "/v1/approvals/apr_aaaaaaaa/approve", "", "NOT_FOUND"},
		{"POST", "/v1/approvals/apr_aaaaaaaa/deny", "{}", "NOT_FOUND"},
		{"POST", "/v1/approvals/" + strings.ToUpper(id) + "/approve", "{}", "NOT_FOUND"},
		{"POST", "/v1/approvals/" + id + "/approve?force=1", "{}", "VALIDATION_ERROR"},
		{"POST", "/v1/approvals/" + id + "/approve", `{"reason":1}`, "VALIDATION_ERROR"},
		{"POST", "/v1/approvals/" + id + "/approve", `{"grant_ttl":"10h"}`, "VALIDATION_ERROR"},
		{"POST", "/v1/approvals/" + id + "/approve", `{"reason":"a\nb"}`, "VALIDATION_ERROR"},
		{"POST", "/v1/approvals/" + id + "/deny", `{"reason":"` + strings.Repeat("x", 1025) + `"}`, "VALIDATION_ERROR"},
		{"POST", "/v1/approvals/" + id + "/approve", `[]`, "VALIDATION_ERROR"},
	} {
		if r := d.call(tc.method, tc.target, d.owner, tc.body); r.code() != tc.code {
			t.Errorf("%s %s %s: %d %.200s, want %s", tc.method, tc.target, tc.body, r.status, r.body, tc.code)
		}
	}
	if got := actions(d.since(before)); len(got) != 0 {
		t.Errorf("left in the trail: %v", got)
	}
	d.want(d.call("POST", "/v1/approvals/"+id+"/deny", d.owner, `{"reason":null,"digest":null}`), "")
	got := into[api.Approval](d, d.call("GET", "/v1/approvals/agent/"+id, bot, ""))
	if got.Reason != nil || got.DeniedAt == nil || got.Status != "denied" {
		t.Errorf("denied, it is %+v", got)
	}
}

// TestTooManyWishes: one more than an agent may have open waits for an owner, or
// for an hour to pass, and the client is told when to come again.
func TestTooManyWishes(t *testing.T) {
	d := start(t)
	d.guard("a/HOT", "v", "sensitive")
	bot := d.agent("bot", `["secrets:read:*"]`, `[]`)
	wish := func(n int) reply {
		return d.call("POST", "/v1/tokens", bot, fmt.Sprintf(`{"scopes":["secrets:read:a/HOT"],"max_uses":%d}`, n))
	}
	for n := range 32 {
		if r := wish(n + 1); r.status != http.StatusAccepted {
			t.Fatalf("wish %d: %d %s", n, r.status, r.body)
		}
	}
	d.wantLimited(wish(33), 60)
	r := d.call("GET", "/v1/secrets/a/HOT", bot, "")
	d.wantLimited(r, 60)
	if strings.Contains(string(r.body), "approval_id") {
		t.Errorf("it names a request: %s", r.body)
	}
	if list := into[api.Approvals](d, d.call("GET", "/v1/approvals", d.owner, "")); len(list.Items) != 32 {
		t.Errorf("%d are listed", len(list.Items))
	}
	if r := wish(9); r.status != http.StatusAccepted {
		t.Errorf("one that is open: %d %s", r.status, r.body)
	}
}

// TestRefusedWishes: what an agent may not have, whatever an owner says, is no wish.
func TestRefusedWishes(t *testing.T) {
	d := start(t)
	d.guard("a/HOT", "v", "sensitive")
	d.guard("b/HOT", "v", "sensitive")
	bot := d.agent("bot", `["secrets:read:*"]`, `["a"]`)
	for _, scopes := range []string{
		`["secrets:read:b/HOT"]`, `["secrets:read:a/HOT","secrets:read:b/HOT"]`, `["secrets:read:b/NONE","secrets:read:a/HOT"]`,
		`["secrets:read:a/HOT","secrets:write:a/HOT"]`, `["secrets:read:a/HOT","secrets:read:*"]`,
	} {
		d.want(d.call("POST", "/v1/tokens", bot, `{"scopes":`+scopes+`}`), "SCOPE_DENIED")
	}
	if list := into[api.Approvals](d, d.call("GET", "/v1/approvals", d.owner, "")); len(list.Items) != 0 {
		t.Errorf("%d requests were opened", len(list.Items))
	}
}
