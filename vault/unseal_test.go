package vault_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// newSealedHouse is a vault with a value that a passphrase opens, no key file is at hand for, and is closed.
func newSealedHouse(t testing.TB) *house {
	t.Helper()
	h := newHouse(t)
	h.mustPut(h.owner, plain, "value of plain")
	h.close()
	p, err := seal.NewPassphrase([]byte(phrase))
	mustOK(t, err)
	defer p.Wipe()
	mustOK(t, vault.SealWith(h.cfg, p))
	h.cfg.Openers = []vault.Opener{}
	return h
}

// TestUnseal: tries wait longer and longer and never for good, the right passphrase opens,
// and the first event of the open vault tells of all of them.
func TestUnseal(t *testing.T) { synctest.Test(t, testUnseal) }

func testUnseal(t *testing.T) {
	h := newSealedHouse(t)
	sealed, ok := errors.AsType[*vault.SealedError](h.tryOpen())
	if !ok || !sealed.Unsealable() || !slices.Equal(sealed.Kinds, []seal.Kind{seal.KindFile, seal.KindPassphrase}) {
		t.Fatalf("opened with its key file: %v", sealed)
	}
	s := vault.NewSealed(ctx, h.cfg)
	_, err := s.Unseal(ctx, local(1000), nil)
	wantCode(t, "with nothing", err, api.CodeUnauthorized)
	if e, ok := errors.AsType[*api.Error](err); !ok || !slices.Equal(e.Details[vault.SlotKinds].([]seal.Kind), []seal.Kind{seal.KindFile, seal.KindPassphrase}) {
		t.Errorf("with nothing: %#v", err)
	}
	_, err = s.Unseal(ctx, local(1000), ptr("short"))
	wantCode(t, "what can be none", err, api.CodeUnauthorized)
	for n, want := range []time.Duration{250, 500, 1000, 2000} { // after the one that can be none
		if got := took(func() {
			_, err := s.Unseal(ctx, local(1000), ptr(wrongPhrase))
			wantCode(t, "a wrong one", err, api.CodeUnauthorized)
		}); got != want*time.Millisecond {
			t.Errorf("wrong try %d took %v, want %d ms", n+1, got, want)
		}
	}
	if got := took(func() { h.v, err = s.Unseal(ctx, local(0), ptr(phrase)) }); err != nil || got != 0 { // from elsewhere
		t.Fatalf("the right one took %v: %v", got, err)
	}
	h.wantUnsealed("wrong passphrases while it was sealed: 5, the last from local uid 1000", 5)
	if _, err := s.Unseal(ctx, local(1000), ptr(phrase)); !errors.Is(err, vault.ErrUnsealed) {
		t.Errorf("once more: %v", err)
	}
	h.mustGet(h.owner, plain, "value of plain")
}

// wantUnsealed wants the newest event to be that of the unsealing, by uid 0.
func (h *house) wantUnsealed(reason string, count int) {
	h.t.Helper()
	found := h.trail(audit.Filter{Action: string(audit.VaultUnseal)})
	if len(found) != 1 {
		h.t.Fatalf("%d events", len(found))
	}
	ev, how := found[0], h.v.Unsealed()
	if ev.Outcome != audit.OK || ev.Count != count || ev.Reason != reason || ev.Source.Place() != "local uid 0" || !strings.HasPrefix(ev.Subject.ID, "slt_") {
		h.t.Errorf("the event is %+v", ev.Event)
	}
	if how.Slot != ev.Subject.ID || how.Failed != count {
		h.t.Errorf("it was opened as %+v", how)
	}
	h.wantEvents(ev.Seq) // it is the newest
}

// TestUnsealQueue: one is computed at a time, four wait, one more is refused.
func TestUnsealQueue(t *testing.T) { synctest.Test(t, testUnsealQueue) }

func testUnsealQueue(t *testing.T) {
	h := newSealedHouse(t)
	s := vault.NewSealed(ctx, h.cfg)
	var mu sync.Mutex
	got := map[api.Code]int{}
	var all sync.WaitGroup
	for range 7 {
		all.Go(func() {
			_, err := s.Unseal(ctx, local(1000), ptr(wrongPhrase))
			mu.Lock()
			defer mu.Unlock()
			got[api.CodeOf(err)]++
		})
	}
	all.Wait()
	if got[api.CodeUnauthorized] != 5 || got[api.CodeRateLimited] != 2 {
		t.Errorf("seven at once end in %v", got)
	}
}

// TestSeal: owners alone seal; nothing succeeds afterwards, and the next unsealing goes
// on where it ended.
func TestSeal(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "value of plain")
	bot := h.agent("bot", "secrets:*:*")
	_, err := h.v.Seal(ctx, h.as(bot.APIKey), api.SealRequest{})
	wantCode(t, "by an agent", err, api.CodeScopeDenied)
	_, err = h.v.Seal(ctx, h.as(h.token(h.owner, "secrets:*:*").Token), api.SealRequest{})
	wantCode(t, "by an owner's token", err, api.CodeScopeDenied)
	_, err = h.v.Seal(ctx, h.as(h.owner), api.SealRequest{Reason: "two\nlines"})
	wantCode(t, "with a bad reason", err, api.CodeValidation)
	select {
	case <-h.v.SealAsked():
		t.Fatal("what was refused has sealed it")
	default:
	}
	h.mustGet(h.owner, plain, "value of plain")
	out, err := h.v.Seal(ctx, h.as(h.owner), api.SealRequest{Reason: "done for today"})
	if err != nil || !out.Sealed || !h.v.IsSealing() {
		t.Fatalf("by an owner: %+v, %v", out, err)
	}
	<-h.v.SealAsked()
	_, err = h.get(h.owner, plain)
	wantCode(t, "a read afterwards", err, api.CodeSealed)
	_, err = h.v.Seal(ctx, h.as(h.owner), api.SealRequest{})
	wantCode(t, "once more", err, api.CodeSealed)
	h.close()
	s := vault.NewSealed(ctx, h.cfg)
	h.v, err = s.Unseal(ctx, local(0), nil) // by its key file
	mustOK(t, err)
	h.wantUnsealed("", 0)
	events := h.trail(audit.Filter{Action: string(audit.VaultSeal)})
	if last := events[len(events)-1]; len(events) != 3 || last.Action != audit.VaultSeal || last.Reason != "done for today" || last.Actor.Name != "ada" {
		t.Errorf("the trail has %+v", events)
	}
	h.mustGet(h.owner, plain, "value of plain")
}
