package vault_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// scheduled is a vault whose clock is that of the test's bubble, with a secret.
func scheduled(t *testing.T, fn func(h *house)) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, clock: newClock(), cfg: vault.Config{Dir: dir}}
		var err error
		if h.v, err = vault.Create(h.cfg); err != nil {
			t.Fatal(err)
		}
		defer h.end()
		h.claimIt()
		h.mustPut(h.owner, plain, "one")
		fn(h)
	})
}

// after sleeps until so long after the test's beginning of the day, and lets what is
// due be done.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (h *house) isAt(want uint64) {
	h.t.Helper()
	if got := h.info(plain).Version; got != want {
		h.t.Errorf("after %v it has version %d, want %d", time.Now(), got, want)
	}
}

// TestSchedule: the age of the current version says when the next is due, whoever made
// it, across restarts.
func TestSchedule(t *testing.T) {
	scheduled(t, func(h *house) {
		rotators := []vault.Rotator{{Path: path(h.t, plain), Generate: recipe(h.t, twelve), Every: 24 * time.Hour}}
		h.v.SetRotators(rotators)
		after(24*time.Hour - time.Second)
		h.isAt(1)
		at := h.last().Seq
		after(2 * time.Second)
		if ev := h.last(); ev.Seq != at+1 || ev.Action != audit.SecretRotate || ev.Actor.Kind != "daemon" || ev.Reason != "on schedule" || ev.RequestID == "" {
			h.t.Errorf("%+v", ev.Event)
		}
		h.isAt(2)
		// A write puts it off.
		after(12 * time.Hour)
		h.mustPut(h.owner, plain, "three")
		after(23 * time.Hour)
		h.isAt(3)
		after(time.Hour + time.Minute)
		h.isAt(4)
		// So does what was due while assd did not run: it comes at once, and once.
		h.close()
		time.Sleep(100 * time.Hour)
		h.open()
		synctest.Wait()
		h.v.SetRotators(rotators)
		after(time.Second)
		h.isAt(5)
		after(23 * time.Hour)
		h.isAt(5)
		h.reopen()
		h.v.SetRotators(rotators)
		after(50 * time.Minute)
		h.isAt(5)
		after(11 * time.Minute)
		h.isAt(6)
		// Without a rotator nothing comes any more.
		h.v.SetRotators(nil)
		after(100 * time.Hour)
		h.isAt(6)
	})
}

// TestScheduleFails: the tries come further and further apart, each with an event, and
// one that goes well ends that.
func TestScheduleFails(t *testing.T) {
	scheduled(t, func(h *house) {
		var tries []time.Time
		fails := true
		h.v.SetRotators([]vault.Rotator{{Path: path(h.t, plain), Every: time.Hour, Command: func(context.Context, []byte) (vault.Printed, error) {
			tries = append(tries, time.Now())
			if fails {
				return vault.Printed{}, errors.New("the command exited with status 1")
			}
			return vault.Printed{Out: []byte("new")}, nil
		}}})
		at := h.last().Seq
		after(9 * time.Hour)
		for i := 1; i < len(tries); i++ {
			want := min(time.Minute<<(i-1), time.Hour)
			if gap := tries[i].Sub(tries[i-1]); gap < want*4/5 || gap > want*6/5+2*time.Second {
				h.t.Errorf("try %d came %v after the one before, want about %v", i+1, gap, want)
			}
		}
		if len(tries) < 10 || len(tries) > 15 {
			h.t.Errorf("%d tries", len(tries))
		}
		events := h.newest(at)
		h.isAt(1)
		if n := len(tries); len(events) != 2*n || events[0] != "secret.rotation_start PLAIN" || events[1] != "secret.rotation_failed PLAIN" {
			h.t.Errorf("%d tries, and in the trail stands %q", n, events)
		}
		if me, err := h.v.Me(ctx, h.as(h.owner)); err != nil || len(me.Protection.FailedRotations) != 1 {
			h.t.Errorf("%+v, %v", me.Protection, err)
		}
		fails = false
		for range 73 {
			if h.info(plain).Version == 2 {
				break
			}
			after(time.Minute)
		}
		h.isAt(2)
		after(58 * time.Minute)
		h.isAt(2)
		after(2 * time.Minute)
		h.isAt(3)
	})
}

