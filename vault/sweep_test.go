package vault_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

const day = 24 * time.Hour

func (h *house) sweep() {
	h.t.Helper()
	if err := h.v.Sweep(ctx); err != nil {
		h.t.Fatalf("sweeping: %v", err)
	}
}

// left is how many records each bucket of approvals holds.
func (h *house) left() (approvals, wishes, grants int) {
	h.t.Helper()
	return len(h.keys("approvals")), len(h.keys("wishes")), len(h.keys("grants"))
}

func (h *house) wantLeft(approvals, wishes, grants int) {
	h.t.Helper()
	if a, w, g := h.left(); a != approvals || w != wishes || g != grants {
		h.t.Errorf("left are %d requests, %d wishes, %d grants; want %d, %d, %d", a, w, g, approvals, wishes, grants)
	}
}

// TestRequestsExpire: unanswered for an hour a request is closed, by an event of
// the daemon's, once.
func TestRequestsExpire(t *testing.T) {
	d := newDesk(t)
	id := d.askToRead(d.mia.APIKey, sensitive)
	d.clock.advance(time.Hour - time.Second)
	at := d.last().Seq
	d.sweep()
	d.wantEvents(at)
	d.wantStatus(id, api.ApprovalPending)
	d.clock.advance(time.Second)
	d.wantStatus(id, api.ApprovalExpired) // swept or not
	d.wantListed("expired", id)
	for range 2 {
		d.sweep()
		d.wantEvents(at, "approval.expire SENSITIVE")
		d.wantStatus(id, api.ApprovalExpired)
		d.wantLeft(1, 0, 0)
	}
	if ev := d.last(); ev.Actor.Kind != "daemon" || ev.Approval != id || ev.Subject.Name != "mia" || ev.Outcome != audit.OK {
		t.Errorf("its event is %+v", ev.Event)
	}
	_, err := d.approve(id)
	wantCode(t, "approving it", err, api.CodeConflict)
	if again := d.askToRead(d.mia.APIKey, sensitive); again == id {
		t.Error("asked anew it is the same request")
	}
}

// What is asked for again before the sweep closes the expired request on its way.
func TestAskingAgainClosesTheExpired(t *testing.T) {
	d := newDesk(t)
	first := d.askToRead(d.mia.APIKey, sensitive)
	d.clock.advance(2 * time.Hour)
	if err := d.v.FlushDue(ctx); err != nil { // an equal refusal is a minute past
		t.Fatal(err)
	}
	at := d.last().Seq
	second := d.askToRead(d.mia.APIKey, sensitive)
	d.wantEvents(at, "approval.expire SENSITIVE", "approval.request SENSITIVE", "secret.read.denied SENSITIVE")
	d.wantStatus(first, api.ApprovalExpired)
	d.wantStatus(second, api.ApprovalPending)
	d.sweep()
	d.wantStatus(second, api.ApprovalPending)
	d.wantLeft(2, 1, 0)
}

// TestSweepLooksAgain: what was asked for anew while the sweep looked stays open.
func TestSweepLooksAgain(t *testing.T) {
	d := newDesk(t)
	first := d.askToRead(d.mia.APIKey, sensitive)
	d.clock.advance(time.Hour)
	second := ""
	d.clock.onNow(func() { // the sweep has its snapshot
		d.clock.onNow(nil)
		second = d.askToRead(d.mia.APIKey, sensitive)
	})
	d.sweep()
	if second == "" || second == first {
		t.Fatalf("asked anew it is %q", second)
	}
	d.wantStatus(first, api.ApprovalExpired)
	d.wantStatus(second, api.ApprovalPending)
	d.wantLeft(2, 1, 0)
}

