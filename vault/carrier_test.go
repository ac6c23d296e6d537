package vault_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/away"
)

// spot is a place far away.
type spot struct {
	name  string
	began time.Time

	mu    sync.Mutex
	fails error
	hangs bool // until the attempt is given up
	tries []time.Duration
	got   []away.Checkpoint
	ended bool
}

func (s *spot) String() string             { return s.name }
func (s *spot) Same(other away.Place) bool { return other == away.Place(s) }
func (s *spot) Close()                     { s.mu.Lock(); defer s.mu.Unlock(); s.ended = true }

func (s *spot) Send(ctx context.Context, c away.Checkpoint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries = append(s.tries, time.Since(s.began))
	if s.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if s.fails == nil {
		s.got = append(s.got, c)
	}
	return s.fails
}

func (s *spot) does(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails, s.tries = err, nil
}

func (s *spot) tried() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries
}

func (s *spot) sizes() (all []uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.got {
		all = append(all, c.Size)
	}
	return all
}

// withSpot is a vault in the bubble of a test, and a place.
func withSpot(t *testing.T, fn func(h *house, s *spot)) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, cfg: vault.Config{Dir: dir}}
		var err error
		if h.v, err = vault.Create(h.cfg); err != nil {
			t.Fatal(err)
		}
		h.claimIt()
		fn(h, &spot{name: "/mnt/usb/checkpoints", began: time.Now()})
		h.end()
	})
}

func hourly(all ...away.Place) (list []vault.Checkpoint) {
	for _, to := range all {
		list = append(list, vault.Checkpoint{To: to, Every: time.Hour})
	}
	return list
}

func (h *house) places() []api.CheckpointPlace {
	h.t.Helper()
	me, err := h.v.Me(ctx, h.as(h.owner))
	if err != nil {
		h.t.Fatal(err)
	}
	return me.Protection.Checkpoints
}

