package vault_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

func (h *house) rotateAuditKey() api.KeyRotated {
	h.t.Helper()
	r, err := h.v.RotateAuditKey(ctx, h.as(h.owner), api.KeyRotation{})
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// TestRotateAuditKey: what was signed and made before goes on, the old private key is
// out of the file, and a start finds its way from any head that was signed.
func TestRotateAuditKey(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "a/K", "v")
	token := h.token(h.owner, "secrets:read:a/K")
	first := h.v.VerifyKey()
	old := auditKeys(h)
	h.close()
	head, db := h.readFile("head"), copyFile(t, h.file("vault.db"), filepath.Join(t.TempDir(), "vault.db"))
	h.open()
	r := h.rotateAuditKey()
	if r.Epoch != 2 || r.VerifyKey != h.v.VerifyKey() || r.VerifyKey == first {
		t.Fatalf("rotated to %+v", r)
	}
	h.mustGet(token.Token, "a/K", "v")
	c, err := h.v.Checkpoint(ctx, h.as(h.owner), r.Seq-1)
	if err != nil || c.Epoch != 2 || c.FirstKey != first || len(c.Rotations) != 1 || c.HashAt == "" {
		t.Errorf("checkpoint %+v, %v", c, err)
	}
	h.close()
	if now := auditKeys(h); len(now) != 1 || now[0] == old[0] {
		t.Errorf("audit keys %v, were %v", now, old)
	}
	rep := h.verify()
	if rep.Problem != "" || !rep.HeadFile || len(rep.Lineage) != 2 {
		t.Errorf("report %+v", rep)
	}
	newest := h.readFile("head")
	for _, b := range [][]byte{head, newest} { // killed before it was written, or not
		if err := os.WriteFile(h.file("head"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		h.open()
		h.mustGet(token.Token, "a/K", "v")
		h.close()
	}
	b, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	whole := h.fileBytes()
	if err := os.WriteFile(h.file("vault.db"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.tryOpen(); err == nil || !strings.Contains(err.Error(), "--accept-rollback") {
		t.Errorf("from before the rotation it opens: %v", err)
	}
	if err := os.WriteFile(h.file("vault.db"), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	h.open()
}

// auditKeys are the records of private keys that sign heads.
func auditKeys(h *house) (names []string) {
	for _, k := range h.keys("keys") {
		if strings.HasPrefix(k, "audit/") {
			names = append(names, k)
		}
	}
	return names
}

func TestRotateAuditKeyIsOwnersOnly(t *testing.T) {
	h := newHouse(t)
	bot := h.agent("bot")
	_, err := h.v.RotateAuditKey(ctx, h.as(bot.APIKey), api.KeyRotation{})
	if api.CodeOf(err) != api.CodeScopeDenied || h.last().Action != audit.AuditRotateKey.Denied() {
		t.Errorf("%v, %s", err, h.last().Action)
	}
	for name, try := range map[string]func(vault.Request) error{
		"checkpoint": func(r vault.Request) error { _, err := h.v.Checkpoint(ctx, r, 0); return err },
		"check":      func(r vault.Request) error { _, err := h.v.CheckTrail(ctx, r); return err },
	} {
		before := h.events()
		if err := try(h.as(bot.APIKey)); api.CodeOf(err) != api.CodeScopeDenied {
			t.Errorf("%s by an agent: %v", name, err)
		}
		if err := try(h.as(h.owner)); err != nil {
			t.Errorf("%s by an owner: %v", name, err)
		}
		if got := h.last().Action; got != audit.AuditRead.Denied() && got != audit.AuditRotateKey.Denied() || h.events() > before+1 {
			t.Errorf("%s: the last event is %s, one of %d", name, got, h.events()-before)
		}
	}
	if _, err := h.v.Checkpoint(ctx, h.as(h.owner), h.events()+1); api.CodeOf(err) != api.CodeNotFound {
		t.Errorf("beyond the end: %v", err)
	}
	rep, err := h.v.CheckTrail(ctx, h.as(h.owner))
	if err != nil || !rep.OK || rep.Events != h.events() || rep.Records == 0 {
		t.Errorf("check %+v, %v", rep, err)
	}
}

// TestRotateAuditKeyTakesAPassphrase: it decides whose signatures count.
func TestRotateAuditKeyTakesAPassphrase(t *testing.T) {
	d := newKeyedDesk(t)
	_, err := d.v.RotateAuditKey(ctx, d.as(d.owner), api.KeyRotation{})
	if api.CodeOf(err) != api.CodeStepUpRequired {
		t.Errorf("without one: %v", err)
	}
	text := phrase
	if _, err := d.v.RotateAuditKey(ctx, d.as(d.owner), api.KeyRotation{Passphrase: &text}); err != nil {
		t.Errorf("with it: %v", err)
	}
}

// TestCheckpointBesideRotations: what one answer says of the keys fits its checkpoint,
// whatever was signed in between.
func TestCheckpointBesideRotations(t *testing.T) {
	h := newHouse(t)
	me, err := h.v.Me(ctx, h.as(h.owner))
	if err != nil {
		t.Fatal(err)
	}
	tenant, first := me.Tenant, h.v.VerifyKey()
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				c, err := h.v.Checkpoint(ctx, h.as(h.owner), 1)
				if err != nil {
					t.Error(err)
					return
				}
				if why := unproved(c, tenant, first); why != "" {
					t.Errorf("the checkpoint of event %d, epoch %d, with %d rotations: %s", c.Size, c.Epoch, len(c.Rotations), why)
					return
				}
			}
		})
	}
	for range 40 {
		h.rotateAuditKey()
	}
	close(done)
	readers.Wait()
}

// unproved is what a client that knows the first key finds wrong.
func unproved(c api.Checkpoint, tenant, first string) string {
	key, err := audit.ParseKey(c.FirstKey)
	if err != nil || c.FirstKey != first {
		return "the first key is another"
	}
	keys := chain.Lineage{{Epoch: 1, Since: 1, Key: key}}
	for _, r := range c.Rotations {
		signatures, err := base64.StdEncoding.DecodeString(r.Signatures)
		if err != nil {
			return err.Error()
		}
		var prev chain.Hash
		if err := prev.UnmarshalText([]byte(r.Prev)); err != nil {
			return err.Error()
		}
		if keys, err = keys.Extend(tenant, chain.Rotation{Seq: r.Seq, Prev: prev, Event: r.Event, Signatures: signatures}); err != nil {
			return err.Error()
		}
	}
	note, err := chain.ParseCheckpoint([]byte(c.Checkpoint))
	if err == nil {
		err = note.Verify(tenant, keys)
	}
	if err != nil {
		return err.Error()
	}
	if keys.Newest().Key.String() != c.VerifyKey || keys.Newest().Since > c.Size {
		return "the newest key is not the one that signed it"
	}
	return ""
}

// TestRestoreWithAllSigners: a trail that as many keys have signed as owners may have is
// restored all the same, as often as it takes, and verifies; only owners get no other key.
func TestRestoreWithAllSigners(t *testing.T) {
	const most = 3
	h := newHouse(t)
	h.cfg.SetMaxSigners(most)
	h.reopen()
	h.mustPut(h.owner, plain, "old")
	for range most - 1 {
		h.rotateAuditKey()
	}
	h.wantNoSigner()
	backup := h.copied()
	for n := 1; n <= 2; n++ {
		h.close()
		h.restore(backup)
		h.open()
		h.mustGet(h.owner, plain, "old")
		h.wantNoSigner()
		backup = h.copied()
		c, err := h.v.Checkpoint(ctx, h.as(h.owner), 1)
		if err != nil || len(c.Rotations) != most-1+n {
			t.Errorf("restored, %d keys follow the first, %v", len(c.Rotations), err)
		}
		if why := unproved(c, c.Tenant, c.FirstKey); why != "" {
			t.Errorf("restored, a client that knows the first key finds: %s", why)
		}
	}
}

// wantNoSigner wants owners to get no other signing key.
func (h *house) wantNoSigner() {
	h.t.Helper()
	_, err := h.v.RotateAuditKey(ctx, h.as(h.owner), api.KeyRotation{})
	wantCode(h.t, "another signing key", err, api.CodeConflict)
	_, err = h.v.RotateKEK(ctx, h.as(h.owner), api.KEKRotation{})
	wantCode(h.t, "another one with the KEK", err, api.CodeConflict)
}
