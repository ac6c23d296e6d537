package conformance_test

import (
	"net/http"
	"regexp"
	"testing"
)

var jwt = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`)

// cliTokens: tokens issue, from flags and from prompts, for an owner and for an
// agent; each token opens what it says and nothing else.
func (w *world) cliTokens(t *testing.T) {
	w.vault.put(t, "vending/KEY", value("for a token"), "standard")
	owner := w.person(t, "tokens", w.vault, w.vault.key)
	agent := w.person(t, "vendor", w.vault, w.vault.agent(t, "vendor", []string{"vending"}, []string{"secrets:read:vending/*"}))

	r := owner.sit(t, "tokens", "issue", "--scopes", "secrets:read:vending/*,namespaces:read", "--ttl", "900").end().ok(t)
	r.shows(t, "secrets:read:vending/*, namespaces:read")
	w.opens(t, r)
	for _, p := range []*person{owner, agent} {
		x := p.sit(t, "tokens", "issue")
		x.expect("Scopes").press("read:secrets" + enter)
		x.expect("Token lifetime").press(enter) // one hour
		w.opens(t, x.end().ok(t).shows(t, "read:secrets"))
	}
	agent.ass(t, "tokens", "issue", "--scopes", "read:secrets", "--ttl", "60").ok(t)
	w.audited(t, "token.create", "")

	if r := agent.ass(t, "tokens", "issue", "--scopes", "read:secrets", "--ttl", "soon"); r.code != 1 {
		t.Errorf("a ttl that is no number: exit code %d", r.code)
	}
	agent.ass(t, "tokens", "issue", "--scopes", "read:secrets", "--ttl", "604801").fails(t)
	agent.ass(t, "tokens", "issue", "--scopes", "read:nonsense", "--ttl", "60").fails(t)
	agent.ass(t, "tokens", "issue", "--scopes", "write:secrets", "--ttl", "60").fails(t, "Permission denied.")
	agent.ass(t, "tokens", "issue", "--scopes", "secrets:read:production/PLAIN", "--ttl", "60").fails(t, "Permission denied.")
	w.audited(t, "secret.read.denied", "production/PLAIN")
}

// opens fails the test unless the token shown reads vending/KEY, and a write with it
// is refused.
func (w *world) opens(t *testing.T, shown result) {
	t.Helper()
	w.audited(t, "token.create", "")
	token := jwt.FindString(shown.stdout)
	if token == "" {
		t.Fatalf("no token is shown: %s", shown)
	}
	if text, status := w.vault.get(t, "vending/KEY", token); status != http.StatusOK || text != value("for a token") {
		t.Errorf("with the token the secret answers %d", status)
	}
	w.audited(t, "secret.read", "vending/KEY")
	in := map[string]any{"value": value("not to be written")}
	if status := w.vault.call(t, "PUT", "/v1/secrets/vending/KEY", token, in, nil); status != http.StatusForbidden {
		t.Errorf("a write with the token answers %d", status)
	}
}
