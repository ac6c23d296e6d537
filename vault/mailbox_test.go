package vault_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/webhook"
)

// mail is a message as it arrived.
type mail struct {
	id   string
	at   time.Time
	body string
	Type string
	Data api.AuditEvent
}

// mailbox is a receiver. It checks the signature of each message by the standard's own
// library, and answers as it is told.
type mailbox struct {
	t      tb
	srv    *httptest.Server
	secret string

	mu     sync.Mutex
	answer func(mail) int // nil: 204. 0: it hangs up
	all    []mail         // that arrived
	taken  []mail         // of those: that were answered 2xx
}

func newSecret(n byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{n}, 32))
}

func newMailbox(t testing.TB) *mailbox {
	t.Helper()
	m := &mailbox{t: t, secret: newSecret(3)}
	m.srv = httptest.NewServer(m)
	t.Cleanup(m.srv.Close)
	return m
}

func (m *mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	wh, err := standard.NewWebhook(m.secret)
	if err == nil {
		err = wh.VerifyIgnoringTimestamp(body, r.Header) // the vault's clock may be another
	}
	one := mail{id: r.Header.Get("webhook-id"), at: time.Now(), body: string(body)}
	if err == nil {
		err = json.Unmarshal(body, &one)
	}
	if err != nil {
		m.t.Errorf("a message that is no good: %v: %s", err, body)
	}
	switch status := m.take(one); status {
	case 0:
		panic(http.ErrAbortHandler)
	default:
		w.WriteHeader(status)
	}
}

func (m *mailbox) take(one mail) int {
	m.mu.Lock()
	answer := m.answer
	m.all = append(m.all, one)
	m.mu.Unlock()
	status := http.StatusNoContent
	if answer != nil {
		status = answer(one)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if status >= 200 && status <= 299 {
		m.taken = append(m.taken, one)
	}
	return status
}

func (m *mailbox) answers(fn func(mail) int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer = fn
}

func (m *mailbox) got() []mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.taken)
}

func (m *mailbox) tried() []mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.all)
}

// hook is the configuration by which the mailbox is told of events.
func (m *mailbox) hook(name string, events ...audit.Pattern) vault.Webhook {
	m.t.Helper()
	return hookTo(m.t, m.srv.URL+"/T0KEN", m.secret, name, events...)
}

func hookTo(t tb, url, secret, name string, events ...audit.Pattern) vault.Webhook {
	t.Helper()
	u, err := webhook.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := webhook.ParseSecrets([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return vault.Webhook{Name: name, Events: events, To: webhook.Config{URL: u, Secrets: keys}}
}

func (h *house) tell(hooks ...vault.Webhook) {
	h.t.Helper()
	if err := h.v.SetWebhooks(ctx, hooks); err != nil {
		h.t.Fatalf("setting webhooks: %v", err)
	}
}

// webhook is how the one of that name stands.
func (h *house) webhook(name string) api.Webhook {
	h.t.Helper()
	all, err := h.v.Webhooks(ctx, h.as(h.owner))
	if err != nil {
		h.t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(w api.Webhook) bool { return w.Name == name })
	if i < 0 {
		h.t.Fatalf("there is no webhook %s", name)
	}
	return all[i]
}

// settled waits until nothing waits for a receiver.
func (h *house) settled(name string) {
	h.t.Helper()
	eventually(h.t, "nothing waits for "+name, func() bool { return h.webhook(name).Pending == 0 })
}

// paths are the secrets that the messages are about.
func paths(all []mail) (out []string) {
	for _, m := range all {
		out = append(out, *m.Data.ResID)
	}
	return out
}

func types(all []mail) (out []string) {
	for _, m := range all {
		out = append(out, m.Type)
	}
	return out
}

// deaf is the URL of a place where nobody listens.
func deaf(t testing.TB) string {
	t.Helper()
	srv := httptest.NewServer(nil)
	srv.Close()
	return srv.URL
}

// outboxed is the keys in the outbox, of the file as it is on the disk now.
func (h *house) outboxed() []string { return h.keys("outbox") }

func joined(all []string) string { return strings.Join(all, " ") }
