package vault_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// badWrites are the ways in which an agent can make a new version.
var badWrites = map[string]func(h *house, who, value string) error{
	"put": func(h *house, who, value string) error { _, err := h.put(who, plain, value); return err },
	"rotate": func(h *house, who, value string) error {
		_, err := h.rotate(who, plain, to(value))
		return err
	},
	"import": func(h *house, who, value string) error {
		_, err := h.v.Import(ctx, h.as(who), api.ImportRequest{Namespace: "production", Content: ptr("PLAIN=" + value + "\nNEW=x\n")})
		return err
	},
	"rotate by a command": func(h *house, who, value string) error {
		h.v.SetRotators([]vault.Rotator{{Path: path(h.t, plain), Command: printing(value)}})
		_, err := h.rotate(who, plain, api.SecretRotate{})
		return err
	},
	"rollback": func(h *house, who, _ string) error {
		now := h.versions(h.owner, plain)[0]
		_, err := h.rollback(who, plain, now-1)
		return err
	},
}

// TestThreat27TenBadWrites: however often an agent writes in a minute, what an owner
// wrote is still there and can be gone back to, and so can what was current lately;
// and it is not much that piles up.
func TestThreat27TenBadWrites(t *testing.T) {
	for name, write := range badWrites {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			good, bot := h.agent("good", "secrets:*:*"), h.agent("bot", "secrets:read:*", "secrets:write:*", "secrets:rotate:*")
			h.mustPut(h.owner, plain, "of an owner", meta("kept"))
			h.clock.advance(60 * day)
			h.mustPut(good.APIKey, plain, "of a good agent") // current until the attack begins
			h.clock.advance(60 * day)
			done := 0
			for n := range map[bool]int{true: 150, false: 105}[name == "put"] {
				err := write(h, bot.APIKey, fmt.Sprint("garbage", n))
				if done < 98 {
					if err != nil {
						t.Fatalf("write %d: %v", n, err)
					}
					done++
				} else {
					wantCode(t, fmt.Sprint("write ", n), err, api.CodeConflict)
				}
				h.clock.advance(400 * time.Millisecond)
				if n+1 != 10 && n+1 != 50 && n+1 < 105 {
					continue
				}
				all := h.versions(h.owner, plain)
				if len(all) != done+2 || len(all) > 100 || !slices.Contains(all, 1) || !slices.Contains(all, 2) {
					t.Fatalf("after %d bad writes these versions are kept: %v", n+1, all)
				}
			}
			if name == "import" && len(h.versions(h.owner, "production/NEW")) != done {
				t.Error("of a refused import something was stored")
			}
			for n, want := range []string{"of an owner", "of a good agent"} {
				if got, err := h.read(h.as(h.owner), plain, uint64(n)+1); err != nil || got != want {
					t.Errorf("version %d is %q, %v; want %q", n+1, got, err, want)
				}
			}
			if h.denied("secret.") == 0 {
				t.Error("the trail tells of no refusal")
			}
			_, err := h.v.Import(ctx, h.as(bot.APIKey), api.ImportRequest{Namespace: "production", Content: ptr("PLAIN=x\n"), DryRun: true})
			wantCode(t, "trying an import", err, api.CodeConflict)
			h.undo(t)
			if name == "put" {
				h.fill100(t)
			}
		})
	}
}

// undo has the owner go back to version 1 of what an agent has filled up.
func (h *house) undo(t *testing.T) {
	t.Helper()
	if _, err := h.rollback(h.owner, plain, 1); err != nil {
		t.Fatalf("rolling back: %v", err)
	}
	if r := h.readBy(h.owner, plain, 0); string(r.Value.Reveal()) != "of an owner" || r.Metadata["note"] != "kept" {
		t.Errorf("rolled back, it is %q, %+v", r.Value.Reveal(), r.SecretInfo)
	}
	if n := len(h.versions(h.owner, plain)); n != 100 {
		t.Errorf("%d versions are kept", n)
	}
}

// fill100 writes as an owner, which always goes on; still nothing piles up.
func (h *house) fill100(t *testing.T) {
	t.Helper()
	for i := range 120 {
		h.mustPut(h.owner, plain, fmt.Sprint("of an owner ", i))
	}
	if n := len(h.versions(h.owner, plain)); n != 100 {
		t.Errorf("after many writes of an owner %d versions are kept", n)
	}
	h.clock.advance(7 * day)
	h.mustPut(h.owner, plain, "a week later")
	if n := len(h.versions(h.owner, plain)); n > 11 { // the tenth of the newest was replaced just now
		t.Errorf("a week later %d versions are kept", n)
	}
}

// denied is how many refusals of such an action the trail tells of.
func (h *house) denied(action string) (n int) {
	for _, ev := range h.trail(audit.Filter{}) {
		if strings.HasPrefix(string(ev.Action), action) && ev.Outcome == audit.Denied {
			n++
		}
	}
	return n
}

