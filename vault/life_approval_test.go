package vault_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// The life of what is asked for, with time: pending, votes, a delay, a grant, and
// every end of it, in a vault whose clock is that of the test's bubble.

const lifePolicy = "[tiers.sensitive]\napprovals = 2\nrequest_ttl = '1h'\ndelay = '10m'\ngrant_ttl = '30m'\n"

const (
	lifeWaits = time.Hour
	lifeDelay = 10 * time.Minute
	lifeOpen  = 30 * time.Minute
)

// life is a vault, and what is to be true of one wish in it.
type life struct {
	h      *house
	owners [2]string
	bot    string

	id       string // of the request that is the last one; "" before any
	status   string // pending, approved, denied or revoked
	votes    [2]bool
	expires  time.Time // of what is pending
	from     time.Time // what was approved opens and ends
	until    time.Time
	ended    time.Time // when it was denied or revoked
	denials  int       // in a row
	recalled time.Time // until when they count

	changes []time.Time // when the list of requests became another one
	waiting []*waiter
}

// waiter is a long poll under way.
type waiter struct {
	what   string
	since  time.Time
	until  time.Time
	id     string // of a wait for one request
	change int    // of a watch: which change it waits for
	done   chan struct{}
	at     time.Time // when it returned
	err    error
	cancel context.CancelFunc
}

func newLife(t tb, dir string) *life {
	h := &house{t: t, clock: newClock(), cfg: vault.Config{Dir: dir}}
	var err error
	if h.v, err = vault.Create(h.cfg); err != nil {
		t.Fatal(err)
	}
	h.claimIt()
	h.mustPut(h.owner, sensitive, "v", tier("sensitive"))
	l := &life{h: h, owners: [2]string{h.owner, h.another("bob")}, bot: h.agent("bot", "secrets:*:*").APIKey}
	h.accept(lifePolicy)
	return l
}

func (l *life) pending(now time.Time) bool {
	return l.status == api.ApprovalPending && now.Before(l.expires)
}

// shown is the status as an owner is told it.
func (l *life) shown(now time.Time) string {
	if l.status == api.ApprovalPending && !now.Before(l.expires) {
		return api.ApprovalExpired
	}
	return l.status
}

// settled is when who waits for the request has the answer; zero: not without
// somebody's act.
func (l *life) settled() time.Time {
	switch {
	case l.status == api.ApprovalPending:
		return l.expires
	case l.status == api.ApprovalApproved, l.status == api.ApprovalRevoked && !l.ended.Before(l.from):
		return l.from
	}
	return l.ended
}

// refusal is how long the same is refused after the last of the denials.
func (l *life) refusal() time.Duration { return refusalsInARow[min(l.denials, len(refusalsInARow))-1] }

// ask reads, and wants what is to come of it.
func (l *life) ask(t *rapid.T) {
	now := time.Now()
	_, err := l.h.get(l.bot, sensitive)
	var e *api.Error
	errors.As(err, &e)
	switch {
	case l.status == api.ApprovalApproved && !now.Before(l.from) && now.Before(l.until):
		wantCode(t, "a read of what is open", err, "")
	case l.status == api.ApprovalApproved && now.Before(l.from), l.pending(now):
		wantCode(t, "a read of what waits", err, api.CodeApprovalRequired)
		if e.ApprovalID != l.id {
			t.Fatalf("it is answered with %s, and %s is %s", e.ApprovalID, l.id, l.status)
		}
	case l.status == api.ApprovalDenied && now.Before(l.ended.Add(l.refusal())):
		wantCode(t, "a read of what was denied", err, api.CodeScopeDenied)
	default:
		wantCode(t, "a read of what is to be asked for", err, api.CodeApprovalRequired)
		if l.id == e.ApprovalID {
			t.Fatalf("%s, which is %s, is asked for again", l.id, l.shown(now))
		}
		if !now.Before(l.recalled) || l.status == api.ApprovalApproved || l.status == api.ApprovalRevoked {
			l.denials = 0
		}
		l.id, l.status, l.votes, l.expires = e.ApprovalID, api.ApprovalPending, [2]bool{}, now.Add(lifeWaits)
		l.changes = append(l.changes, now)
	}
}

func (l *life) vote(t *rapid.T) {
	if l.id == "" {
		t.Skip("nothing was asked for")
	}
	i, now := rapid.IntRange(0, 1).Draw(t, "owner"), time.Now()
	expect := api.Code("")
	if !l.pending(now) || l.votes[i] {
		expect = api.CodeConflict
	}
	got, err := l.h.approveAs(l.owners[i], l.id)
	wantCode(t, "a vote", err, expect)
	if err != nil {
		return
	}
	l.votes[i] = true
	l.changes = append(l.changes, now)
	if l.votes[1-i] {
		l.status, l.from, l.until = api.ApprovalApproved, now.Add(lifeDelay), now.Add(lifeDelay+lifeOpen)
		if !got.OpensAt.Equal(l.from) || !got.ExpiresAt.Equal(l.until) {
			t.Fatalf("approved it is %+v", got)
		}
	}
	if got.Status != l.status {
		t.Fatalf("it is %s, want %s", got.Status, l.status)
	}
}