// TestSweepRemovesWhatHasEnded: grants with their hour, requests after a week; that
// one was denied is remembered for a day, and a minute.
func TestSweepRemovesWhatHasEnded(t *testing.T) {
	d := newDesk(t)
	var ids []string
	for i, p := range []string{sensitive, guarded} {
		ids = append(ids, d.askToRead(d.mia.APIKey, p))
		if i == 0 {
			d.mustApprove(ids[0])
		} else {
			d.mustDeny(ids[1])
		}
	}
	ids = append(ids, d.askToRead(d.max.APIKey, sensitive)) // nobody answers
	d.clock.advance(time.Hour - time.Millisecond)
	d.sweep()
	d.wantLeft(3, 2, 1)
	d.clock.advance(time.Millisecond)
	d.sweep()
	d.wantLeft(3, 1, 0)
	d.clock.advance(23*time.Hour + time.Minute - time.Millisecond)
	d.sweep()
	d.wantLeft(3, 1, 0)
	d.clock.advance(time.Millisecond)
	at := d.last().Seq
	d.sweep()
	d.wantLeft(3, 0, 0)
	d.wantEvents(at, "approval.expire")
	if ev := d.last(); ev.Approval != ids[1] || ev.Reason != "that this was denied is forgotten" {
		t.Errorf("the event of it is %+v", ev.Event)
	}
	d.clock.advance(6*day + time.Hour - time.Minute)
	d.sweep()
	d.wantListed("", ids[2]) // it ended an hour later than the others
	d.clock.advance(time.Hour)
	d.sweep()
	d.wantLeft(0, 0, 0)
	d.reopen()
	if got := d.checked(); got != "ok" {
		t.Error(got)
	}
}

// TestSweepOfMany: more than one operation takes, all of it swept, each closed
// by one event.
func TestSweepOfMany(t *testing.T) {
	d := newDesk(t)
	const agents, each = 9, 32
	for i := range agents {
		bot := d.agent(fmt.Sprintf("bot-%d", i), "secrets:read:*")
		var ids []string
		for n := range each {
			ids = append(ids, d.askFor(bot.APIKey, api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, MaxUses: ptr(n + 1)}))
		}
		for _, id := range ids {
			if i%3 == 0 {
				d.mustApprove(id)
			}
		}
	}
	d.wantLeft(agents*each, agents*each*2/3, agents*each/3)
	at := d.last().Seq
	d.clock.advance(time.Hour)
	d.sweep()
	d.wantLeft(agents*each, 0, 0)
	closed := map[string]bool{}
	for _, ev := range d.trail(audit.Filter{Action: string(audit.ApprovalExpire)}) {
		if ev.Seq <= at || closed[ev.Approval] {
			t.Errorf("request %s is closed twice, or too early", ev.Approval)
		}
		closed[ev.Approval] = true
	}
	if len(closed) != agents*each*2/3 {
		t.Errorf("%d requests were closed", len(closed))
	}
	d.clock.advance(31 * day)
	d.sweep()
	d.wantLeft(0, 0, 0)
}

// TestRecordsOlderThanTheVerifierFollows: what expires may go without an event,
// also when the verifier has forgotten by then which event wrote it.
func TestRecordsOlderThanTheVerifierFollows(t *testing.T) {
	d := newDesk(t)
	for range 3 {
		d.token(d.mia.APIKey, "secrets:read:*")
	}
	d.mustApprove(d.askToRead(d.mia.APIKey, sensitive))
	if _, err := d.deny(d.askToRead(d.max.APIKey, sensitive)); err != nil {
		t.Fatal(err)
	}
	d.askToRead(d.max.APIKey, guarded) // open, and it stays so
	for range 4 {
		d.clock.advance(10 * day)
		d.mustPut(d.owner, plain, "v")
		d.mustApprove(d.askToRead(d.mia.APIKey, guarded)) // a generation of what expires
	}
	old := len(d.keys("tokens"))
	d.reopen()
	if got := d.checked(); got != "ok" {
		t.Fatal(got)
	}
	d.token(d.mia.APIKey, "secrets:read:*") // drops what has expired
	if now := len(d.keys("tokens")); now >= old {
		t.Fatalf("%d tokens are kept, %d were: nothing was dropped", now, old)
	}
	if a, _, g := d.left(); a != 7 || g != 5 {
		t.Fatalf("%d requests and %d grants are kept, so the sweep shows nothing", a, g)
	}
	d.sweep()
	d.wantLeft(1, 0, 1)
	d.mustGet(d.mia.APIKey, guarded, "value of guarded")
	if err := d.v.Alive(); err != nil {
		t.Fatal(err)
	}
	d.reopen()
	if got := d.checked(); got != "ok" {
		t.Error(got)
	}
}

