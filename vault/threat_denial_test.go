package vault_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

// refusals makes n refused reads, 64 at a time; which and who says req.
func refusals(h *house, n int, refuse func(i int) error) {
	h.t.Helper()
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for i := g; i < n; i += 64 {
				if err := refuse(i); err == nil {
					h.t.Errorf("refusal %d was none", i)
				}
			}
		})
	}
	wg.Wait()
}

// TestThreat07Refusals: nobody fills the disk with what is refused.
func TestThreat07Refusals(t *testing.T) {
	const many = 10_000
	for _, tc := range []struct {
		name   string
		most   uint64 // events
		refuse func(h *house, bot api.AgentCreated, i int) error
	}{
		{"equal", 1, func(h *house, bot api.AgentCreated, _ int) error {
			_, err := h.get(bot.APIKey, hidden)
			return err
		}},
		{"of different paths", 64, func(h *house, bot api.AgentCreated, i int) error {
			_, err := h.get(bot.APIKey, fmt.Sprintf("staging/K%d", i))
			return err
		}},
		{"of different acts and paths", 96, func(h *house, bot api.AgentCreated, i int) error {
			p := fmt.Sprintf("staging/K%d", i)
			switch i % 4 {
			case 0:
				_, err := h.put(bot.APIKey, p, "v")
				return err
			case 1:
				return h.delete(bot.APIKey, p)
			case 2:
				_, err := h.v.IssueToken(ctx, h.as(bot.APIKey), api.TokenRequest{Scopes: []string{"secrets:read:" + p}})
				return err
			default:
				return h.v.RevokeAgent(ctx, h.as(bot.APIKey), p)
			}
		}},
		{"of no key", 1, func(h *house, _ api.AgentCreated, i int) error {
			_, err := h.get(fmt.Sprintf("nonsense %d", i), hidden)
			return err
		}},
		{"of keys that are none, from one network", 1, func(h *house, _ api.AgentCreated, i int) error {
			key := keyOf(fmt.Sprintf("ask_live_%043d", i))
			_, err := h.read(h.from(key, remote(fmt.Sprintf("2001:db8::%x", i))), hidden, 0)
			return err
		}},
		{"from all over", 4200, func(h *house, _ api.AgentCreated, i int) error {
			_, err := h.read(h.from("", remote(fmt.Sprintf("10.0.%d.%d", i/256, i%256))), hidden, 0)
			return err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHouse(t)
			bot := h.limited("bot", []string{"production"}, "secrets:read:*")
			before := h.events()
			refusals(h, many, func(i int) error { return tc.refuse(h, bot, i) })
			now := h.events() - before
			if now == 0 || now > tc.most {
				t.Errorf("%d refusals are %d events, want at most %d", many, now, tc.most)
			}

			h.close() // writes what was only counted
			h.open()
			told := 0
			for _, ev := range h.trail(audit.Filter{}) {
				if ev.Outcome == audit.Denied {
					told += max(ev.Count, 1)
				}
			}
			if told != many {
				t.Errorf("the trail tells of %d refusals, want %d", told, many)
			}
			if after := h.events() - before; after > 2*tc.most {
				t.Errorf("with the counted ones they are %d events, want at most %d", after, 2*tc.most)
			}
		})
	}
}

// TestEqualRefusalsAreCounted: who, what, where and why make two refusals equal,
// and the counted event says all of it.
func TestEqualRefusalsAreCounted(t *testing.T) {
	h := newHouse(t)
	bot, max := h.limited("bot", []string{"production"}, "secrets:read:*"), h.limited("max", []string{"production"}, "secrets:read:*")
	before := h.events()
	for range 5 {
		for _, who := range []string{bot.APIKey, max.APIKey} {
			for _, p := range []string{"staging/A", "staging/B"} {
				_, err := h.get(who, p)
				wantCode(t, p, err, api.CodeScopeDenied)
			}
			wantCode(t, "a deletion", h.delete(who, "staging/A"), api.CodeScopeDenied)
		}
	}
	if got := h.events() - before; got != 6 {
		t.Errorf("6 kinds of refusal are %d events", got)
	}
	h.reopen()
	count := map[string]int{}
	for _, ev := range h.trail(audit.Filter{Before: 0})[before:] {
		if ev.Outcome != audit.Denied || ev.Reason == "" || ev.Actor.Kind != "agent" {
			t.Errorf("event %d is %+v", ev.Seq, ev.Event)
		}
		count[fmt.Sprint(ev.Actor.Name, ev.Action, ev.Namespace, ev.Key)] += 1 + ev.Count
	}
	for what, n := range count {
		if n != 1+4+1 { // two events: the one told at once, and one with the count of the other 4
			t.Errorf("%s is told %d times", what, n)
		}
	}
	if len(count) != 6 {
		t.Errorf("%d kinds are told, want 6", len(count))
	}
}

// TestCountedRefusalsAMinute: one counted event a minute, and after a quiet
// minute the next refusal is told at once again.
func TestCountedRefusalsAMinute(t *testing.T) {
	h := newHouse(t)
	bot := h.limited("bot", []string{"production"}, "secrets:read:*")
	before := h.events()
	var counts []int
	step := func(refusals int, d time.Duration) {
		t.Helper()
		for range refusals {
			_, err := h.get(bot.APIKey, hidden)
			wantCode(t, "a refusal", err, api.CodeScopeDenied)
		}
		h.clock.advance(d)
		if err := h.v.FlushDue(ctx); err != nil {
			t.Fatal(err)
		}
		counts = nil
		for _, ev := range h.trail(audit.Filter{})[before:] {
			counts = append(counts, ev.Count)
		}
	}
	for _, s := range []struct {
		refusals int
		then     time.Duration
		want     []int
	}{
		{3, 59 * time.Second, []int{0}},
		{0, time.Second, []int{0, 2}},
		{4, 30 * time.Second, []int{0, 2}},
		{1, 30 * time.Second, []int{0, 2, 5}},
		{0, time.Minute, []int{0, 2, 5}},
		{1, time.Second, []int{0, 2, 5, 0}},
	} {
		if step(s.refusals, s.then); !slices.Equal(counts, s.want) {
			t.Errorf("after %d more refusals and %v the counts are %v, want %v", s.refusals, s.then, counts, s.want)
		}
	}
}