func wantSizes(t *testing.T, s *spot, want ...uint64) {
	t.Helper()
	if got := s.sizes(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

// TestCheckpointsLeave: one at the start, then one an hour where the head has moved,
// the newest; none where it has not; and one more at a clean stop, if it has.
func TestCheckpointsLeave(t *testing.T) {
	withSpot(t, func(h *house, s *spot) {
		h.v.SetCheckpoints(hourly(s))
		synctest.Wait()
		first := uint64(h.events())
		wantSizes(t, s, first)
		time.Sleep(5*time.Hour + time.Minute) // and not when it looks again
		if n := len(s.tried()); n != 1 {
			t.Errorf("a head that stays is sent %d times", n)
		}
		for range 30 {
			h.mustPut(h.owner, "a/K", "v")
			time.Sleep(time.Minute)
		}
		wantSizes(t, s, first)
		time.Sleep(31 * time.Minute)
		second := uint64(h.events())
		wantSizes(t, s, first, second)
		c := s.got[1]
		if ev := h.trail(audit.Filter{}); c.Tenant != h.v.Tenant() || c.Hash == "" || len(c.Signature) != 64 || len(c.Note) == 0 || int(c.Size) != len(ev) {
			t.Errorf("%+v", c)
		}
		p := h.places()
		if len(p) != 1 || p[0].To != s.name || p[0].Size != second || p[0].SentAt == nil || p[0].FailingSince != nil || time.Duration(p[0].Every) != time.Hour {
			t.Errorf("%+v", p)
		}
		h.close()
		wantSizes(t, s, first, second) // nothing has moved
		h.open()
		h.v.SetCheckpoints(hourly(s))
		synctest.Wait()
		h.mustPut(h.owner, "a/K", "v")
		h.close()
		wantSizes(t, s, first, second, second, second+2) // a token and a write
		if !s.ended {
			t.Error("it is not let go of")
		}
		h.open()
	})
}

// TestCheckpointsFail: a place that takes none is tried less and less often, at most ten
// minutes apart; that is one event a day, and in the status; what leaves in the end is
// the newest, and the event of the failure sends no storm after it.
func TestCheckpointsFail(t *testing.T) {
	withSpot(t, func(h *house, s *spot) {
		fine := &spot{name: "https://log.example.com", began: s.began}
		s.does(errors.New("it is full"))
		h.v.SetCheckpoints(hourly(s, fine))
		time.Sleep(3*24*time.Hour - time.Minute)
		at := s.tried()
		wantGaps(t, at, 5*time.Second, 30*time.Second, 2*time.Minute, 10*time.Minute)
		if n := len(at); n < 380 || n > 600 {
			t.Errorf("tried %d times in 3 days", n)
		}
		failed := h.trail(audit.Filter{Action: "audit.checkpoint_failed"})
		if len(failed) != 3 || failed[0].Reason != "it is full" || failed[0].Subject.Name != s.name || failed[0].Outcome != audit.Failed || failed[0].Actor.Kind != "daemon" {
			t.Errorf("%d events, %+v", len(failed), failed)
		}
		if n := len(fine.tried()); n > 4 { // at the start, and once after each event
			t.Errorf("the other one was sent %d", n)
		}
		p := h.places()
		if p[0].FailingSince == nil || p[0].FailingSince.Sub(s.began) > time.Second || p[0].Failure != "it is full" || p[0].NextTry == nil || p[0].SentAt != nil || p[0].Size != 0 || p[1].FailingSince != nil {
			t.Errorf("%+v", p)
		}
		s.does(nil)
		time.Sleep(10*time.Minute + 2*time.Second)
		wantSizes(t, s, uint64(h.events()))
		time.Sleep(5 * time.Hour)
		if n := len(s.tried()); n != 1 {
			t.Errorf("after it is back it was sent %d", n)
		}
		if p := h.places(); p[0].FailingSince != nil || p[0].Failure != "" || p[0].NextTry != nil || p[0].SentAt == nil {
			t.Errorf("%+v", p[0])
		}
		for range 3 { // on the fourth day: one more event, however often it comes and goes
			s.does(errors.New("it is full"))
			h.mustPut(h.owner, "a/K", "v")
			time.Sleep(2 * time.Hour)
			if n := len(h.trail(audit.Filter{Action: "audit.checkpoint_failed"})); n != 4 || len(s.tried()) < 3 {
				t.Errorf("%d events, %d tries", n, len(s.tried()))
			}
			s.does(nil)
			time.Sleep(time.Hour)
		}
	})
}

// TestCheckpointsChange: one that stays is sent nothing twice and keeps its hour, one
// that fails is tried at once, and one that is no more is let go of.
func TestCheckpointsChange(t *testing.T) {
	withSpot(t, func(h *house, s *spot) {
		gone := &spot{name: "syslog local", began: s.began}
		h.v.SetCheckpoints(hourly(s, gone))
		time.Sleep(30 * time.Minute)
		h.mustPut(h.owner, "a/K", "v")
		h.v.SetCheckpoints(hourly(s))
		time.Sleep(time.Minute)
		if len(s.tried()) != 1 || !gone.ended || s.ended || len(h.places()) != 1 {
			t.Errorf("%v, %v, %v", s.tried(), gone.ended, s.ended)
		}
		time.Sleep(30 * time.Minute)
		if len(s.tried()) != 2 || len(gone.tried()) != 1 {
			t.Errorf("%v, %v", s.tried(), gone.tried())
		}
		s.does(errors.New("it is full"))
		h.mustPut(h.owner, "a/K", "v")
		time.Sleep(3 * time.Hour)
		s.does(nil)
		h.v.SetCheckpoints(hourly(s))
		synctest.Wait()
		if len(s.tried()) != 1 {
			t.Error("it is not tried at once")
		}
		h.mustPut(h.owner, "a/K", "v") // another pace, and the same place
		h.v.SetCheckpoints([]vault.Checkpoint{{To: s, Every: time.Minute}})
		synctest.Wait()
		if p := h.places(); len(s.tried()) != 2 || p[0].Size != uint64(h.events()) {
			t.Errorf("%v, %+v", s.tried(), p)
		}
		h.v.SetCheckpoints(hourly(s))
		synctest.Wait()
		if len(s.tried()) != 2 {
			t.Error("it is sent what it has")
		}
	})
}

// TestCheckpointHangsAtTheStop: a place that hangs holds a stop up for two seconds, and
// nothing else.
func TestCheckpointHangsAtTheStop(t *testing.T) {
	withSpot(t, func(h *house, s *spot) {
		s.hangs = true
		fine := &spot{name: "/other", began: s.began}
		h.v.SetCheckpoints(hourly(s, fine))
		synctest.Wait()
		h.mustPut(h.owner, "a/K", "v")
		last := uint64(h.events())
		began := time.Now()
		h.close()
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("a stop took %v", took)
		}
		wantSizes(t, fine, last-2, last)
		h.open()
	})
}

// TestCheckpointsAreOwners: an agent is told of no place.
func TestCheckpointsAreOwners(t *testing.T) {
	withSpot(t, func(h *house, s *spot) {
		h.v.SetCheckpoints(hourly(s))
		bot := h.agent("bot", "secrets:read:a/*")
		me, err := h.v.Me(ctx, h.as(bot.APIKey))
		if err != nil || me.Protection != nil {
			t.Errorf("%+v, %v", me, err)
		}
	})
}