// TestThreat27SlowWrites: with patience an agent gets no further than in a hurry.
func TestThreat27SlowWrites(t *testing.T) {
	h := newHouse(t)
	bot := h.agent("bot", "secrets:read:*", "secrets:write:*")
	h.mustPut(h.owner, plain, "of an owner")
	for n := range 60 * 24 / 4 { // every four hours for sixty days
		h.clock.advance(4 * time.Hour)
		if _, err := h.put(bot.APIKey, plain, fmt.Sprint("garbage", n)); err != nil {
			t.Fatalf("write %d: %v", n, err)
		}
	}
	all := h.versions(h.owner, plain)
	if len(all) != 7*6+2 || all[len(all)-1] != 1 { // those of a week, the current one, and the owner's
		t.Errorf("these versions are kept: %v", all)
	}
	if got, err := h.read(h.as(h.owner), plain, 1); err != nil || got != "of an owner" {
		t.Errorf("version 1 is %q, %v", got, err)
	}
}

// TestThreat27DeleteIsItsOwnScope: history goes with a deletion, which write does not
// imply; tier and counter stay.
func TestThreat27DeleteIsItsOwnScope(t *testing.T) {
	h := newHouse(t)
	writer, deleter := h.agent("writer", "secrets:write:*", "secrets:read:*"), h.agent("deleter", "secrets:write:*", "secrets:delete:*")
	h.mustPut(h.owner, plain, "of an owner", tier("sensitive"))
	wantCode(t, "deleting", h.delete(writer.APIKey, plain), api.CodeScopeDenied)
	h.mustDelete(deleter.APIKey, plain)
	info := h.mustPut(deleter.APIKey, plain, "garbage")
	if info.Version != 2 || info.AccessTier != "sensitive" {
		t.Errorf("made anew it is %+v", info)
	}
	if all := h.versions(h.owner, plain); !slices.Equal(all, []uint64{2}) {
		t.Errorf("these versions are kept: %v", all)
	}
	_, err := h.rollback(h.owner, plain, 1)
	wantCode(t, "going back behind the deletion", err, api.CodeSecretNotFound)
}

// TestThreat27RaisingAFullOne: a hundred versions are no way round a raised tier.
func TestThreat27RaisingAFullOne(t *testing.T) {
	d := newKeyedDesk(t)
	for n := range 99 {
		d.mustPut(d.owner, plain, fmt.Sprint("v", n))
	}
	d.mustPut(d.owner, plain, "raised", tier("sensitive"))
	for _, n := range d.versions(d.owner, plain) {
		_, err := d.read(d.as(d.mia.APIKey), plain, n)
		wantCode(t, fmt.Sprint("reading version ", n), err, api.CodeApprovalRequired)
	}
	// That each is sealed to the approval key is looked at when the test ends.
}

// TestThreat27AtRandom: whoever writes and whenever, the newest ten stay, and the
// newest of an owner; an agent pushes nothing out that was current in the last seven
// days; never more than a hundred are kept; and an owner's write goes on.
func TestThreat27AtRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h vault.KeptHistory
		var all []mVersion // all that were ever written
		now := newClock().Now()
		for range rapid.IntRange(1, 30).Draw(t, "bursts") {
			step := time.Duration(rapid.SampledFrom([]int{0, 1, 60, 24 * 60}).Draw(t, "minutes")) * time.Minute
			owner := rapid.IntRange(0, 3).Draw(t, "owner") == 0
			for range rapid.IntRange(1, 60).Draw(t, "writes") {
				now = now.Add(step)
				all = burst(t, &h, now, owner, all)
			}
		}
	})
}

// burst writes one version more, and checks what is kept then.
func burst(t *rapid.T, h *vault.KeptHistory, now time.Time, owner bool, all []mVersion) []mVersion {
	before := h.Kept()
	if !h.Write(map[bool]string{true: "own_a", false: "agt_a"}[owner], now) {
		if owner || len(before) != 100 {
			t.Fatalf("refused with %d versions, an owner: %v", len(before), owner)
		}
		return all
	}
	if len(all) > 0 {
		all[len(all)-1].until = now
	}
	all = append(all, mVersion{owner: owner})
	kept, byOwner := h.Kept(), 0
	for i, v := range all {
		if v.owner {
			byOwner = i + 1
		}
	}
	for i, v := range all {
		n := uint64(i) + 1
		recent := i+1 == len(all) || now.Sub(v.until) < 7*day
		must := i >= len(all)-10 || i+1 == byOwner || recent && !owner && slices.Contains(before, n)
		if is := slices.Contains(kept, n); must && !is || is && !must && !recent {
			t.Fatalf("of %d versions, the last by an owner: %v, these are kept: %v", len(all), owner, kept)
		}
	}
	if len(kept) > 100 {
		t.Fatalf("%d versions are kept", len(kept))
	}
	return all
}
