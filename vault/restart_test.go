package vault_test

import (
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// keyedWithPolicy is a desk with a policy in force and an approval passphrase.
func keyedWithPolicy(t *testing.T, text string) *desk {
	t.Helper()
	d := newDesk(t)
	d.cfg.Argon2 = quick
	d.accept(text)
	d.close()
	d.setPassphrase(phrase)
	d.open()
	return d
}

// TestRestartLeavesWritesOpen: an approval to read and to write does not read any
// more after a restart, but it still writes, and that can be revoked.
func TestRestartLeavesWritesOpen(t *testing.T) {
	d := newKeyedDesk(t)
	both := api.TokenRequest{Scopes: []string{"secrets:read:" + critical, "secrets:write:" + critical}}
	id := d.askFor(d.mia.APIKey, both)
	d.mustApproveWith(id)
	d.reopen()
	d.wantStatus(id, api.ApprovalApproved)
	_, err := d.get(d.mia.APIKey, critical)
	d.asked("a read after the restart", err)
	if _, err := d.v.Revoke(ctx, d.as(d.owner), id, api.ApprovalDecision{}); err != nil {
		t.Fatalf("revoking: %v", err)
	}
	_, err = d.put(d.mia.APIKey, critical, "x")
	d.asked("a write after the revoke", err)
}

// TestRestartInADelay: what was approved and had not begun is lost with the process;
// the agent can ask anew at once.
func TestRestartInADelay(t *testing.T) {
	d := keyedWithPolicy(t, "[tiers.sensitive]\ndelay = '10m'\n")
	id := d.askToRead(d.mia.APIKey, sensitive)
	d.mustApproveWith(id)
	if again := d.askToRead(d.mia.APIKey, sensitive); again != id {
		t.Errorf("in the delay %s is named, want %s", again, id)
	}
	d.reopen()
	again := d.askToRead(d.mia.APIKey, sensitive)
	if again == id {
		t.Fatal("the request that opens nothing any more is named")
	}
	d.wantStatus(id, api.ApprovalExpired)
	d.clock.advance(2 * time.Hour)
	d.wantStatus(id, api.ApprovalExpired) // and it stays so
}

// TestRecoveredTokens: with a lost key its tokens end.
func TestRecoveredTokens(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	tok := h.token(h.owner, "secrets:read:*").Token
	h.close()
	h.clock.advance(2 * time.Second)
	got, err := vault.RecoverOwner(ctx, h.cfg, vault.Recovery{})
	if err != nil {
		t.Fatal(err)
	}
	h.open()
	for what, text := range map[string]string{"the old key": h.owner, "its token": tok} {
		_, err := h.get(text, plain)
		wantCode(t, what, err, api.CodeUnauthorized)
	}
	h.owner = got.OwnerKey
	h.mustGet(h.owner, plain, "v")
	me, err := h.v.Me(ctx, h.as(h.owner))
	if err != nil || len(me.Protection.Recovered) != 1 {
		t.Errorf("the owner is told %+v, %v", me.Protection, err)
	}
	h.clock.advance(31 * 24 * time.Hour)
	if me, err = h.v.Me(ctx, h.as(h.owner)); err != nil || len(me.Protection.Recovered) != 0 {
		t.Errorf("a month later the owner is told %+v, %v", me.Protection, err)
	}
}
