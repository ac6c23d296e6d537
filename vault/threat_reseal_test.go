package vault_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// sealedTo is what the kept versions of p are sealed to, on the disk now: "kek",
// "apk", or both.
func (h *house) sealedTo(p string) string {
	h.t.Helper()
	l := takeLoot(h.t, h.file("vault.db"), h.file("root.key"))
	var to []string
	for _, v := range l.headers[p].Versions {
		to = append(to, string(l.sealed(p, v.N)[2:5]))
	}
	slices.Sort(to)
	return fmt.Sprint(slices.Compact(to))
}

func (h *house) wantSealedTo(what, p, want string) {
	h.t.Helper()
	if got := h.sealedTo(p); got != "["+want+"]" {
		h.t.Errorf("%s: %s is sealed to %s, want %s", what, p, got, want)
	}
}

// reading is version n at p for the owner, with the passphrase.
func (h *house) reading(p string, n uint64) *vault.Reading {
	h.t.Helper()
	r, _, err := h.v.Get(ctx, h.as(h.steppedUp("secrets:read:"+p)), policy.RequestPath{Pieces: 2, Path: path(h.t, p)}, n)
	if err != nil {
		h.t.Fatalf("reading %s version %d: %v", p, n, err)
	}
	return r
}

// wantKept wants the three versions that fill has written to be readable.
func (h *house) wantKept(p string) {
	h.t.Helper()
	for n := uint64(1); n <= versionsEach; n++ {
		r := h.reading(p, n)
		if got := string(r.Value.Reveal()); got != fmt.Sprintf("value %d of %s", n, p) || r.Metadata["note"] != fmt.Sprintf("note %d", n) {
			h.t.Errorf("version %d of %s is %q with %v", n, p, got, r.Metadata)
		}
	}
}