// TestScheduleMissing: a secret that is not there is no failure; once it is, it counts.
func TestScheduleMissing(t *testing.T) {
	scheduled(t, func(h *house) {
		h.mustDelete(h.owner, plain)
		h.close()
		var logged bytes.Buffer
		h.cfg.Log = hclog.New(&hclog.LoggerOptions{Output: &logged})
		h.open()
		at := h.last().Seq
		h.v.SetRotators([]vault.Rotator{{Path: path(h.t, plain), Generate: recipe(h.t, twelve), Every: time.Hour}})
		after(10 * time.Hour)
		h.wantEvents(at)
		if n := strings.Count(logged.String(), "no such secret to rotate"); n != 1 {
			h.t.Errorf("it was said %d times", n)
		}
		h.mustPut(h.owner, plain, "again")
		after(59 * time.Minute)
		h.isAt(2)
		after(2 * time.Minute)
		h.isAt(3)
	})
}

// TestScheduleLockedDown: nothing is due in a lockdown, and after it all that was.
func TestScheduleLockedDown(t *testing.T) {
	scheduled(t, func(h *house) {
		h.v.SetRotators([]vault.Rotator{{Path: path(h.t, plain), Generate: recipe(h.t, twelve), Every: time.Hour}})
		if _, err := h.v.Lockdown(ctx, h.as(h.owner), api.LockdownRequest{}); err != nil {
			h.t.Fatal(err)
		}
		at := h.last().Seq
		after(10 * time.Hour)
		h.wantEvents(at)
		if _, err := h.v.Lift(ctx, h.as(h.owner), api.LiftRequest{}); err != nil {
			h.t.Fatal(err)
		}
		after(2 * time.Minute)
		h.isAt(2)
	})
}

// TestScheduleFew: at most two run at a time, each secret by itself, and all come.
func TestScheduleFew(t *testing.T) {
	scheduled(t, func(h *house) {
		var running, most, runs atomic.Int64
		var all []vault.Rotator
		for _, key := range []string{"A", "B", "C", "D", "E"} {
			p := "many/" + key
			h.mustPut(h.owner, p, "one")
			all = append(all, vault.Rotator{Path: path(h.t, p), Every: time.Hour, Command: func(context.Context, []byte) (vault.Printed, error) {
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				runs.Add(1)
				time.Sleep(5 * time.Minute)
				return vault.Printed{Out: []byte("new")}, nil
			}})
		}
		h.v.SetRotators(all)
		after(time.Hour + time.Second)
		if running.Load() != 2 {
			h.t.Errorf("%d run", running.Load())
		}
		after(5 * time.Minute)
		if running.Load() != 2 {
			h.t.Errorf("then %d run", running.Load())
		}
		after(20 * time.Minute)
		if most.Load() != 2 || runs.Load() != 5 {
			h.t.Errorf("%d ran, %d at a time", runs.Load(), most.Load())
		}
		list, err := h.v.List(ctx, h.as(h.owner), ns(h.t, "many"))
		if err != nil || slices.ContainsFunc(list.Items, func(i api.SecretInfo) bool { return i.Version != 2 }) {
			h.t.Errorf("%+v, %v", list, err)
		}
	})
}

// TestRotateAnswers: who waits for a command that takes long is told so after half a
// minute, and the value is stored all the same.
func TestRotateAnswers(t *testing.T) {
	scheduled(t, func(h *house) {
		h.v.SetRotators([]vault.Rotator{{Path: path(h.t, plain), Command: func(context.Context, []byte) (vault.Printed, error) {
			time.Sleep(time.Minute)
			return vault.Printed{Out: []byte("two")}, nil
		}}})
		began := time.Now()
		got, err := h.turn(h.owner, plain)
		if took := time.Since(began); err != nil || got.Status != api.RotationRunning || got.Version != 1 || took != 30*time.Second {
			h.t.Errorf("after %v: %+v, %v", took, got, err)
		}
		_, err = h.turn(h.owner, plain)
		wantCode(h.t, "another", err, api.CodeConflict)
		after(31 * time.Second)
		r, _, err := h.v.Get(ctx, h.as(h.owner), policy.RequestPath{Path: path(h.t, plain)}, 0)
		if err != nil || string(r.Value.Reveal()) != "two" {
			h.t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestScheduleOfANewSecret: one that is stored after the start is rotated when it is due,
// not when the schedule happens to look.
func TestScheduleOfANewSecret(t *testing.T) {
	scheduled(t, func(h *house) {
		h.v.SetRotators([]vault.Rotator{{Path: path(h.t, sensitive), Generate: recipe(h.t, twelve), Every: 2 * time.Second}})
		after(time.Second)
		h.mustPut(h.owner, sensitive, "one")
		after(2*time.Second + time.Millisecond)
		if got := h.info(sensitive).Version; got != 2 {
			t.Errorf("it has version %d", got)
		}
	})
}
