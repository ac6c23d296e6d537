package vault_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

const readSensitive = "secrets:read:" + sensitive

// took is how long act takes; in a bubble computing takes no time, waiting does.
func took(act func()) time.Duration {
	start := time.Now()
	act()
	return time.Since(start)
}

func TestThreat22Tries(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"delay": testTriesDelay, "audited": testTriesAudited, "queue": testTriesQueue, "given up": testTriesGivenUp,
		"nobody else waits": testTriesHoldUpNobody, "claims": testTriesOfClaims,
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
	}
}

// testTriesDelay: wrong tries wait longer and longer, up to a bound, and the right
// one is never shut out.
func testTriesDelay(t *testing.T) {
	d := newKeyedDesk(t)
	for n, want := range []time.Duration{0, 250, 500, 1000, 2000, 4000, 4000, 4000} {
		got := took(func() {
			_, err := d.stepUp(d.owner, wrongPhrase, readSensitive)
			wantCode(t, "a wrong one", err, api.CodeStepUpRequired)
		})
		if got != want*time.Millisecond {
			t.Errorf("wrong try %d took %v, want %d ms", n+1, got, want)
		}
	}
	for _, want := range []time.Duration{4 * time.Second, 0} {
		if got := took(func() { d.wantProtected(sensitive, "value of sensitive") }); got != want {
			t.Errorf("a right one took %v, want %v", got, want)
		}
	}
	for _, want := range []time.Duration{0, 250 * time.Millisecond} { // it begins anew
		if got := took(func() {
			_, err := d.stepUp(d.owner, wrongPhrase, readSensitive)
			wantCode(t, "a wrong one", err, api.CodeStepUpRequired)
		}); got != want {
			t.Errorf("after a right one a wrong one took %v, want %v", got, want)
		}
	}
	time.Sleep(time.Hour)
	if got := took(func() { d.wantProtected(sensitive, "value of sensitive") }); got != 0 {
		t.Errorf("an hour later a right one took %v", got)
	}
}

// testTriesAudited: every wrong try is in the trail, equal ones as a count.
func testTriesAudited(t *testing.T) {
	d := newKeyedDesk(t)
	id := d.askToRead(d.mia.APIKey, sensitive)
	const wrong = 7
	for range wrong {
		_, err := d.approveWith(id, wrongPhrase)
		wantCode(t, "a wrong one", err, api.CodeStepUpRequired)
	}
	d.clock.advance(2 * time.Minute)
	mustOK(t, d.v.FlushDue(ctx))
	total, events := 0, d.trail(audit.Filter{Action: string(audit.StepUpFailed)})
	for _, ev := range events {
		total += max(1, ev.Count)
		if ev.Actor.Name != "ada" || ev.Outcome != audit.Denied || ev.Reason == "" {
			t.Errorf("one is %+v", ev.Event)
		}
	}
	if total != wrong || len(events) > 3 {
		t.Errorf("%d events tell of %d wrong tries, there were %d", len(events), total, wrong)
	}
	d.wantStatus(id, api.ApprovalPending)
}

// testTriesQueue: one is computed, four wait, further ones are told to come again;
// another owner has a line of their own.
func testTriesQueue(t *testing.T) {
	d := newKeyedDesk(t)
	bob, err := d.v.CreateOwner(ctx, d.as(d.owner), api.OwnerCreate{Name: "bob", Passphrase: d.pass()})
	mustOK(t, err)
	release := d.v.OccupyTries()
	var wg sync.WaitGroup
	done := make(chan error, 8)
	for range 5 {
		wg.Go(func() { done <- errOf(d.stepUp(d.owner, d.phrase, readSensitive)) })
	}
	synctest.Wait()
	_, err = d.stepUp(d.owner, d.phrase, readSensitive)
	wantCode(t, "a sixth", err, api.CodeRateLimited)
	var limited *api.Error
	if !errors.As(err, &limited) || limited.RetryAfter < 1 {
		t.Errorf("it is told to come again in %+v", limited)
	}
	wg.Go(func() { done <- errOf(d.stepUp(bob.APIKey, *bob.InitialPassphrase, readSensitive)) })
	synctest.Wait()
	if len(done) != 0 {
		t.Errorf("%d are answered while another one is computed", len(done))
	}
	release()
	wg.Wait()
	close(done)
	for err := range done {
		if err != nil {
			t.Errorf("one that waited: %v", err)
		}
	}
	d.wantProtected(sensitive, "value of sensitive")
}