func (l *life) deny(t *rapid.T) {
	if l.id == "" {
		t.Skip("nothing was asked for")
	}
	now, expect := time.Now(), api.Code("")
	if !l.pending(now) {
		expect = api.CodeConflict
	}
	_, err := l.h.deny(l.id)
	wantCode(t, "a denial", err, expect)
	if err == nil {
		l.denials++
		l.status, l.ended = api.ApprovalDenied, now
		l.recalled = now.Add(l.refusal() + day)
		l.changes = append(l.changes, now)
	}
}

func (l *life) revoke(t *rapid.T) {
	if l.id == "" {
		t.Skip("nothing was asked for")
	}
	now, expect := time.Now(), api.Code("")
	if l.status != api.ApprovalApproved || !now.Before(l.until) {
		expect = api.CodeConflict
	}
	_, err := l.h.revoke(l.id)
	wantCode(t, "a revoke", err, expect)
	if err == nil {
		l.status, l.ended = api.ApprovalRevoked, now
		l.changes = append(l.changes, now)
	}
}

// sleep lets time pass, in which what is pending may expire.
func (l *life) sleep(t *rapid.T) {
	minutes := rapid.SampledFrom([]int{1, 1, 9, 10, 29, 30, 50, 60, 60, 24 * 60}).Draw(t, "minutes")
	before, d := time.Now(), time.Duration(minutes)*time.Minute
	if rapid.Bool().Draw(t, "not quite") {
		d -= time.Second
	}
	time.Sleep(d)
	if l.pending(before) && !l.pending(time.Now()) {
		l.changes = append(l.changes, l.expires)
	}
}

// wait begins a long poll for the request, watch one for the list.
func (l *life) wait(t *rapid.T) {
	if l.id == "" {
		t.Skip("nothing was asked for")
	}
	w := l.begin(t, "a wait")
	w.id = l.id
	status := ""
	wait, cancel := context.WithTimeout(ctx, w.until.Sub(w.since))
	w.cancel = cancel
	req, id := l.h.as(l.bot), l.id
	go func() {
		var got api.Approval
		got, w.err = l.h.v.WaitApproval(ctx, req, id, wait)
		status, w.at = got.Status, time.Now()
		if got.ID != id && w.err == nil {
			w.err = errors.New("it is another request, " + status)
		}
		close(w.done)
	}()
}

func (l *life) watch(t *rapid.T) {
	w := l.begin(t, "a watch")
	req := l.h.as(l.owners[0])
	status := rapid.SampledFrom([]string{"", "pending", "expired"}).Draw(t, "of status")
	if status != "" {
		w.change = -1 // it may wake or not; that it does when a request expires is seen elsewhere
	}
	now, err := l.h.v.WatchApprovals(ctx, req, status, "", ended())
	if err != nil {
		t.Fatal(err)
	}
	wait, cancel := context.WithTimeout(ctx, w.until.Sub(w.since))
	w.cancel = cancel
	go func() {
		_, w.err = l.h.v.WatchApprovals(ctx, req, status, now.Cursor, wait)
		w.at = time.Now()
		close(w.done)
	}()
}

// ended is a wait that is over.
func ended() context.Context {
	c, cancel := context.WithCancel(ctx)
	cancel()
	return c
}

func (l *life) begin(t *rapid.T, what string) *waiter {
	if len(l.waiting) > 2 {
		t.Skip("enough wait")
	}
	d := time.Duration(rapid.SampledFrom([]int{0, 5, 30, 90, 600}).Draw(t, "minutes")) * time.Minute
	now := time.Now()
	w := &waiter{what: what, since: now, until: now.Add(d), change: len(l.changes), done: make(chan struct{})}
	l.waiting = append(l.waiting, w)
	return w
}

// wakes is when w has to wake as things stand; zero: not yet known.
func (l *life) wakes(w *waiter) time.Time {
	at := w.until
	switch {
	case w.id == l.id && w.id != "":
		if s := l.settled(); s.Before(at) {
			at = s
		}
	case w.id == "" && w.change >= 0 && w.change < len(l.changes):
		if c := l.changes[w.change]; c.Before(at) {
			at = c
		}
	}
	if at.Before(w.since) {
		return w.since
	}
	return at
}

