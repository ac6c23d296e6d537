package vault_test

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

// sealedAt is what lies in the file for a value: all of it, its wrapped DEK, its
// ciphertext.
func sealedAt(t *testing.T, sealed []byte) [][]byte {
	t.Helper()
	piece := func(b []byte) (head, rest []byte) { n := int(b[0])<<8 | int(b[1]); return b[2 : 2+n], b[2+n:] }
	_, rest := piece(sealed)
	dek, ciphertext := piece(rest)
	if len(dek) < 32 || len(ciphertext) < 16 {
		t.Fatalf("a DEK of %d bytes, a ciphertext of %d", len(dek), len(ciphertext))
	}
	return [][]byte{sealed, dek, ciphertext}
}

// TestCompactionErases searches the raw bytes for what is gone from the vault: the value
// of a secret that was deleted, one that was rolled out of the kept versions, and the key
// that signed the trail before.
func TestCompactionErases(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "a/GONE", strings.Repeat("a value that goes, ", 500))
	gone := sealedAt(t, h.raw("values", h.keys("values")[0]))
	h.mustPut(h.owner, "a/STAYS", "a value that stays")
	auditKey := h.raw("keys", h.keys("keys")[0])[recordHeader:]

	// The pages of the last commit are free and not used again yet.
	if _, err := h.v.RotateAuditKey(ctx, h.as(h.owner), api.KeyRotation{}); err != nil {
		t.Fatal(err)
	}
	h.find(auditKey)
	h.mustDelete(h.owner, "a/GONE")
	for _, b := range gone {
		h.find(b) // else nothing is shown by what follows
	}
	out, err := h.v.Compact(ctx, h.as(h.owner))
	if err != nil || out.Before == 0 || out.After == 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	for i, b := range append(gone, auditKey) {
		if bytes.Contains(h.fileBytes(), b) {
			t.Errorf("piece %d, of %d bytes, is still in the file", i, len(b))
		}
	}
	h.find(h.raw("values", h.keys("values")[0]))
	h.mustGet(h.owner, "a/STAYS", "a value that stays")
	e := h.trail(audit.Filter{Action: "vault.compact"})
	if len(e) != 1 || e[0].Outcome != audit.OK || !strings.Contains(e[0].Reason, "bytes before") {
		t.Errorf("the trail has %+v", e)
	}
	h.reopen()
	h.mustGet(h.owner, "a/STAYS", "a value that stays")
}

// TestCompactIsAnOwners: agents are refused, and the trail says so.
func TestCompactIsAnOwners(t *testing.T) {
	h := newHouse(t)
	bot := h.agent("bot")
	for _, who := range []string{bot.APIKey, h.token(h.owner, "secrets:*:*").Token} {
		if _, err := h.v.Compact(ctx, h.as(who)); api.CodeOf(err) != api.CodeScopeDenied || h.last().Action != audit.VaultCompact.Denied() {
			t.Errorf("%v, and the trail ends with %s", err, h.last().Action)
		}
	}
}

// TestCompactGivenUp: who gives up waiting changes nothing.
func TestCompactGivenUp(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "a/K", "v")
	ended, end := context.WithCancel(ctx)
	end()
	before := len(h.fileBytes())
	if _, err := h.v.Compact(ended, h.as(h.owner)); err == nil || len(h.fileBytes()) != before {
		t.Errorf("%v, %d bytes of %d", err, len(h.fileBytes()), before)
	}
	h.mustGet(h.owner, "a/K", "v")
}

