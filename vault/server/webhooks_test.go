package server_test

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/webhook"
)

// inbox is a receiver on this machine.
type inbox struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	bodies []string
}

func (in *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.bodies = append(in.bodies, string(body))
	w.WriteHeader(in.status)
}

func (in *inbox) got() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.bodies
}

// webhook has a receiver of that name told of some events, and no others.
func (d *daemon) webhook(name string, events ...audit.Pattern) *inbox {
	d.t.Helper()
	in := &inbox{status: 200}
	in.Server = httptest.NewServer(in)
	d.t.Cleanup(in.Close)
	u, err := webhook.ParseURL(in.URL + "/services/" + d.secret("TOKEN-IN-A-PATH"))
	if err != nil {
		d.t.Fatal(err)
	}
	secret := d.secret("whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	keys, err := webhook.ParseSecrets([]byte(secret))
	if err != nil {
		d.t.Fatal(err)
	}
	if len(events) == 0 {
		events = []audit.Pattern{"vault.restore"}
	}
	w := vault.Webhook{Name: name, Events: events, To: webhook.Config{URL: u, Secrets: keys}}
	if err := d.vault.SetWebhooks(context.Background(), []vault.Webhook{w}); err != nil {
		d.t.Fatal(err)
	}
	return in
}

// TestWebhookRoutes: owners see the receivers, without what their URLs hold, and test
// them; nobody else does either.
func TestWebhookRoutes(t *testing.T) {
	d := start(t)
	if got := into[api.Webhooks](d, d.call("GET", "/v1/webhooks", d.owner, "")); len(got.Items) != 0 {
		t.Errorf("%+v", got)
	}
	d.want(d.call("POST", "/v1/webhooks/chat/test", d.owner, ""), "NOT_FOUND")
	in := d.webhook("chat", "secret.write", "approval.*")
	got := into[api.Webhooks](d, d.call("GET", "/v1/webhooks", d.owner, "")).Items
	if len(got) != 1 || got[0].Name != "chat" || got[0].Origin != in.URL || got[0].State != "ok" || strings.Join(got[0].Events, " ") != "secret.write approval.*" {
		t.Errorf("%+v", got)
	}
	if test := into[api.WebhookTest](d, d.call("POST", "/v1/webhooks/chat/test", d.owner, "")); !test.Delivered || test.Failure != "" {
		t.Errorf("%+v", test)
	}
	bodies := in.got()
	if len(bodies) != 1 || !strings.HasPrefix(bodies[0], `{"type":"webhook.test","timestamp":"`) || !strings.Contains(bodies[0], `"resource":"chat"`) {
		t.Errorf("%q", bodies)
	}
	in.mu.Lock()
	in.status = 503
	in.mu.Unlock()
	if test := into[api.WebhookTest](d, d.call("POST", "/v1/webhooks/chat/test", d.owner, "")); test.Delivered || test.Failure != "it answered 503 Service Unavailable" {
		t.Errorf("%+v", test)
	}
	agent := d.agent("bot", `["secrets:*:*"]`, `[]`)
	token := d.token(d.owner, "secrets:*:*")
	for _, key := range []string{agent, token} {
		d.want(d.call("GET", "/v1/webhooks", key, ""), "SCOPE_DENIED")
		d.want(d.call("POST", "/v1/webhooks/chat/test", key, ""), "SCOPE_DENIED")
	}
	if len(in.got()) != 2 {
		t.Errorf("%d messages", len(in.got()))
	}
	all := strings.Join(actions(d.events()), " ")
	for _, action := range []string{"webhook.configure", "webhook.test", "webhook.list.denied", "webhook.test.denied"} {
		if !strings.Contains(all, action) {
			t.Errorf("no %s in %s", action, all)
		}
	}
}
