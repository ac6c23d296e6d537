package client_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// What needs a person: a passphrase stands in the body of just the request that it
// is given to.
func TestRoutesOfPeople(t *testing.T) {
	d := startDaemon(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/passphrase") {
			w.WriteHeader(204)
			return
		}
		reply(w, 200, map[string]any{"token": "tok"})
	})
	c := newClient(t, client.Config{URL: d.url, Key: key})
	ctx, p, q := t.Context(), "old", "new"
	_, e1 := c.RevokeApproval(ctx, "a/b", api.ApprovalDecision{Reason: "r"})
	_, e2 := c.Owners(ctx)
	_, e3 := c.CreateOwner(ctx, api.OwnerCreate{Name: "n", Passphrase: &p})
	e4 := c.RevokeOwner(ctx, "a/b", api.OwnerRevoke{Passphrase: &p})
	e5 := c.ChangePassphrase(ctx, api.PassphraseChange{Passphrase: &p, NewPassphrase: &q})
	_, e6 := c.OperatorFiles(ctx)
	_, e7 := c.CheckPolicy(ctx, "a", "secrets:read:p/K", "")
	_, e8 := c.CheckPolicy(ctx, "a", "s", "10.0.0.1")
	_, e9 := c.AcceptPolicy(ctx, api.PolicyAccept{Name: "policy.toml", Digest: "d", Passphrase: &p})
	_, e10 := c.Lockdown(ctx, api.LockdownRequest{Reason: "r"})
	_, e11 := c.Lift(ctx, api.LiftRequest{Passphrase: &p})
	_, e12 := c.Claim(ctx, api.ClaimRequest{Passphrase: &p})
	_, e13 := c.WithToken(ctx, api.TokenRequest{Scopes: []string{"s"}, Reason: "r", Passphrase: &p})
	if err := errors.Join(e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e11, e12, e13); err != nil {
		t.Fatal(err)
	}
	mine := "Bearer " + key
	want := []seen{
		{"POST", "/v1/approvals/a%2Fb/revoke", mine, `{"reason":"r"}`},
		{"GET", "/v1/owners", mine, ""},
		{"POST", "/v1/owners", mine, `{"name":"n","passphrase":"old"}`},
		{"POST", "/v1/owners/a%2Fb/revoke", mine, `{"passphrase":"old"}`},
		{"POST", "/v1/vault/passphrase", mine, `{"passphrase":"old","new_passphrase":"new"}`},
		{"GET", "/v1/policy", mine, ""},
		{"GET", "/v1/policy/check?agent=a&scope=secrets%3Aread%3Ap%2FK", mine, ""},
		{"GET", "/v1/policy/check?agent=a&from=10.0.0.1&scope=s", mine, ""},
		{"POST", "/v1/policy/accept", mine, `{"name":"policy.toml","digest":"d","passphrase":"old"}`},
		{"POST", "/v1/vault/lockdown", mine, `{"reason":"r"}`},
		{"POST", "/v1/vault/lift", mine, `{"passphrase":"old"}`},
		{"POST", "/v1/vault/claim", "", `{"passphrase":"old"}`},
		{"POST", "/v1/tokens", mine, `{"scopes":["s"],"reason":"r","passphrase":"old"}`},
	}
	if diff := cmp.Diff(want, d.requests(), cmp.AllowUnexported(seen{})); diff != "" {
		t.Error(diff)
	}
}

// The daemon is told to answer before the client gives up.
func TestWaitsEndBeforeTheTimeout(t *testing.T) {
	for timeout, want := range map[time.Duration]string{0: "30s", 10 * time.Second: "5s", 2*time.Second + time.Millisecond: "1s", time.Second: "1s", time.Hour: "30s"} {
		d := startDaemon(t, func(w http.ResponseWriter, r *http.Request) { reply(w, 200, map[string]any{}) })
		c := newClient(t, client.Config{URL: d.url, Key: key, Timeout: timeout})
		_, e1 := c.WaitApproval(t.Context(), "apr_1")
		_, e2 := c.WatchApprovals(t.Context(), api.ApprovalPending, "")
		_, e3 := c.WatchApprovals(t.Context(), "", "c/1")
		if err := errors.Join(e1, e2, e3); err != nil {
			t.Fatal(err)
		}
		mine := "Bearer " + key
		diff := cmp.Diff([]seen{
			{"GET", "/v1/approvals/agent/apr_1?wait=" + want, mine, ""},
			{"GET", "/v1/approvals?status=pending&wait=" + want, mine, ""},
			{"GET", "/v1/approvals?cursor=c%2F1&wait=" + want, mine, ""},
		}, d.requests(), cmp.AllowUnexported(seen{}))
		if diff != "" {
			t.Errorf("timeout %v: %s", timeout, diff)
		}
	}
}