// check compares what is shown, and who has woken.
func (l *life) check(t *rapid.T) {
	synctest.Wait()
	now := time.Now()
	if l.id != "" {
		if got := l.h.request(l.id); got.Status != l.shown(now) {
			t.Fatalf("%s is %s, want %s", l.id, got.Status, l.shown(now))
		}
	}
	l.waiting = slices.DeleteFunc(l.waiting, func(w *waiter) bool {
		select {
		case <-w.done:
		default:
			if at := l.wakes(w); (w.id == "" && w.change >= 0 || w.id == l.id && w.id != "") && !now.Before(at) {
				t.Fatalf("%s since %v still sleeps at %v, want it to wake at %v", w.what, w.since, now, at)
			}
			return false
		}
		w.cancel()
		if at := l.wakes(w); w.err != nil || w.change >= 0 && (w.id == "" || w.id == l.id) && !w.at.Equal(at) {
			t.Fatalf("%s since %v has woken at %v, want %v; %v", w.what, w.since, w.at, at, w.err)
		}
		return true
	})
}

// end lets go of everything that would keep the bubble from ending.
func (l *life) end() {
	for _, w := range l.waiting {
		w.cancel()
		<-w.done
	}
	l.h.end()
}

// TestLifeOfARequest runs random acts, with time between them.
func TestLifeOfARequest(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		inBubble(t, func() {
			l := newLife(rt, filepath.Join(dir, "data"))
			defer l.end()
			rt.Repeat(map[string]func(*rapid.T){
				"ask": l.ask, "ask again": l.ask, "vote": l.vote, "vote again": l.vote, "deny": l.deny, "revoke": l.revoke,
				"sleep": l.sleep, "sleep again": l.sleep, "wait": l.wait, "watch": l.watch, "": l.check,
			})
		})
	})
}

// inBubble runs fn in a bubble of its own; rapid's way to fail, a panic, passes
// through it.
func inBubble(t *testing.T, fn func()) {
	var failed any
	synctest.Test(t, func(*testing.T) {
		defer func() { failed = recover() }()
		fn()
	})
	if failed != nil {
		panic(failed)
	}
}

// TestWatchWakes: a watch of any list that a request leaves or enters wakes when it
// expires, and sleeps until then, whatever else has ended before.
func TestWatchWakes(t *testing.T) {
	for _, status := range []string{"", api.ApprovalPending, api.ApprovalExpired, api.ApprovalApproved} {
		dir := filepath.Join(t.TempDir(), "data")
		synctest.Test(t, func(t *testing.T) {
			l := newLife(t, dir)
			defer l.end()
			ask := func(n int) string {
				return l.h.askFor(l.bot, api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, MaxUses: ptr(n)})
			}
			approved := ask(1)
			for _, owner := range l.owners {
				if _, err := l.h.approveAs(owner, approved); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(lifeDelay + lifeOpen)
			ask(2)
			l.h.mustDeny(ask(3))
			// One is approved and over, one has expired, one was denied; and the next one
			// does not expire on the minute, when the vault sweeps.
			time.Sleep(lifeWaits + 20*time.Second)
			ask(4)
			time.Sleep(29 * time.Minute)
			l.h.sweep()

			now, err := l.h.v.WatchApprovals(ctx, l.h.as(l.h.owner), status, "", ended())
			if err != nil {
				t.Fatal(err)
			}
			wait, cancel := context.WithTimeout(ctx, 24*time.Hour)
			defer cancel()
			start := time.Now()
			later, err := l.h.v.WatchApprovals(ctx, l.h.as(l.h.owner), status, now.Cursor, wait)
			slept := time.Since(start)
			want := 31 * time.Minute
			if status == api.ApprovalApproved {
				want = 24 * time.Hour // that list stays as it is
			}
			if err != nil || slept != want || (later.Cursor == now.Cursor) != (status == api.ApprovalApproved) {
				t.Errorf("%q: it slept for %v, want %v; %v", status, slept, want, err)
			}
		})
	}
}

// TestWatchSleeps: who waits looks when something has changed and not all the time.
func TestWatchSleeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	synctest.Test(t, func(t *testing.T) {
		l := newLife(t, dir)
		defer l.end()
		var looks atomic.Int64 // at the clock, one or more for each look
		l.h.clock.onNow(func() { looks.Add(1) })
		l.h.cfg.Now = func() time.Time { l.h.clock.Now(); return time.Now() }
		l.h.reopen()
		l.h.askToRead(l.bot, sensitive)
		time.Sleep(lifeWaits + time.Minute)
		now, err := l.h.v.WatchApprovals(ctx, l.h.as(l.h.owner), "", "", ended())
		if err != nil {
			t.Fatal(err)
		}
		wait, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		done := make(chan struct{})
		go func() {
			l.h.v.WatchApprovals(ctx, l.h.as(l.h.owner), "", now.Cursor, wait) //nolint:errcheck // how often it looks is seen below
			close(done)
		}()
		synctest.Wait()
		looks.Store(0)
		<-done
		if n := looks.Load(); n > 20 {
			t.Errorf("in ten seconds without any change it looks at the clock %d times", n)
		}
	})
}
