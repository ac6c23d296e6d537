package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/server"
	"github.com/agent-secret-store/assd/vault/server/certs"
)

// TestEveryDocumentedSuccess reaches each success of each operation of the
// document. That each is as the document says is checked as it comes.
func TestEveryDocumentedSuccess(t *testing.T) {
	d := unclaimed(t)
	c := newContract(t, d.document())
	claim := into[api.Claim](d, d.call("POST", "/v1/vault/claim", "", with("")))
	d.owner = d.secret(claim.OwnerKey)
	d.secret(passphrase)
	d.secret(claim.RecoveryPassphrase)
	agent := d.secret(into[api.AgentCreated](d, d.call("POST", "/v1/agents", d.owner, with(`{"name":"bot","allowed_scopes":["secrets:*:*"]}`))).APIKey)
	ask := func(path string) string {
		d.want(d.call("PUT", "/v1/secrets/"+path, d.owner, `{"value":"v","access_tier":"sensitive"}`), "")
		r := d.call("POST", "/v1/tokens", agent, `{"scopes":["secrets:read:`+path+`"],"max_uses":2,"ip_allowlist":["local"],"reason":"to deploy"}`)
		c.saw("tokenIssue", r)
		return into[api.TokenWaits](d, r).ApprovalID
	}
	d.webhook("chat")
	slow, err := policy.ParsePath("a/SLOW")
	if err != nil {
		t.Fatal(err)
	}
	d.vault.SetRotators([]vault.Rotator{{Path: slow, Command: func(ctx context.Context, _ []byte) (vault.Printed, error) {
		<-ctx.Done()
		return vault.Printed{}, ctx.Err()
	}}})
	token := into[api.TokenResponse](d, d.call("POST", "/v1/tokens", agent, `{"scopes":["read:secrets"],"ttl":"1h","max_uses":9}`))
	approved, denied := ask("hot/ONE"), ask("hot/TWO")
	for _, line := range []string{
		"GET /v1/health", "GET /.well-known/jwks.json", "GET /v1/openapi.json", "GET /v1/me", "GET /v1/me/status",
		`POST /v1/tokens {"scopes":["read:secrets"]}`, "GET /v1/tokens", "DELETE /v1/tokens/" + token.TokenID,
		`PUT /v1/secrets/a/K {"value":"v","metadata":{"n":1}}`, "GET /v1/secrets/a/K", "GET /v1/secrets/a", "GET /v1/secrets", "GET /v1/namespaces",
		"POST /v1/secrets/a/K/rotate", "GET /v1/secrets/a", `POST /v1/secrets/a/K/rotate {"new_value":"w"}`, `POST /v1/secrets/a/K/rollback {"version":1}`, "GET /v1/secrets/a/K/versions",
		`PUT /v1/secrets/a/K {"value":"x","expires_at":"2100-01-01T00:00:00Z"}`, "GET /v1/secrets/a/K", "DELETE /v1/secrets/a/K",
		`POST /v1/secrets/import {"namespace":"a","content":"A=b"}`,
		`PUT /v1/secrets/a/SLOW {"value":"v"}`, "POST /v1/secrets/a/SLOW/rotate",
		`POST /v1/secrets/export {"namespaces":["a"],"keys":["A"],"purpose":"run"}`,
		with(`POST /v1/agents {"name":"n","description":"d"}`), "GET /v1/agents", "DELETE /v1/agents/n",
		"GET /v1/approvals", "GET /v1/approvals/agent/" + approved, `POST /v1/approvals/` + approved + `/approve ` + with(d.shown(approved)),
		"POST /v1/approvals/" + denied + "/deny", "GET /v1/approvals?status=approved", "GET /v1/approvals/agent/" + denied,
		"POST /v1/approvals/" + approved + "/revoke", "GET /v1/approvals?status=revoked",
		with(`POST /v1/owners {"name":"otto"}`), "GET /v1/owners", with("POST /v1/owners/otto/revoke {}"),
		"POST /v1/policy/accept " + with(d.held("policy.toml", "[[rule]]\nagents = [\"bot\"]\npaths = [\"z/*\"]\neffect = \"deny\"\n")),
		"GET /v1/policy", "GET /v1/policy/check?agent=bot&scope=secrets:read:z/K", "GET /v1/policy/check?agent=bot&scope=secrets:read:hot/ONE&from=10.1.2.3",
		with(`POST /v1/vault/passphrase {"new_passphrase":"` + passphrase + `"}`),
		"GET /v1/vault/slots", with(`POST /v1/vault/slots {"kind":"passphrase","new_passphrase":"of a slot, ten"}`), with("POST /v1/vault/slots/" + d.slot() + "/remove {}"),
		"GET /v1/vault/doctor", "GET /v1/webhooks", "POST /v1/webhooks/chat/test",
		"GET /v1/vault/status", with("POST /v1/vault/rotate-kek {}"), "GET /v1/vault/status",
		"POST /v1/vault/compact", with("POST /v1/vault/backup {}"), "POST /v1/vault/lockdown", with("POST /v1/vault/lift {}"), "GET /v1/audit", "GET /v1/audit/export?heads=true", "GET /v1/audit/export?format=csv",
		"GET /v1/audit/checkpoint", "GET /v1/audit/checkpoint?size=1", "POST /v1/audit/verify", with("POST /v1/audit/rotate-key {}"), "GET /v1/audit/follow?after=1&wait=1s", "GET /v1/audit/stats", "GET /v1/approvals",
	} {
		method, rest, _ := strings.Cut(line, " ")
		target, body, _ := strings.Cut(rest, " ")
		r := d.want(d.call(method, target, d.owner, body), "")
		path, _, _ := strings.Cut(target, "?")
		op, _ := c.find(method, path)
		c.saw(c.name(op), r)
	}
	c.saw("claim", reply{status: http.StatusOK})
	c.saw("vaultBackupGet", reply{status: http.StatusOK}) // there is a passphrase
	c.saw("certificate", d.overTLS("/v1/vault/certificate"))
	c.saw("vaultUnseal", d.want(d.call("POST", "/v1/vault/unseal", "", ""), ""))
	c.saw("vaultSeal", d.want(d.call("POST", "/v1/vault/seal", d.owner, `{"reason":"the last"}`), ""))
	for _, op := range c.operations {
		for outcome := range c.outcomes(op) {
			if status, err := strconv.Atoi(outcome); err == nil && !c.seen[c.name(op)+" "+outcome] {
				t.Errorf("%s was not seen to end in %d", c.name(op), status)
			}
		}
	}
}

// overTLS is what a server of this vault that has a certificate answers.
func (d *daemon) overTLS(target string) reply {
	d.t.Helper()
	keeper, err := certs.Open(certs.Config{Dir: filepath.Join(d.t.TempDir(), "tls"), Log: d.logger()})
	if err != nil {
		d.t.Fatal(err)
	}
	srv := server.New(server.Config{Vault: d.vault, Log: d.logger(), Version: "9.9.9", Certificates: keeper})
	req, rec := httptest.NewRequest("GET", target, nil), httptest.NewRecorder()
	srv.ServeHTTP(rec, req)
	r := reply{rec.Code, rec.Header(), rec.Body.Bytes()}
	if problem := contractOf(d.t, d.srv).check(req, nil, r); problem != "" || !json.Valid(r.body) {
		d.t.Errorf("%s: %s: %s", target, problem, r.body)
	}
	return r
}
