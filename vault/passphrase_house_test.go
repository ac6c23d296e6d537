package vault_test

import (
	"path/filepath"
	"testing"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// quick is the least that a passphrase may cost.
var quick = seal.Argon2Params{MemoryKiB: 64 << 10, Time: 1, Threads: 1}

const (
	phrase      = "correct horse battery staple"
	wrongPhrase = "incorrect horse battery staple"
)

// newKeyedHouse is newHouse with an approval passphrase from the claim on.
func newKeyedHouse(t testing.TB) *house {
	t.Helper()
	h := houseIn(t, filepath.Join(t.TempDir(), "data"))
	t.Cleanup(h.end)
	h.claimWith(phrase)
	return h
}

func (h *house) claimWith(p string) {
	h.t.Helper()
	var err error
	if h.claim, err = h.v.Claim(ctx, "ada", local(1000), api.ClaimRequest{Passphrase: &p}); err != nil {
		h.t.Fatalf("claiming: %v", err)
	}
	h.owner, h.phrase = h.claim.OwnerKey, p
}

// pass is the owner's passphrase as a request carries it.
func (h *house) pass() *string {
	if h.phrase == "" {
		return nil
	}
	return ptr(h.phrase)
}

// newKeyedDesk is newDesk with an approval passphrase.
func newKeyedDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{house: newKeyedHouse(t)}
	d.furnish()
	return d
}

func (d *desk) furnish() {
	d.t.Helper()
	d.mustPut(d.owner, sensitive, "value of sensitive", tier("sensitive"))
	d.mustPut(d.owner, guarded, "value of guarded", tier("sensitive"))
	d.mustPut(d.owner, critical, "value of critical", tier("critical"))
	d.mustPut(d.owner, plain, "value of plain")
	d.mia, d.max = d.agent("mia", "secrets:*:*"), d.agent("max", "secrets:*:*")
}

// stepUp is a token made with a passphrase.
func (h *house) stepUp(who, p string, scopes ...string) (api.TokenResponse, error) {
	h.t.Helper()
	return h.v.IssueToken(ctx, h.as(who), api.TokenRequest{Scopes: scopes, Passphrase: &p})
}

// steppedUp is the text of a token that the owner makes with the passphrase.
func (h *house) steppedUp(scopes ...string) string {
	h.t.Helper()
	tok, err := h.stepUp(h.owner, h.phrase, scopes...)
	if err != nil {
		h.t.Fatalf("stepping up for %q: %v", scopes, err)
	}
	return tok.Token
}

// wantProtected wants the owner to read that from p, with the passphrase.
func (h *house) wantProtected(p, want string) {
	h.t.Helper()
	h.mustGet(h.steppedUp("secrets:read:"+p), p, want)
}

// putSteppedUp writes with the passphrase.
func (h *house) putSteppedUp(p, value string, options ...func(*api.SecretWrite)) {
	h.t.Helper()
	h.mustPut(h.steppedUp("secrets:write:"+p), p, value, options...)
}

// approveWith approves what is shown of a request, with the passphrase.
func (h *house) approveWith(id, p string) (api.Approval, error) {
	h.t.Helper()
	return h.v.Approve(ctx, h.as(h.owner), id, api.ApprovalDecision{Passphrase: &p, Digest: h.request(id).Digest})
}

func (h *house) mustApproveWith(id string) {
	h.t.Helper()
	if _, err := h.approveWith(id, h.phrase); err != nil {
		h.t.Fatalf("approving %s: %v", id, err)
	}
}

// opened has the agent ask to read p and the owner approve.
func (h *house) opened(who, p string) (id string) {
	h.t.Helper()
	id = h.askToRead(who, p)
	h.mustApproveWith(id)
	return id
}

// setPassphrase sets the first passphrase of the closed vault.
func (h *house) setPassphrase(p string) (recovery string) {
	h.t.Helper()
	recovery, err := vault.SetPassphrase(ctx, h.cfg, vault.PassphraseSetting{New: []byte(p)})
	if err != nil {
		h.t.Fatalf("setting the passphrase: %v", err)
	}
	h.phrase = p
	return recovery
}

func meta(note string) func(*api.SecretWrite) {
	return func(w *api.SecretWrite) { w.Metadata = map[string]any{"note": note} }
}
