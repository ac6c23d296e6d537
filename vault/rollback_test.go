package vault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

func (h *house) rollback(who, p string, n uint64) (api.SecretInfo, error) {
	h.t.Helper()
	return h.v.Rollback(ctx, h.as(who), path(h.t, p), api.SecretRollback{Version: &n})
}

// readBy is version n of p, as who reads it.
func (h *house) readBy(who, p string, n uint64) *vault.Reading {
	h.t.Helper()
	r, _, err := h.v.Get(ctx, h.as(who), policy.RequestPath{Pieces: 2, Path: path(h.t, p)}, n)
	if err != nil {
		h.t.Fatalf("reading %s version %d: %v", p, n, err)
	}
	return r
}

func TestRollback(t *testing.T) {
	h := newHouse(t)
	first := h.mustPut(h.owner, plain, "one-to-come-back", described)
	h.mustPut(h.owner, plain, "two", func(w *api.SecretWrite) { w.SecretType, w.Metadata = "api_key", map[string]any{"note": "other"} })
	if _, err := h.rotate(h.owner, plain, api.SecretRotate{}); err != nil {
		t.Fatal(err)
	}
	at := h.last().Seq
	got, err := h.rollback(h.owner, plain, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != first.ID || got.Version != 3 || got.SecretType != "api_key" || got.AccessTier != "sensitive" || got.Metadata != nil {
		t.Errorf("rolled back, it is %+v", got)
	}
	if b, _ := json.Marshal(got); strings.Contains(string(b), "one-to") || strings.Contains(string(b), "kept") {
		t.Errorf("the answer holds what is sealed: %s", b)
	}
	h.wantEvents(at, "token.create", "secret.rollback PLAIN")
	if ev := h.last(); ev.Version != 3 || ev.Reason != "to version 1" || ev.Outcome != audit.OK {
		t.Errorf("its event is %+v", ev.Event)
	}
	if r := h.readBy(h.owner, plain, 0); !reflect.DeepEqual(r.Metadata, noted) || string(r.Value.Reveal()) != "one-to-come-back" {
		t.Errorf("it reads as %q, %+v", r.Value.Reveal(), r.SecretInfo)
	}
	if !got.RotationPending || !h.info(plain).RotationPending {
		t.Error("an old value counts as the new one that was asked for")
	}
	for n, want := range []string{"one-to-come-back", "two", "one-to-come-back"} {
		if got, err := h.read(h.as(h.owner), plain, uint64(n)+1); err != nil || got != want {
			t.Errorf("version %d is %q, %v; want %q", n+1, got, err, want)
		}
	}
	if h.raw("values", h.value(plain, 1).key) == nil || string(h.raw("values", h.value(plain, 1).key)) == string(h.raw("values", h.value(plain, 3).key)) {
		t.Error("the value was not sealed anew")
	}
	h.reopen()
	h.mustGet(h.owner, plain, "one-to-come-back")
}

func TestRollbackRefuses(t *testing.T) {
	d := newDesk(t)
	d.mustPut(d.owner, plain, "two")
	d.mustPut(d.owner, critical, "two")
	d.mustPut(d.owner, "production/GONE", "one")
	d.mustDelete(d.owner, "production/GONE")
	reader := d.agent("reader", "secrets:read:*", "secrets:delete:*", "secrets:rotate:*")
	writer := d.agent("writer", "secrets:write:production/*")
	for _, tc := range []struct {
		what, who, path string
		version         uint64
		code            api.Code
	}{
		{"to the current one", d.owner, plain, 2, api.CodeConflict},
		{"to one to come", d.owner, plain, 3, api.CodeSecretNotFound},
		{"to none", d.owner, plain, 0, api.CodeValidation},
		{"of what is not there", d.owner, "production/NONE", 1, api.CodeSecretNotFound},
		{"of what was deleted", d.owner, "production/GONE", 1, api.CodeSecretNotFound},
		{"by one who may not write", reader.APIKey, plain, 1, api.CodeScopeDenied},
		{"by one who may not see it", reader.APIKey, "production/NONE", 1, api.CodeScopeDenied},
		{"with a token to read", d.token(d.owner, "secrets:read:*").Token, plain, 1, api.CodeScopeDenied},
		{"of a critical one by an agent", writer.APIKey, critical, 1, api.CodeApprovalRequired},
		{"to a version that is not kept", writer.APIKey, plain, 9, api.CodeSecretNotFound},
		{"by one who may write and not read", writer.APIKey, plain, 1, ""},
	} {
		before := d.info(plain).Version
		_, err := d.rollback(tc.who, tc.path, tc.version)
		wantCode(t, tc.what, err, tc.code)
		if now := d.info(plain).Version; tc.code != "" && now != before {
			t.Errorf("%s: something was stored", tc.what)
		}
	}
	_, err := d.v.Rollback(ctx, d.as(d.owner), path(t, plain), api.SecretRollback{})
	wantCode(t, "to nothing", err, api.CodeValidation)
	d.mustGet(d.owner, plain, "value of plain")
	_, err = d.get(writer.APIKey, plain)
	wantCode(t, "reading by who may not", err, api.CodeScopeDenied)
}

// TestThreat17OneApprovalOneRollback: a rollback counts as a write, and uses up an
// approval to write.
func TestThreat17OneApprovalOneRollback(t *testing.T) {
	d := newDesk(t)
	d.mustPut(d.owner, critical, "two")
	_, err := d.rollback(d.mia.APIKey, critical, 1)
	id := d.asked("a rollback", err)
	d.wantScopes(id, "secrets:write:"+critical)
	d.mustApprove(id)
	_, err = d.rollback(d.mia.APIKey, critical, 7) // a mistake uses nothing up
	wantCode(t, "to what is not kept", err, api.CodeSecretNotFound)
	if _, err := d.rollback(d.mia.APIKey, critical, 1); err != nil {
		t.Fatalf("approved: %v", err)
	}
	if ev := d.last(); ev.Action != audit.SecretRollback || ev.Approval != id {
		t.Errorf("its event is %+v", ev.Event)
	}
	_, err = d.rollback(d.mia.APIKey, critical, 2)
	d.asked("a second rollback", err)
	d.mustGet(d.owner, critical, "value of critical")
}

// TestThreat11NoWayRoundATier: the tier belongs to the secret, so a version from
// before it was raised comes back at the tier in force.
func TestThreat11NoWayRoundATier(t *testing.T) {
	d := newDesk(t)
	d.mustPut(d.owner, plain, "raised", tier("sensitive"))
	got, err := d.rollback(d.mia.APIKey, plain, 1)
	if err != nil || got.AccessTier != "sensitive" {
		t.Errorf("rolled back to a standard version it is %+v, %v", got, err)
	}
	for n := range uint64(4) {
		_, err := d.read(d.as(d.mia.APIKey), plain, n)
		wantCode(t, fmt.Sprint("reading version ", n), err, api.CodeApprovalRequired)
	}
	if w := d.info(plain); w.AccessTier != "sensitive" {
		t.Errorf("it is %+v", w)
	}
}

// TestThreat16RollbackNeedsThePassphrase: what the approval key protects is opened by
// a rollback, so that takes the passphrase, for just this act; an agent has none.
func TestThreat16RollbackNeedsThePassphrase(t *testing.T) {
	d := newKeyedDesk(t)
	d.mustPut(d.owner, sensitive, "two", meta("second"))
	d.putSteppedUp(critical, "two")
	wide := d.token(d.owner, "secrets:*:*").Token
	for _, p := range []string{sensitive, critical} {
		for _, who := range []string{d.owner, wide, d.steppedUp("secrets:read:" + p), d.steppedUp("secrets:write:" + plain)} {
			_, err := d.rollback(who, p, 1)
			if code := api.CodeOf(err); code != api.CodeStepUpRequired && code != api.CodeScopeDenied {
				t.Errorf("rolling back %s: %v", p, err)
			}
		}
	}
	_, err := d.rollback(wide, sensitive, 1)
	wantCode(t, "without the passphrase", err, api.CodeStepUpRequired)
	if ev := d.last(); ev.Action != "secret.rollback.denied" {
		t.Errorf("its event is %+v", ev.Event)
	}
	_, err = d.rollback(d.mia.APIKey, critical, 1)
	wantCode(t, "an agent, whom an approval would not help", err, api.CodeScopeDenied)
	if open, err := d.v.Approvals(ctx, d.as(d.owner), api.ApprovalPending); err != nil || len(open) != 0 {
		t.Errorf("it asks for one all the same: %+v, %v", open, err)
	}
	d.opened(d.max.APIKey, sensitive) // the key is in memory, for another
	for _, who := range []string{d.mia.APIKey, d.token(d.mia.APIKey, "secrets:*:*").Token} {
		_, err := d.rollback(who, sensitive, 1)
		wantCode(t, "an agent", err, api.CodeScopeDenied)
		var e *api.Error
		if errors.As(err, &e); !strings.Contains(e.Hint, "owner") {
			t.Errorf("it is told %q, %q", e.Message, e.Hint)
		}
	}
	for _, p := range []string{sensitive, critical} {
		tok := d.steppedUp("secrets:write:" + p)
		got, err := d.rollback(tok, p, 1)
		if err != nil || got.Version != 3 || got.Metadata != nil {
			t.Fatalf("with the passphrase: %+v, %v", got, err)
		}
		_, err = d.rollback(tok, p, 2)
		wantCode(t, "a second one with the same token", err, api.CodeUnauthorized)
		d.wantProtected(p, "value of "+strings.ToLower(strings.TrimPrefix(p, "production/")))
	}
	if _, err := d.rollback(d.steppedUp("secrets:write:"+sensitive), sensitive, 2); err != nil {
		t.Fatal(err)
	}
	r := d.readBy(d.steppedUp("secrets:read:"+sensitive), sensitive, 0)
	if string(r.Value.Reveal()) != "two" || r.Metadata["note"] != "second" {
		t.Errorf("it reads as %q, %+v", r.Value.Reveal(), r.SecretInfo)
	}
	// A secret that was standard when the version was stored is sealed to the key by now.
	d.mustPut(d.owner, plain, "raised", tier("sensitive"))
	_, err = d.rollback(d.mia.APIKey, plain, 1)
	wantCode(t, "an agent, to a version from before the raise", err, api.CodeScopeDenied)
}

// TestRollbackRaced: whoever else writes or deletes meanwhile, the value that comes
// back is that of the version named, or nothing does.
func TestRollbackRaced(t *testing.T) {
	d := newDesk(t)
	d.mustPut(d.owner, plain, "two")
	done := make(chan error, 3)
	go func() { _, err := d.rollback(d.mia.APIKey, plain, 1); done <- err }()
	go func() { _, err := d.v.Put(ctx, d.as(d.max.APIKey), path(t, plain), write("three")); done <- err }()
	go func() { done <- d.v.Delete(ctx, d.as(d.max.APIKey), path(t, plain)) }()
	for range 3 {
		if err := <-done; err != nil && api.CodeOf(err) != api.CodeSecretNotFound {
			t.Error(err)
		}
	}
	deleted := false
	for _, ev := range d.trail(audit.Filter{}) {
		deleted = deleted || ev.Action == audit.SecretDelete
		if ev.Action == audit.SecretRollback && deleted {
			t.Errorf("rolled back after the deletion, by %+v", ev.Event)
		}
	}
	d.clock.advance(time.Second)
}
