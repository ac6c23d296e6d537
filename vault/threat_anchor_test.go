package vault_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// TestThreat01WhatDecidesPutBack: an older state of one of the few records that
// decide about everything, put back while the vault was closed, does not count for a
// moment: the vault does not open.
func TestThreat01WhatDecidesPutBack(t *testing.T) {
	for key, change := range map[string]func(*house){
		"state": func(h *house) {
			h.close()
			if _, err := vault.SetPassphrase(ctx, h.cfg, vault.PassphraseSetting{New: []byte(phrase)}); err != nil {
				t.Fatal(err)
			}
			h.phrase = phrase
			h.open()
		},
		"lockdown": func(h *house) {
			if _, err := h.v.Lockdown(ctx, h.as(h.owner), api.LockdownRequest{}); err != nil {
				t.Fatal(err)
			}
		},
		"policy": func(h *house) { h.accept("[[rule]]\neffect = 'deny'\n") },
	} {
		t.Run(key, func(t *testing.T) {
			h := newHouse(t)
			h.cfg.Argon2 = quick
			at := place{"vault", key}
			h.accept("# none\n")
			if key == "lockdown" { // one that was lifted, so that there is an older state
				_, err := h.v.Lockdown(ctx, h.as(h.owner), api.LockdownRequest{})
				if err == nil {
					_, err = h.v.Lift(ctx, h.as(h.owner), api.LiftRequest{})
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			h.close()
			older := h.raw(at.bucket, at.key)
			h.open()
			change(h)
			h.close()
			h.setRaw(map[place][]byte{at: older})
			wantNotOpened(t, h.tryOpen())
		})
	}
}

// wantNotOpened wants a vault not to be opened for a record that decides about
// everything and is not the one that the newest event found.
func wantNotOpened(t tb, err error) {
	t.Helper()
	if _, tampered := errors.AsType[*audit.TamperError](err); !tampered || !strings.Contains(err.Error(), "put back or removed") {
		t.Errorf("opening it: %v", err)
	}
}

// TestThreat14KeyForWhatWasShown: someone with the root key, who can write any record,
// gets nothing out of an approval that was given for another secret.
func TestThreat14KeyForWhatWasShown(t *testing.T) {
	d := newKeyedDesk(t)
	if _, err := d.approveWith(d.askToRead(d.mia.APIKey, sensitive), phrase); err != nil {
		t.Fatal(err)
	}
	d.mustGet(d.mia.APIKey, sensitive, "value of sensitive")
	if d.v.OpensWithKeyFor(t, guarded) {
		t.Error("the approval of one secret has the key for another")
	}
	if !d.v.OpensWithKeyFor(t, sensitive) {
		t.Error("the approval does not have the key for its own")
	}
}