// testTriesGivenUp: who goes away leaves the line.
func testTriesGivenUp(t *testing.T) {
	d := newKeyedDesk(t)
	release := d.v.OccupyTries()
	for range 3 {
		gone, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				_, err := d.v.IssueToken(gone, d.as(d.owner), api.TokenRequest{Scopes: []string{readSensitive}, Passphrase: d.pass()})
				if !errors.Is(err, context.Canceled) {
					t.Errorf("one that went away: %v", err)
				}
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()
	}
	release()
	_, err := d.stepUp(d.owner, wrongPhrase, readSensitive)
	wantCode(t, "a wrong one", err, api.CodeStepUpRequired)
	brief, cancel := context.WithTimeout(ctx, 100*time.Millisecond) // less than the delay
	defer cancel()
	_, err = d.v.IssueToken(brief, d.as(d.owner), api.TokenRequest{Scopes: []string{readSensitive}, Passphrase: d.pass()})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one that waited too long: %v", err)
	}
	d.wantProtected(sensitive, "value of sensitive")
}

// testTriesHoldUpNobody: while passphrases are tried, nothing waits that has none.
func testTriesHoldUpNobody(t *testing.T) {
	d := newKeyedDesk(t)
	bob, err := d.v.CreateOwner(ctx, d.as(d.owner), api.OwnerCreate{Name: "bob", Passphrase: d.pass()})
	mustOK(t, err)
	waits, open := d.askToRead(d.max.APIKey, guarded), d.opened(d.mia.APIKey, sensitive)
	for range 8 {
		_, err := d.stepUp(d.owner, wrongPhrase, readSensitive)
		wantCode(t, "a wrong one", err, api.CodeStepUpRequired)
	}
	var wg sync.WaitGroup
	for range 5 { // of the delay
		wg.Go(func() { d.stepUp(d.owner, wrongPhrase, readSensitive) }) //nolint:errcheck // it is wrong
	}
	synctest.Wait()
	if got := took(func() {
		if _, err := d.stepUp(bob.APIKey, *bob.InitialPassphrase, readSensitive); err != nil {
			t.Errorf("another owner's: %v", err)
		}
	}); got != 0 {
		t.Errorf("another owner's took %v", got)
	}
	release := d.v.OccupyTries()
	defer wg.Wait()
	defer release()
	if got := took(func() {
		d.mustGet(d.owner, plain, "value of plain")
		d.mustPut(d.owner, plain, "another")
		d.mustGet(d.mia.APIKey, sensitive, "value of sensitive")
		d.token(d.owner, "secrets:read:*")
		mustOK(t, errOf(d.v.Me(ctx, d.as(d.owner))))
		mustOK(t, errOf(d.v.Deny(ctx, d.as(d.owner), waits, api.ApprovalDecision{})))
		mustOK(t, errOf(d.v.Revoke(ctx, d.as(d.owner), open, api.ApprovalDecision{})))
		mustOK(t, errOf(d.v.Lockdown(ctx, d.as(d.owner), api.LockdownRequest{})))
	}); got != 0 {
		t.Errorf("what needs no passphrase took %v", got)
	}
}

// testTriesOfClaims: claims are computed one by one, and once one has won, not at
// all.
func testTriesOfClaims(t *testing.T) {
	h := houseIn(t, filepath.Join(t.TempDir(), "data"))
	t.Cleanup(h.end)
	release := h.v.OccupyTries()
	claims := make(chan api.Claim, 16)
	var wg sync.WaitGroup
	for range cap(claims) {
		wg.Go(func() {
			c, err := h.v.Claim(ctx, "ada", local(1000), api.ClaimRequest{Passphrase: ptr(phrase)})
			if code := api.CodeOf(err); err == nil {
				claims <- c
			} else if code != api.CodeConflict && code != api.CodeRateLimited || c.OwnerKey+c.RecoveryPassphrase != "" {
				t.Errorf("one that lost: %v", err)
			}
		})
	}
	synctest.Wait()
	if h.v.Claimed() {
		t.Error("it was claimed while another passphrase is computed")
	}
	release()
	wg.Wait()
	if len(claims) != 1 {
		t.Fatalf("%d claims won", len(claims))
	}
	h.claim = <-claims
	h.owner, h.phrase = h.claim.OwnerKey, phrase
	h.mustPut(h.owner, sensitive, "v", tier("sensitive"))
	h.wantProtected(sensitive, "v")
}
