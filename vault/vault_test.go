package vault_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// childEnv names what a copy of the test binary is to do in place of the tests.
const childEnv = "VAULT_TEST_CHILD"

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		if err := children[name](os.Getenv(childEnv + "_DIR")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	for name, value := range map[string]string{
		"rapid.checks":     "50",
		"rapid.steps":      "40",
		"rapid.nofailfile": "true", // what was drawn is printed, and runs again by its seed
	} {
		if err := flag.Set(name, value); err != nil { // a default; the command line outranks it
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// children are the bodies of child processes; each gets a directory.
var children = map[string]func(dir string) error{}

var ctx = context.Background()

// testing.TB has methods that rapid.T lacks; this is what both have.
type tb interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Error(args ...any)
	Fatal(args ...any)
}

// clock is a clock that stands still until it is told, in either direction.
type clock struct {
	mu   sync.Mutex
	now  time.Time
	hook func() // runs in each Now, when set
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	now, hook := c.now, c.hook
	c.mu.Unlock()
	if hook != nil {
		hook()
	}
	return now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) onNow(hook func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hook = hook
}

// house is a vault in a directory of its own.
type house struct {
	t        tb
	cfg      vault.Config
	clock    *clock
	v        *vault.Vault // nil while closed
	owner    string       // the first owner's key
	claim    api.Claim
	phrase   string // the owner's approval passphrase; "" where the vault has none
	tampered bool   // the file was changed on purpose, so it need not verify
}

// newHouse makes a vault and claims it. When the test ends the vault is closed
// and its files are verified.
func newHouse(t testing.TB) *house {
	t.Helper()
	h := houseIn(t, filepath.Join(t.TempDir(), "data"))
	t.Cleanup(h.end)
	h.claimIt()
	return h
}

// houseIn makes an unclaimed vault in dir.
func houseIn(t tb, dir string) *house {
	t.Helper()
	c := newClock()
	h := &house{t: t, clock: c, cfg: vault.Config{Dir: dir, Now: c.Now, Argon2: quick}}
	var err error
	if h.v, err = vault.Create(h.cfg); err != nil {
		t.Fatalf("creating a vault: %v", err)
	}
	return h
}

func (h *house) claimIt() {
	h.t.Helper()
	var err error
	if h.claim, err = h.v.Claim(ctx, "ada", local(1000), api.ClaimRequest{}); err != nil {
		h.t.Fatalf("claiming: %v", err)
	}
	h.owner = h.claim.OwnerKey
}

func (h *house) end() {
	h.t.Helper()
	if h.v != nil {
		h.close()
	}
	if h.tampered {
		return
	}
	if p := h.verify().Problem; p != "" {
		h.t.Errorf("the vault does not verify: %s", p)
	}
	h.wantOpenable()
}

func (h *house) close() {
	h.t.Helper()
	if err := h.v.Close(); err != nil {
		h.t.Errorf("closing: %v", err)
	}
	h.v = nil
}

// open opens the closed vault, whose chain then is being checked.
func (h *house) open() {
	h.t.Helper()
	if err := h.tryOpen(); err != nil {
		h.t.Fatalf("opening: %v", err)
	}
}

func (h *house) tryOpen() (err error) {
	h.v, err = vault.Open(h.cfg)
	return err
}

func (h *house) reopen() {
	h.t.Helper()
	h.close()
	h.open()
}

// checked waits for the check of the whole chain and returns how it ended.
func (h *house) checked() string {
	h.t.Helper()
	eventually(h.t, "the chain is checked", func() bool { return h.v.Chain() != "running" })
	return h.v.Chain()
}

// verify verifies the files of the closed vault.
func (h *house) verify() vault.Report {
	h.t.Helper()
	rep, err := vault.Verify(ctx, h.cfg)
	if err != nil {
		h.t.Fatalf("verifying: %v", err)
	}
	return rep
}

// file is the path of a file in the data dir.
func (h *house) file(name string) string { return filepath.Join(h.cfg.Dir, name) }

func local(uid int) vault.Origin {
	return vault.Origin{Local: true, Source: audit.Source{UID: &uid}, RequestID: vault.NewRequestID()}
}

func remote(addr string) vault.Origin {
	a := netip.MustParseAddr(addr)
	return vault.Origin{Addr: a, Source: audit.Source{IP: a.String()}, RequestID: vault.NewRequestID()}
}

// as is a request from the Unix socket with a key or a token.
func (h *house) as(text string) vault.Request { return h.from(text, local(1000)) }

func (h *house) from(text string, o vault.Origin) vault.Request {
	return vault.Request{Credential: h.v.Present(text), Origin: o}
}

func path(t tb, s string) policy.Path {
	t.Helper()
	p, err := policy.ParsePath(s)
	if err != nil {
		t.Fatalf("path %q: %v", s, err)
	}
	return p
}

func ns(t tb, s string) policy.Namespace {
	t.Helper()
	n, err := policy.ParseNamespace(s)
	if err != nil {
		t.Fatalf("namespace %q: %v", s, err)
	}
	return n
}

// write is a body of PUT; options change it.
func write(value string, options ...func(*api.SecretWrite)) api.SecretWrite {
	w := api.SecretWrite{Value: &value}
	for _, o := range options {
		o(&w)
	}
	return w
}

func tier(t string) func(*api.SecretWrite) { return func(w *api.SecretWrite) { w.AccessTier = t } }
func lowerTo(t string) func(*api.SecretWrite) {
	return func(w *api.SecretWrite) { w.AccessTier, w.LowerTier = t, true }
}

func (h *house) put(who, p, value string, options ...func(*api.SecretWrite)) (api.SecretInfo, error) {
	h.t.Helper()
	return h.v.Put(ctx, h.as(who), path(h.t, p), write(value, options...))
}

func (h *house) mustPut(who, p, value string, options ...func(*api.SecretWrite)) api.SecretInfo {
	h.t.Helper()
	info, err := h.put(who, p, value, options...)
	if err != nil {
		h.t.Fatalf("putting %s: %v", p, err)
	}
	return info
}

func (h *house) delete(who, p string) error {
	h.t.Helper()
	return h.v.Delete(ctx, h.as(who), path(h.t, p))
}

func (h *house) mustDelete(who, p string) {
	h.t.Helper()
	if err := h.delete(who, p); err != nil {
		h.t.Fatalf("deleting %s: %v", p, err)
	}
}

// get reads the newest version at p.
func (h *house) get(who, p string) (string, error) {
	h.t.Helper()
	return h.read(h.as(who), p, 0)
}

// read reads version n at p and sees to it that a refusal comes without a value.
func (h *house) read(req vault.Request, p string, n uint64) (string, error) {
	h.t.Helper()
	r, list, err := h.v.Get(ctx, req, policy.RequestPath{Pieces: 2, Path: path(h.t, p)}, n)
	if list != nil {
		h.t.Errorf("a read of %s was answered by a list", p)
	}
	if err != nil {
		if r != nil {
			h.t.Errorf("a value came with the refusal %v", err)
		}
		return "", err
	}
	return string(r.Value.Reveal()), nil
}

func (h *house) mustGet(who, p, want string) {
	h.t.Helper()
	got, err := h.get(who, p)
	if err != nil {
		h.t.Fatalf("reading %s: %v", p, err)
	}
	if got != want {
		h.t.Errorf("%s holds %q, want %q", p, got, want)
	}
}

// agent makes an agent with these scopes over all namespaces.
func (h *house) agent(name string, scopes ...string) api.AgentCreated {
	h.t.Helper()
	return h.limited(name, nil, scopes...)
}

func (h *house) limited(name string, namespaces []string, scopes ...string) api.AgentCreated {
	h.t.Helper()
	a, err := h.v.CreateAgent(ctx, h.as(h.owner), api.AgentCreate{
		Name: name, AllowedNamespaces: namespaces, AllowedScopes: scopes, Passphrase: h.pass(),
	})
	if err != nil {
		h.t.Fatalf("creating agent %q: %v", name, err)
	}
	return a
}

func (h *house) revokeAgent(idOrName string) {
	h.t.Helper()
	if err := h.v.RevokeAgent(ctx, h.as(h.owner), idOrName); err != nil {
		h.t.Fatalf("revoking agent %q: %v", idOrName, err)
	}
}

func (h *house) token(who string, scopes ...string) api.TokenResponse {
	h.t.Helper()
	return h.issue(who, api.TokenRequest{Scopes: scopes})
}

func (h *house) issue(who string, want api.TokenRequest) api.TokenResponse {
	h.t.Helper()
	tok, err := h.v.IssueToken(ctx, h.as(who), want)
	if err != nil {
		h.t.Fatalf("issuing a token for %q: %v", want.Scopes, err)
	}
	return tok
}

// trail is the whole trail that matches f, oldest first.
func (h *house) trail(f audit.Filter) []audit.Stored {
	h.t.Helper()
	var all []audit.Stored
	for {
		page, next, _, err := h.v.Audit(ctx, h.as(h.owner), f, 1000)
		if err != nil {
			h.t.Fatalf("reading the trail: %v", err)
		}
		all = append(all, page...)
		if next == 0 {
			break
		}
		f.Before = next
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all
}

// last is the newest event.
func (h *house) last() audit.Stored {
	h.t.Helper()
	page, _, _, err := h.v.Audit(ctx, h.as(h.owner), audit.Filter{}, 1)
	if err != nil || len(page) != 1 {
		h.t.Fatalf("reading the newest event: %d events, %v", len(page), err)
	}
	return page[0]
}

// events is how many events the trail has.
func (h *house) events() uint64 {
	h.t.Helper()
	_, _, total, err := h.v.Audit(ctx, h.as(h.owner), audit.Filter{}, 1)
	if err != nil {
		h.t.Fatalf("counting events: %v", err)
	}
	return total
}

func wantCode(t tb, what string, err error, want api.Code) {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("%s: allowed, want %s", what, want)
	case err != nil && api.CodeOf(err) != want:
		t.Errorf("%s: %s (%v), want %s", what, api.CodeOf(err), err, orAllowed(want))
	}
}

func orAllowed(c api.Code) string {
	if c == "" {
		return "it allowed"
	}
	return string(c)
}

// wantTampered wants err to say that something was changed, and to name it.
func wantTampered(t tb, what string, err error, names string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: allowed", what)
		return
	}
	var known *api.Error
	if !errors.As(err, &known) || known.Code != api.CodeInternal || !strings.Contains(err.Error(), names) {
		t.Errorf("%s: %s %q, want INTERNAL naming %q", what, api.CodeOf(err), err, names)
	}
}

func wantProblem(t tb, rep vault.Report, says string) {
	t.Helper()
	if rep.Problem == "" || !strings.Contains(rep.Problem, says) {
		t.Errorf("verify finds %q, want something about %q", rep.Problem, says)
	}
}

func eventually(t tb, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waiting until %s", what)
		}
	}
}

func ptr[T any](x T) *T { return &x }

// keyOf is a key that has the form of one, made of a body.
func keyOf(body string) string { return body + vault.KeyChecksum(body) }
