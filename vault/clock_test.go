package vault_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

const years = 10 * 365 * 24 * time.Hour

// TestClockThatJumps: back an hour, ahead ten years, back again, with and without a start
// in between. What was acknowledged is there, the trail's times do not fall and it
// verifies, what is made after a jump works and ends after its time, and what a jump
// ahead has ended does not come back.
func TestClockThatJumps(t *testing.T) {
	h := newHouse(t)
	bot := h.agent("bot", "secrets:*:*")
	var ended, lives []api.TokenResponse
	acked := map[string]string{}
	step := func(what string) {
		t.Helper()
		for range 2 {
			p := fmt.Sprintf("a/K%d", len(acked))
			acked[p] = "stored " + what
			h.mustPut(bot.APIKey, p, acked[p])
			for p, value := range acked {
				h.mustGet(h.owner, p, value)
			}
			tok := h.token(bot.APIKey, "secrets:read:*")
			h.mustGet(tok.Token, p, acked[p])
			lives = append(lives, tok)
			for _, tok := range lives {
				h.mustGet(tok.Token, p, acked[p])
			}
			for _, tok := range ended {
				_, err := h.get(tok.Token, p)
				wantCode(t, what+", a token that has ended", err, api.CodeUnauthorized)
			}
			if err := h.v.Sweep(ctx); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if got := h.checked(); got != "ok" {
				t.Errorf("%s, the chain: %s", what, got)
			}
			h.reopen()
		}
	}
	over := func(d time.Duration) {
		h.clock.advance(d)
		ended, lives = append(ended, lives...), nil
	}
	step("before")
	h.clock.advance(-time.Hour)
	step("an hour back")
	over(years)
	step("ten years ahead")
	h.clock.advance(-years)
	step("back again")
	over(16 * time.Minute) // that is what a token lasts, whatever the clock says
	step("after a quarter of an hour")

	var last time.Time
	noted := 0
	for _, e := range h.trail(audit.Filter{}) {
		if e.Time.Before(last) {
			t.Errorf("event %d is of %v, behind one of %v", e.Seq, e.Time, last)
		}
		if last = e.Time.Time; e.Clock != nil {
			noted++
		}
	}
	if noted == 0 {
		t.Error("no event says that the clock went back")
	}
}

// TestScheduleOfAClockThatJumps: a jump ahead makes a rotation due, once; after a jump
// back the next one comes when its time has passed.
func TestScheduleOfAClockThatJumps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	synctest.Test(t, func(t *testing.T) {
		offset := time.Duration(0)
		cfg := vault.Config{Dir: dir, Now: func() time.Time { return time.Now().Add(offset) }}
		h := &house{t: t, clock: newClock(), cfg: cfg}
		var err error
		if h.v, err = vault.Create(cfg); err != nil {
			t.Fatal(err)
		}
		defer h.end()
		h.claimIt()
		h.mustPut(h.owner, plain, "one")
		h.v.SetRotators([]vault.Rotator{{Path: path(t, plain), Generate: recipe(t, twelve), Every: 24 * time.Hour}})
		jump := func(d time.Duration) {
			synctest.Wait()
			offset += d
			h.agent(fmt.Sprint("bot-", len(h.trail(audit.Filter{})))) // what a system's clock knows by itself, this one knows by the newest event
		}
		after(time.Hour)
		jump(-time.Hour)
		after(22 * time.Hour)
		h.isAt(1)
		jump(years)
		after(2 * time.Minute)
		h.isAt(2)
		after(23 * time.Hour)
		h.isAt(2)
		jump(-years)
		after(2 * time.Hour)
		h.isAt(3)
		after(22 * time.Hour)
		h.isAt(3)
	})
}