// TestCompactGivenUpMeanwhile: the trail says so, and it does not count as done.
func TestCompactGivenUpMeanwhile(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "a/K", "v")
	h.clock.advance(6 * 24 * time.Hour)
	for n := int64(1); h.last().Action != audit.VaultCompact; n++ { // the first are before it begins
		until, end := context.WithCancel(ctx)
		looks := atomic.Int64{}
		h.clock.onNow(func() {
			if looks.Add(1) == n {
				end()
			}
		})
		_, err := h.v.Compact(until, h.as(h.owner))
		h.clock.onNow(nil)
		if end(); err == nil {
			t.Fatalf("it is not given up at look %d at the clock", n)
		}
	}
	if e := h.last(); e.Outcome != audit.Failed || !strings.Contains(e.Reason, "given up before it was done") {
		t.Errorf("the trail ends with %+v", e)
	}
	h.reopen()
	h.clock.advance(25 * time.Hour)
	if err := h.v.CompactDue(ctx); err != nil || h.last().Outcome != audit.OK || h.last().Action != audit.VaultCompact {
		t.Errorf("a week after the vault was made: %v, %+v", err, h.last())
	}
}

// TestCompactFailsOnSchedule: it is tried again an hour later, and not before.
func TestCompactFailsOnSchedule(t *testing.T) {
	h := newHouse(t)
	due := func(ctx context.Context, when string, want int) {
		t.Helper()
		err := h.v.CompactDue(ctx)
		if n := len(h.trail(audit.Filter{Action: "vault.compact"})); n != want || (ctx.Err() == nil) != (err == nil) {
			t.Errorf("%s: %d compactions, want %d, %v", when, n, want, err)
		}
	}
	due(ctx, "at once", 0)
	h.clock.advance(8 * 24 * time.Hour)
	ended, end := context.WithCancel(ctx)
	end()
	due(ended, "given up", 0)
	due(ctx, "just after", 0)
	h.clock.advance(61 * time.Minute)
	due(ctx, "an hour later", 1)
}

// TestCompactIsRemembered, behind however many refusals.
func TestCompactIsRemembered(t *testing.T) {
	h := newHouse(t)
	if _, err := h.v.Compact(ctx, h.as(h.owner)); err != nil {
		t.Fatal(err)
	}
	bot := h.agent("bot")
	for range 12 {
		h.clock.advance(3 * time.Minute)
		_, err := h.v.Compact(ctx, h.as(bot.APIKey))
		wantCode(t, "an agent's", err, api.CodeScopeDenied)
		mustOK(t, h.v.FlushDue(ctx)) // else they are only counted
	}
	made, _ := h.v.LastCompacted(ctx)
	h.clock.advance(time.Hour)
	h.reopen()
	if at, err := h.v.LastCompacted(ctx); err != nil || !at.Equal(made) || at.Equal(h.clock.Now()) {
		t.Errorf("it was compacted at %v, %v; want %v", at, err, made)
	}
}

// TestCompactOnSchedule: a week after the last one, when nobody asks for anything; a day
// later all the same; and a clock that goes back only puts it off.
func TestCompactOnSchedule(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "a/K", "v")
	compactions := func() int { return len(h.trail(audit.Filter{Action: "vault.compact"})) }
	due := func(when string, want int) {
		t.Helper()
		if err := h.v.CompactDue(ctx); err != nil || compactions() != want {
			t.Errorf("%s: %d compactions, want %d, %v", when, compactions(), want, err)
		}
	}
	due("at once", 0)
	h.clock.advance(6 * 24 * time.Hour)
	h.reopen()
	due("after six days and a start", 0)
	h.clock.advance(24*time.Hour + time.Minute)
	h.mustGet(h.owner, "a/K", "v")
	due("after a week, busy", 0)
	h.clock.advance(6 * time.Minute)
	due("after a week, idle", 1)
	if e := h.trail(audit.Filter{Action: "vault.compact"})[0]; e.Actor.Kind != "daemon" {
		t.Errorf("the trail names %+v", e.Actor)
	}
	h.clock.advance(2 * time.Hour)
	due("just after", 1)
	h.reopen()
	due("and a start", 1)
	h.clock.advance(8*24*time.Hour + time.Hour)
	h.mustGet(h.owner, "a/K", "v")
	due("a day too late, busy", 2)
	h.clock.advance(-10 * 24 * time.Hour)
	due("the clock has gone back", 2)
	h.clock.advance(7*24*time.Hour + time.Hour)
	due("a week of that clock later", 3)
}