// TestStoppedForWeeks: a request that waited while the daemon did not run is
// closed all the same, however long that was.
func TestStoppedForWeeks(t *testing.T) {
	for _, stopped := range []time.Duration{
		time.Hour, audit.TokenLife - time.Hour - time.Second, audit.TokenLife - time.Hour, audit.TokenLife,
		2*audit.TokenLife + time.Second, 21 * day, 400 * day,
	} {
		for name, wake := range map[string]func(d *desk){
			"swept":       func(d *desk) { d.sweep() },
			"asked again": func(d *desk) { d.askToRead(d.mia.APIKey, sensitive) },
		} {
			t.Run(fmt.Sprint(name, " after ", stopped), func(t *testing.T) {
				d := newDesk(t)
				id := d.askToRead(d.mia.APIKey, sensitive)
				d.close()
				d.clock.advance(stopped)
				d.open()
				if got := d.checked(); got != "ok" {
					t.Fatal(got)
				}
				wake(d)
				expired := d.trail(audit.Filter{Action: string(audit.ApprovalExpire)})
				if len(expired) != 1 || expired[0].Approval != id {
					t.Errorf("%d requests were closed", len(expired))
				}
				d.sweep()
				if again, now := d.askToRead(d.mia.APIKey, sensitive), d.keys("wishes"); again == id || len(now) != 1 {
					t.Errorf("asked anew it is %s, and open are %q", again, now)
				}
				d.reopen()
				if got := d.checked(); got != "ok" {
					t.Error(got)
				}
			})
		}
	}
}

// A clock that went back leaves alone what had its time already.
func TestSweepWithTheClockPutBack(t *testing.T) {
	d := newDesk(t)
	id := d.askToRead(d.mia.APIKey, sensitive)
	d.clock.advance(2 * time.Hour)
	d.sweep()
	d.clock.advance(-3 * time.Hour)
	d.sweep()
	d.wantStatus(id, api.ApprovalExpired)
	if n := len(d.trail(audit.Filter{Action: string(audit.ApprovalExpire)})); n != 1 {
		t.Errorf("it was closed %d times", n)
	}
	_, err := d.approve(id)
	wantCode(t, "approving it", err, api.CodeConflict)
	if names := d.keys("wishes"); slices.ContainsFunc(names, func(k string) bool { return strings.Contains(k, d.mia.ID) }) {
		t.Errorf("open are %q", names)
	}
}

// TestSweepOfManyAfterWeeks: each wish goes before the request that it leads to, so
// that the event still says what was asked for.
func TestSweepOfManyAfterWeeks(t *testing.T) {
	d := newDesk(t)
	const agents, each = 9, 32
	for i := range agents {
		bot := d.agent(fmt.Sprintf("bot-%d", i), "secrets:read:*")
		for n := range each {
			id := d.askFor(bot.APIKey, api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, MaxUses: ptr(n + 1)})
			if n%2 == 0 {
				d.mustDeny(id)
			}
		}
	}
	d.close()
	d.clock.advance(30 * day)
	d.open()
	d.sweep()
	d.wantLeft(0, 0, 0)
	said := map[string]int{}
	for _, ev := range d.trail(audit.Filter{Action: string(audit.ApprovalExpire)}) {
		what, _, _ := strings.Cut(ev.Reason, " sha256")
		said[ev.Key+" "+what]++
	}
	if want := agents * each / 2; len(said) != 2 || said["SENSITIVE to read, 1 of 1 in"] != want || said[" that this was denied is forgotten"] != want {
		t.Errorf("the trail says %v", said)
	}
	if got := d.checked(); got != "ok" {
		t.Error(got)
	}
}