// TestThreat14RaisingATier: older versions count as the secret: they are sealed
// anew in the very transaction, and a token from before reads none.
func TestThreat14RaisingATier(t *testing.T) {
	for name, raise := range map[string]func(h *house, bot api.AgentCreated) error{
		"by an owner": func(h *house, _ api.AgentCreated) error {
			return errOf(h.put(h.owner, plain, "next", tier("sensitive")))
		},
		"by an agent": func(h *house, bot api.AgentCreated) error {
			return errOf(h.put(bot.APIKey, plain, "next", tier("critical")))
		},
		"by an import": func(h *house, bot api.AgentCreated) error {
			return errOf(h.importAs(bot.APIKey, "PLAIN=next\n", inProduction, ofTier("sensitive")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newKeyedHouse(t)
			h.fill()
			bot := h.agent("bot", "secrets:*:*")
			tok := h.token(bot.APIKey, "secrets:read:*")
			h.mustGet(tok.Token, plain, "value 3 of "+plain)
			h.wantSealedTo("at first", plain, "kek")
			mustOK(t, raise(h, bot))
			h.wantSealedTo("raised", plain, "apk")
			for what, text := range map[string]string{"the older token": tok.Token, "the key": bot.APIKey} {
				for n := range uint64(versionsEach + 2) {
					_, err := h.read(h.as(text), plain, n)
					wantCode(t, fmt.Sprintf("%s reads version %d", what, n), err, api.CodeApprovalRequired)
				}
			}
			for n := range uint64(versionsEach + 2) {
				_, err := h.read(h.as(h.owner), plain, n)
				wantCode(t, "the owner's key", err, api.CodeStepUpRequired)
			}
			h.wantKept(plain)
			h.wantProtected(plain, "next")
			h.opened(bot.APIKey, plain)
			for n := uint64(1); n <= versionsEach; n++ {
				if got, err := h.read(h.as(tok.Token), plain, n); err != nil || got != fmt.Sprintf("value %d of %s", n, plain) {
					t.Errorf("approved, version %d is %q, %v", n, got, err)
				}
			}
			if l := takeLoot(t, h.file("vault.db"), h.file("root.key")); slices.Contains(l.opens(), plain) {
				t.Error("a copy opens an older version")
			}
		})
	}
}

// TestThreat14LoweringATier: with the passphrase a tier is lowered, and then the
// key file opens what agents may read.
func TestThreat14LoweringATier(t *testing.T) {
	h := newKeyedHouse(t)
	h.fill()
	bot := h.agent("bot", "secrets:*:*")
	h.putSteppedUp(critical, "next", lowerTo("sensitive"))
	h.wantSealedTo("lowered to sensitive", critical, "apk")
	_, err := h.get(bot.APIKey, critical)
	h.asked("a read of what is sensitive now", err)
	h.wantKept(critical)
	for _, p := range []string{critical, sensitive} {
		h.putSteppedUp(p, "last", lowerTo("standard"))
		h.wantSealedTo("lowered to standard", p, "kek")
		h.mustGet(bot.APIKey, p, "last")
		for n := uint64(1); n <= versionsEach; n++ {
			if got, err := h.read(h.as(bot.APIKey), p, n); err != nil || got != fmt.Sprintf("value %d of %s", n, p) {
				t.Errorf("version %d is %q, %v", n, got, err)
			}
		}
		h.mustPut(bot.APIKey, p, "raised again", tier("sensitive"))
		h.wantSealedTo("raised again", p, "apk")
		h.wantKept(p)
	}
}

// TestThreat03DeletedAndKeyed: what is made anew where something was deleted is
// sealed as what was there.
func TestThreat03DeletedAndKeyed(t *testing.T) {
	d := newKeyedDesk(t)
	d.mustDelete(d.mia.APIKey, sensitive)
	info := d.mustPut(d.mia.APIKey, sensitive, "anew", tier("standard"), meta("n"))
	if info.AccessTier != "sensitive" || info.Version != 2 {
		t.Errorf("made anew it is %+v", info)
	}
	d.wantSealedTo("made anew", sensitive, "apk")
	d.asked("a read", errOf(d.get(d.mia.APIKey, sensitive)))
	d.wantProtected(sensitive, "anew")
	d.mustDelete(d.owner, sensitive)
	_, err := d.put(d.owner, sensitive, "x", lowerTo("standard"))
	wantCode(t, "making it anew at a lower tier", err, api.CodeStepUpRequired)
	d.putSteppedUp(sensitive, "lowered", lowerTo("standard"))
	d.wantSealedTo("lowered where it was deleted", sensitive, "kek")
	d.mustGet(d.mia.APIKey, sensitive, "lowered")

	d.mustImport(d.mia.APIKey, "NEW=v\nGUARDED=v2\n", inProduction)
	d.wantSealedTo("imported onto sensitive", guarded, "apk")
	d.wantSealedTo("imported", "production/NEW", "kek")
	d.mustImport(d.mia.APIKey, "CRIT=v\n", inProduction, ofTier("critical"))
	d.wantSealedTo("imported as critical", "production/CRIT", "apk")
	d.wantProtected("production/CRIT", "v")
}

// TestRotateWhatIsKeyed: to a value, metadata stays or nothing changes.
func TestRotateWhatIsKeyed(t *testing.T) {
	d := newKeyedDesk(t)
	if info, err := d.rotate(d.mia.APIKey, sensitive, to("next")); err != nil || info.Version != 2 {
		t.Errorf("without metadata: %+v, %v", info, err)
	}
	d.wantSealedTo("rotated", sensitive, "apk")
	d.mustPut(d.owner, guarded, "with metadata", meta("kept"))
	was := d.info(guarded)
	_, err := d.rotate(d.mia.APIKey, guarded, to("lost"))
	wantCode(t, "with metadata", err, api.CodeConflict)
	if now := d.info(guarded); now.Version != was.Version {
		t.Errorf("it has become version %d", now.Version)
	}
	if r := d.reading(guarded, 0); string(r.Value.Reveal()) != "with metadata" || r.Metadata["note"] != "kept" {
		t.Errorf("it is %q with %v", r.Value.Reveal(), r.Metadata)
	}
	bob := d.agent("bob", "secrets:read:*")
	_, err = d.rotate(bob.APIKey, guarded, to("x"))
	wantCode(t, "one who may not write", err, api.CodeScopeDenied) // and is not told of metadata

	// What was raised knows of its metadata too.
	d.mustPut(d.owner, plain, "with metadata", meta("kept"))
	if r, err := d.rotate(d.mia.APIKey, plain, to("rotated")); err != nil || r.Version != 3 {
		t.Errorf("a standard one: %+v, %v", r, err)
	}
	d.mustPut(d.owner, plain, "raised", meta("kept too"), tier("sensitive"))
	_, err = d.rotate(d.mia.APIKey, plain, to("lost"))
	wantCode(t, "with metadata, raised", err, api.CodeConflict)
	if r := d.reading(plain, 3); string(r.Value.Reveal()) != "rotated" || r.Metadata["note"] != "kept" {
		t.Errorf("the version that was rotated is %q with %v", r.Value.Reveal(), r.Metadata)
	}
}

// TestThreat14Raced: tiers that are raised and lowered while others write, rotate
// and import leave every version whole and sealed as its tier says.
func TestThreat14Raced(t *testing.T) {
	const p = "production/RACED"
	for range 3 {
		h := newKeyedHouse(t)
		bot := h.agent("bot", "secrets:*:*")
		h.mustPut(h.owner, p, "first", meta("n"))
		var lower []string
		for range 3 {
			lower = append(lower, h.steppedUp("secrets:write:"+p))
		}
		acts := []func(value string) error{
			func(v string) error { return errOf(h.put(bot.APIKey, p, v, meta("n"))) },
			func(v string) error { return errOf(h.put(h.owner, p, v, tier("sensitive"))) },
			func(v string) error { return errOf(h.rotate(bot.APIKey, p, to(v))) },
			func(v string) error {
				return errOf(h.importAs(bot.APIKey, "RACED="+v+"\n", inProduction, ofTier("sensitive")))
			},
			func(v string) error { return errOf(h.put(bot.APIKey, p, v)) },
			func(string) error { return errOf(h.get(bot.APIKey, p)) },
		}
		var wg sync.WaitGroup
		for g, act := range acts {
			wg.Go(func() {
				for n := range 8 {
					err := act(fmt.Sprintf("value-%d-%d", g, n))
					if code := api.CodeOf(err); err != nil && code != api.CodeConflict && code != api.CodeApprovalRequired {
						t.Errorf("an act in the race: %v", err)
					}
				}
			})
		}
		wg.Go(func() {
			for _, tok := range lower {
				_, err := h.put(tok, p, "lowered", lowerTo("standard"))
				if err != nil && api.CodeOf(err) != api.CodeConflict {
					t.Errorf("lowering in the race: %v", err)
				}
			}
		})
		wg.Wait()
		h.end() // looks at every version
		h.open()
	}
}

// wandering is a vault beside what ought to be in it.
type wandering struct {
	*house
	rng   *rand.Rand
	tiers map[string]string // stays when a secret is deleted
	kept  map[string]map[uint64]string
	next  map[string]uint64
}

// step does something at random.
func (w *wandering) step(i int) {
	w.t.Helper()
	p := []string{"a/K", "a/L", "b/K"}[w.rng.IntN(3)]
	value := fmt.Sprintf("value %d", i)
	levels := []string{"standard", "sensitive", "critical"}
	now, want := slices.Index(levels, w.tiers[p]), w.rng.IntN(3)
	switch what := w.rng.IntN(10); {
	case what < 2 && len(w.kept[p]) > 0:
		who := w.owner
		if w.tiers[p] == "critical" {
			who = w.steppedUp("secrets:delete:" + p)
		}
		w.mustDelete(who, p)
		w.kept[p] = nil
		return
	case what < 3:
		w.reopen()
		return
	case what < 5 && want < now:
		w.putSteppedUp(p, value, lowerTo(levels[want]))
		w.tiers[p] = levels[want]
	case want >= now && w.tiers[p] != "critical":
		w.mustPut(w.owner, p, value, tier(levels[want]), meta("n"))
		w.tiers[p] = levels[want]
	default:
		w.putSteppedUp(p, value)
	}
	w.next[p]++
	if w.kept[p] == nil {
		w.kept[p] = map[uint64]string{}
	}
	w.kept[p][w.next[p]] = value // what was current today is kept, however many
}

// TestTiersAtRandom: whatever is done, what is kept is what was written, and
// sealed as its tier says.
func TestTiersAtRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := &wandering{
		house: newKeyedHouse(t), rng: rand.New(rand.NewPCG(seed, 0)),
		tiers: map[string]string{}, kept: map[string]map[uint64]string{}, next: map[string]uint64{},
	}
	for i := range 60 {
		w.step(i)
	}
	w.close()
	l := takeLoot(t, w.file("vault.db"), w.file("root.key"))
	l.try(phrase)
	for p, versions := range w.kept {
		if got := len(l.headers[p].Versions); got != len(versions) {
			t.Errorf("%s has %d versions, want %d", p, got, len(versions))
		}
		for n, value := range versions {
			pay, err := l.open(p, n)
			if err != nil || string(pay.Value.Reveal()) != value {
				t.Errorf("%s version %d is not %q: %v", p, n, value, err)
			}
		}
		if got := l.headers[p].Tier; got != w.tiers[p] {
			t.Errorf("%s is %s, want %s", p, got, w.tiers[p])
		}
	}
}

// TestThreat14OneTransaction: a raise and what it seals anew are one commit, with
// the event of the write.
func TestThreat14OneTransaction(t *testing.T) {
	h := newKeyedHouse(t)
	h.fill()
	at := h.last().Seq
	h.mustPut(h.owner, plain, "next", tier("critical"))
	h.wantEvents(at, "token.create", "secret.write PLAIN")
	events := h.onDisk()
	if ev := events[len(events)-1]; ev.Action != audit.SecretWrite || ev.Records["secrets/"+plain] == "" {
		t.Errorf("the newest event is %+v", ev)
	}
}
