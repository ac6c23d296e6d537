package vault_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

func until(t time.Time) func(*api.SecretWrite) {
	return func(w *api.SecretWrite) { w.ExpiresAt = ptr(api.Expiry(t)) }
}

// in is an expiry so long from now.
func (h *house) in(d time.Duration) func(*api.SecretWrite) { return until(h.clock.Now().Add(d)) }

// expiries are the events about expiries, oldest first.
func (h *house) expiries() []string { h.t.Helper(); return h.expiriesOf(audit.Filter{}) }

func (h *house) expiriesOf(f audit.Filter) (all []string) {
	h.t.Helper()
	for _, ev := range h.trail(f) {
		if ev.Action == audit.SecretExpiring || ev.Action == audit.SecretExpire {
			all = append(all, fmt.Sprintf("%s %s/%s %d %s by %s", ev.Action, ev.Namespace, ev.Key, ev.Version, ev.Reason, ev.Actor.Kind))
		}
	}
	return all
}

// TestExpiry: at its moment and not before, the secret is not there for agents, in
// no way in which they look; owners see it marked.
func TestExpiry(t *testing.T) {
	d := newDesk(t)
	end := d.clock.Now().Add(10 * day)
	d.mustPut(d.owner, plain, "before it had an end")
	got := d.mustPut(d.owner, plain, "for ten days", until(end))
	if got.ExpiresAt == nil || !got.ExpiresAt.Equal(end) || got.Expired {
		t.Errorf("stored, it is %+v", got)
	}
	tok := d.issue(d.mia.APIKey, api.TokenRequest{Scopes: []string{"secrets:*:*", "namespaces:read"}, TTL: ptr(api.TTL(7 * day))})
	d.clock.advance(10*day - time.Second)
	tok = d.issue(d.mia.APIKey, api.TokenRequest{Scopes: []string{"secrets:*:*", "namespaces:read"}})
	d.wantSeen(t, tok.Token, true)
	d.clock.advance(time.Second)
	d.wantSeen(t, tok.Token, false)
	d.wantSeen(t, d.mia.APIKey, false)

	d.mustGet(d.owner, plain, "for ten days")
	r := d.readBy(d.owner, plain, 0)
	if !r.Expired || r.ExpiresAt == nil || !d.info(plain).Expired || d.inAll(d.owner) != "production 4" {
		t.Errorf("an owner reads %+v, lists %+v, counts %s", r.SecretInfo, d.info(plain), d.inAll(d.owner))
	}
	if all := d.versions(d.owner, plain); !slices.Equal(all, []uint64{3, 2, 1}) {
		t.Errorf("an owner sees the versions %v", all)
	}
	d.reopen()
	d.wantSeen(t, d.mia.APIKey, false)
	d.clock.advance(-20 * day) // a clock put back brings nothing back
	d.wantSeen(t, d.mia.APIKey, false)
}

// wantSeen wants plain to be there for an agent, or just as if it had never been.
func (d *desk) wantSeen(t *testing.T, who string, seen bool) {
	t.Helper()
	code, count := api.CodeSecretNotFound, "production 3"
	if seen {
		code, count = "", "production 4"
	}
	for _, n := range []uint64{0, 1, 2, 3} {
		_, err := d.read(d.as(who), plain, n)
		wantCode(t, fmt.Sprint("reading version ", n), err, code)
	}
	_, err := d.history(who, plain)
	wantCode(t, "its history", err, code)
	for _, in := range []policy.Namespace{{}, ns(t, "production")} {
		list, err := d.v.List(ctx, d.as(who), in)
		if err != nil || slices.Contains(listed(list), "PLAIN") != seen {
			t.Errorf("listed are %q, %v", listed(list), err)
		}
	}
	if got := d.inAll(who); got != count {
		t.Errorf("counted are %q, want %q", got, count)
	}
	if seen {
		return
	}
	_, there := d.get(who, plain)
	_, never := d.get(who, "production/NEVER")
	if there.Error() != never.Error() {
		t.Errorf("it can be told from what never was: %q, %q", there, never)
	}
	_, err = d.rollback(who, plain, 1)
	wantCode(t, "rolling back", err, api.CodeSecretNotFound)
	_, err = d.rotate(who, plain, api.SecretRotate{})
	wantCode(t, "flagging", err, api.CodeSecretNotFound)
	_, err = d.rotate(who, plain, to("x"))
	wantCode(t, "rotating", err, api.CodeSecretNotFound)
	wantCode(t, "deleting", d.delete(who, plain), api.CodeSecretNotFound)
	if me, err := d.v.Me(ctx, d.as(d.max.APIKey)); err != nil || me.SecretCount != 3 {
		t.Errorf("an agent is told of %d secrets, %v", me.SecretCount, err)
	}
	got, err := d.v.Import(ctx, d.as(who), api.ImportRequest{Namespace: "production", Content: ptr("PLAIN=x\n"), Overwrite: ptr(false), DryRun: true})
	if err != nil || got.ImportedCount != 1 || got.Skipped != 0 {
		t.Errorf("a dry run of an import says %+v, %v", got, err)
	}
}

// TestExpiryBelongsToTheValue: a new one brings its own or none, and the old ones
// keep theirs.
func TestExpiryBelongsToTheValue(t *testing.T) {
	h := newHouse(t)
	bot := h.agent("bot", "secrets:*:*")
	for what, next := range map[string]func() error{
		"a write": func() error { _, err := h.put(bot.APIKey, plain, "next"); return err },
		"an import": func() error {
			_, err := h.v.Import(ctx, h.as(bot.APIKey), api.ImportRequest{Namespace: "production", Content: ptr("PLAIN=next\n")})
			return err
		},
	} {
		old := h.mustPut(h.owner, plain, "old", h.in(time.Hour)).Version
		if err := next(); err != nil {
			t.Fatal(err)
		}
		if now := h.info(plain); now.ExpiresAt != nil || len(h.keys("due")) != 0 {
			t.Errorf("after %s it expires at %v; still to be looked at: %q", what, now.ExpiresAt, h.keys("due"))
		}
		h.clock.advance(2 * time.Hour)
		h.mustGet(bot.APIKey, plain, "next")
		_, err := h.read(h.as(bot.APIKey), plain, old)
		wantCode(t, "after "+what+", the old value", err, api.CodeSecretNotFound)
		if slices.Contains(h.versions(bot.APIKey, plain), old) || !slices.Contains(h.versions(h.owner, plain), old) {
			t.Errorf("after %s the versions are %v for the agent and %v for an owner", what, h.versions(bot.APIKey, plain), h.versions(h.owner, plain))
		}
		if r := h.readBy(h.owner, plain, old); !r.Expired {
			t.Errorf("an owner reads the old value as %+v", r.SecretInfo)
		}
	}
	h.sweep()
	if all := h.expiries(); len(all) != 0 {
		t.Errorf("of values that nobody uses any more the trail says %q", all)
	}
}

// TestExpiredIsNotUndone: no write of an agent's brings back what has expired, nor
// what was there before it; it lowers no tier and destroys nothing.
func TestExpiredIsNotUndone(t *testing.T) {
	d := newDesk(t)
	first := d.mustPut(d.owner, sensitive, "expires", d.in(time.Hour), func(w *api.SecretWrite) { w.SecretType = "db_credential" })
	d.clock.advance(time.Hour)
	got, err := d.put(d.mia.APIKey, sensitive, "mine", tier("standard"))
	if err != nil {
		t.Fatal(err)
	}
	if got.AccessTier != "sensitive" || got.Version != 3 || got.SecretType != "custom" || !got.CreatedAt.Equal(d.clock.Now()) {
		t.Errorf("written over, it is %+v, before it was %+v", got, first)
	}
	id := d.askToRead(d.mia.APIKey, sensitive)
	d.mustApprove(id)
	d.mustGet(d.mia.APIKey, sensitive, "mine")
	for n := uint64(1); n <= 2; n++ {
		_, err := d.read(d.as(d.mia.APIKey), sensitive, n)
		wantCode(t, fmt.Sprint("reading version ", n), err, api.CodeSecretNotFound)
		_, err = d.rollback(d.mia.APIKey, sensitive, n)
		wantCode(t, fmt.Sprint("going back to version ", n), err, api.CodeSecretNotFound)
	}
	if all := d.versions(d.mia.APIKey, sensitive); !slices.Equal(all, []uint64{3}) {
		t.Errorf("the agent sees the versions %v", all)
	}
	for n, want := range []string{"value of sensitive", "expires", "mine"} {
		if got, err := d.read(d.as(d.owner), sensitive, uint64(n)+1); err != nil || got != want {
			t.Errorf("an owner reads version %d as %q, %v", n+1, got, err)
		}
	}
	_, err = d.rollback(d.owner, sensitive, 2)
	wantCode(t, "an owner goes back to what has expired", err, api.CodeConflict)
	if d.inAll(d.mia.APIKey) != "production 4" || d.inAll(d.owner) != "production 4" {
		t.Errorf("counted are %s and %s", d.inAll(d.mia.APIKey), d.inAll(d.owner))
	}
}

// TestRollbackKeepsTheExpiry: going back to a value does not give it a longer life.
func TestRollbackKeepsTheExpiry(t *testing.T) {
	h := newHouse(t)
	bot := h.agent("bot", "secrets:*:*")
	end := h.clock.Now().Add(time.Hour)
	h.mustPut(h.owner, plain, "for an hour", until(end))
	h.mustPut(h.owner, plain, "for ever")
	got, err := h.rollback(bot.APIKey, plain, 1)
	if err != nil || got.ExpiresAt == nil || !got.ExpiresAt.Equal(end) {
		t.Fatalf("rolled back, it is %+v, %v", got, err)
	}
	h.clock.advance(time.Hour)
	_, err = h.get(bot.APIKey, plain)
	wantCode(t, "an hour later", err, api.CodeSecretNotFound)
	if got, err := h.rollback(h.owner, plain, 2); err != nil || got.ExpiresAt != nil || got.Expired {
		t.Errorf("an owner goes back to what does not expire: %+v, %v", got, err)
	}
	_, err = h.get(bot.APIKey, plain)
	wantCode(t, "which is there again", err, "")
}

// TestApprovalsOfWhatExpires: an approval to read opens nothing once the secret has
// expired, and one asked for then nothing of what an owner stores anew.
func TestApprovalsOfWhatExpires(t *testing.T) {
	d := newKeyedDesk(t)
	d.mustPut(d.owner, sensitive, "expires", d.in(30*time.Minute))
	d.opened(d.mia.APIKey, sensitive)
	d.mustGet(d.mia.APIKey, sensitive, "expires")
	d.clock.advance(30 * time.Minute)
	_, err := d.get(d.mia.APIKey, sensitive)
	wantCode(t, "reading it with a grant", err, api.CodeSecretNotFound)
	if err := d.v.TidyKeys(); err != nil {
		t.Fatal(err)
	}
	if ids, held := d.v.KeysKept(); held {
		t.Errorf("the key is still kept for %q", ids)
	}
	id := d.askFor(d.mia.APIKey, api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}}) // as where one was deleted
	d.mustApproveWith(id)
	_, err = d.get(d.mia.APIKey, sensitive)
	wantCode(t, "reading it with a grant for nothing", err, api.CodeSecretNotFound)
	d.mustPut(d.owner, sensitive, "anew")
	_, err = d.get(d.mia.APIKey, sensitive)
	d.asked("reading what is stored anew", err)
}

func TestExpiryRefuses(t *testing.T) {
	h := newHouse(t)
	now := h.clock.Now()
	for what, at := range map[string]time.Time{"past": now.Add(-time.Hour), "now": now, "in half a second": now.Add(500 * time.Millisecond),
		"in the year 0": time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), "in the year 10000": time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600)),
	} {
		_, err := h.put(h.owner, plain, "v", until(at))
		wantCode(t, "an expiry "+what, err, api.CodeValidation)
	}
	_, err := h.get(h.owner, plain)
	wantCode(t, "after that", err, api.CodeSecretNotFound)
}

// TestExpiryIsTold: once some time before and once at the end, across restarts.
func TestExpiryIsTold(t *testing.T) {
	h := newHouse(t)
	start := h.clock.Now()
	h.mustPut(h.owner, "a/LONG", "v", h.in(90*day)) // told 7 days before
	h.mustPut(h.owner, "a/SHORT", "v", h.in(day))   // at half of its life
	h.mustPut(h.owner, "a/ANEW", "v", h.in(day))
	h.mustPut(h.owner, "a/GONE", "v", h.in(day))
	h.mustPut(h.owner, "a/NONE", "v")
	end := func(d time.Duration) string { return start.Add(d).Format(time.RFC3339) }
	var want []string
	for _, step := range []struct {
		at   time.Duration
		then string // what is told then
		do   func()
	}{
		{day/2 - time.Second, "", func() {
			h.mustPut(h.owner, "a/ANEW", "w", h.in(30*day))
			h.mustDelete(h.owner, "a/GONE")
		}},
		{day / 2, "secret.expiring a/SHORT 1 at " + end(day) + " by daemon", nil},
		{day - time.Second, "", nil},
		{day, "secret.expire a/SHORT 1 since " + end(day) + " by daemon", nil},
		{23*day + day/2 - time.Second, "secret.expiring a/ANEW 2 at " + end(30*day+day/2-time.Second) + " by daemon", nil},
		{60 * day, "secret.expire a/ANEW 2 since " + end(30*day+day/2-time.Second) + " by daemon", nil},
		{83*day - time.Second, "", nil},
		{91 * day, "secret.expire a/LONG 1 since " + end(90*day) + " by daemon", nil}, // nobody was there to warn
		{200 * day, "", nil},
	} {
		h.clock.advance(start.Add(step.at).Sub(h.clock.Now()))
		if step.do != nil {
			step.do()
		}
		if step.then != "" {
			want = append(want, step.then)
		}
		for range 2 {
			h.sweep()
			h.reopen()
		}
		if got := h.expiries(); !slices.Equal(got, want) {
			t.Fatalf("after %v the trail tells %q, want %q", step.at, got, want)
		}
	}
	if left := h.keys("due"); len(left) != 0 {
		t.Errorf("still to be looked at: %q", left)
	}
	if got := h.checked(); got != "ok" {
		t.Errorf("the check of the chain ends with %q", got)
	}
}

// TestExpiryOfSecretsHints: what is to be looked at is a hint. One that is wrong tells nothing
// and hides nothing.
func TestExpiryOfSecretsHints(t *testing.T) {
	h := newHouse(t)
	bot := h.agent("bot", "secrets:*:*")
	h.mustPut(h.owner, plain, "v", h.in(day))
	h.mustPut(h.owner, "a/NONE", "v")
	early := func(p string) place { return place{"due", string(be64(uint64(h.clock.Now().Unix()))) + p} }
	h.close()
	h.tampered = true
	h.setRaw(map[place][]byte{early(plain): {}, early("a/NONE"): {}, early("a/NEVER"): {}, early("no path"): {}, {"due", "\x00"}: {}})
	h.open()
	h.sweep()
	if all := h.expiries(); len(all) != 0 {
		t.Errorf("the trail tells %q", all)
	}
	if left := h.keys("due"); len(left) != 1 {
		t.Errorf("still to be looked at: %q", left)
	}
	h.close()
	h.removeRaw(place{"due", h.keys("due")[0]})
	h.open()
	h.clock.advance(day)
	_, err := h.get(bot.APIKey, plain)
	wantCode(t, "without any hint", err, api.CodeSecretNotFound)
}

// TestExpiryByTheDaemonsClock: the vault tells of it by itself.
func TestExpiryByTheDaemonsClock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	synctest.Test(t, func(t *testing.T) {
		v, err := vault.Create(vault.Config{Dir: dir, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		claim, err := v.Claim(ctx, "ada", local(1000), api.ClaimRequest{})
		if err != nil {
			t.Fatal(err)
		}
		h := &house{t: t, v: v, owner: claim.OwnerKey}
		h.mustPut(h.owner, plain, "v", until(time.Now().Add(time.Hour)))
		time.Sleep(29 * time.Minute)
		synctest.Wait()
		if all := h.expiries(); len(all) != 0 {
			t.Errorf("too early: %q", all)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if all := h.expiries(); len(all) != 1 {
			t.Errorf("after half of its life: %q", all)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if all := h.expiries(); len(all) != 2 {
			t.Errorf("after its end: %q", all)
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestExpiryOfMany: a sweep tells of all, however many are due at once.
func TestExpiryOfMany(t *testing.T) {
	h := newHouse(t)
	const n = 600 // more than one operation takes
	text := ""
	for i := range n {
		text += fmt.Sprintf("K%d=v\n", i)
	}
	h.mustImport(h.owner, text)
	for i := range n {
		h.mustPut(h.owner, fmt.Sprint("app/env/K", i), "w", h.in(time.Hour))
	}
	h.clock.advance(time.Hour)
	at := h.last().Seq
	h.sweep()
	if got := h.last().Seq - at; got != n || len(h.keys("due")) != 0 {
		t.Errorf("%d events, %d left", got, len(h.keys("due")))
	}
}

// TestExpiryAtRandom: whoever writes what and whenever, an agent finds just what has
// not expired, counts it right, and no value twice is told of.
func TestExpiryAtRandom(t *testing.T) {
	h := newHouse(t)
	bot, runs := h.agent("bot", "secrets:*:*"), 0
	rapid.Check(t, func(rt *rapid.T) {
		h.t, runs = rt, runs+1
		defer func() { h.t = t }()
		m := &expiryModel{h: h, start: h.clock.Now(), bot: bot, in: fmt.Sprint("run", runs, "/"), all: map[string][]expiring{}, n: map[string]uint64{}}
		rt.Repeat(map[string]func(*rapid.T){
			"put": m.put, "put again": m.put, "roll back": m.rollback, "delete": m.delete, "look": m.look, "look again": m.look,
			"sweep": func(*rapid.T) { h.sweep() },
			"clock": func(t *rapid.T) {
				h.clock.advance(time.Duration(rapid.IntRange(1, 90).Draw(t, "minutes")) * time.Minute)
			},
		})
		h.reopen()
		m.check(rt)
		h.sweep()
		m.told(rt)
	})
}

// expiring is a version of a secret.
type expiring struct {
	n     uint64
	value string
	end   time.Time // zero: never
}

type expiryModel struct {
	h     *house
	bot   api.AgentCreated
	in    string // what its namespaces begin with
	start time.Time
	all   map[string][]expiring // by path; the newest is the last
	n     map[string]uint64     // the counter of each path
}

var expiryPaths = []string{"a/K", "a/L", "b/K"}

func (m *expiryModel) draw(t *rapid.T) (who string, owner bool, p string) {
	who = m.h.owner
	if owner = rapid.Bool().Draw(t, "owner"); !owner {
		who = m.bot.APIKey
	}
	return who, owner, m.in + rapid.SampledFrom(expiryPaths).Draw(t, "path")
}

func (e expiring) over(now time.Time) bool { return !e.end.IsZero() && !now.Before(e.end) }

// there is the versions of p that a caller finds.
func (m *expiryModel) there(p string, owner bool) []expiring {
	all, now := m.all[p], m.h.clock.Now()
	if owner || len(all) == 0 {
		return all
	}
	if all[len(all)-1].over(now) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(all), func(e expiring) bool { return e.over(now) })
}

// add has a new version replace the others.
func (m *expiryModel) add(p string, e expiring) {
	all, now := m.all[p], m.h.clock.Now()
	if len(all) > 0 && all[len(all)-1].over(now) { // they do not come back with it
		end := all[len(all)-1].end
		for i := range all {
			if all[i].end.IsZero() || all[i].end.After(end) {
				all[i].end = end
			}
		}
	}
	m.n[p]++
	e.n = m.n[p]
	m.all[p] = append(all, e)
}

func (m *expiryModel) put(t *rapid.T) {
	who, _, p := m.draw(t)
	value := rapid.StringMatching(`[a-z]{1,6}`).Draw(t, "value")
	var end time.Time
	options := []func(*api.SecretWrite){}
	if n := rapid.IntRange(0, 3).Draw(t, "hours"); n > 0 {
		end = m.h.clock.Now().Add(time.Duration(n) * time.Hour)
		options = append(options, until(end))
	}
	info := m.h.mustPut(who, p, value, options...)
	m.add(p, expiring{value: value, end: end})
	if info.Version != m.n[p] {
		t.Fatalf("put %s is answered %+v", p, info)
	}
}

func (m *expiryModel) rollback(t *rapid.T) {
	who, owner, p := m.draw(t)
	n := m.n[p] - min(m.n[p], uint64(rapid.IntRange(0, 4).Draw(t, "back")))
	if n == 0 {
		t.Skip("to none")
	}
	seen := m.there(p, owner)
	i := slices.IndexFunc(seen, func(e expiring) bool { return e.n == n })
	want := api.Code("")
	switch {
	case i < 0:
		want = api.CodeSecretNotFound
	case n == m.n[p], seen[i].over(m.h.clock.Now()):
		want = api.CodeConflict
	}
	_, err := m.h.rollback(who, p, n)
	wantCode(t, fmt.Sprintf("rolling %s back to %d", p, n), err, want)
	if err == nil {
		m.add(p, expiring{value: seen[i].value, end: seen[i].end})
	}
}

func (m *expiryModel) delete(t *rapid.T) {
	who, owner, p := m.draw(t)
	want := api.Code("")
	if len(m.there(p, owner)) == 0 {
		want = api.CodeSecretNotFound
	}
	err := m.h.delete(who, p)
	wantCode(t, "deleting "+p, err, want)
	if err == nil {
		delete(m.all, p)
	}
}

// look looks at one of them.
func (m *expiryModel) look(t *rapid.T) {
	who, owner, p := m.draw(t)
	m.lookAt(t, who, owner, p)
}

func (m *expiryModel) lookAt(t *rapid.T, who string, owner bool, p string) (found bool) {
	seen := m.there(p, owner)
	got, err := m.h.get(who, p)
	if len(seen) == 0 {
		wantCode(t, "reading "+p, err, api.CodeSecretNotFound)
		return false
	}
	if want := seen[len(seen)-1].value; err != nil || got != want {
		t.Fatalf("%s reads as %q, %v; want %q", p, got, err, want)
	}
	var want []uint64
	for _, e := range seen {
		want = append([]uint64{e.n}, want...)
	}
	if all := m.h.versions(who, p); !slices.Equal(all, want) { // nothing is a week old
		t.Fatalf("the versions of %s are %v, want %v", p, all, want)
	}
	return true
}

// check looks at all as both do, and counts.
func (m *expiryModel) check(t *rapid.T) {
	for who, owner := range map[string]bool{m.h.owner: true, m.bot.APIKey: false} {
		want := map[string]int{}
		for _, p := range expiryPaths {
			if m.lookAt(t, who, owner, m.in+p) {
				want[m.in+p[:1]]++
			}
		}
		list, err := m.h.v.Namespaces(ctx, m.h.as(who))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, n := range list {
			if strings.HasPrefix(n.Name, m.in) {
				got[n.Name] = n.SecretCount
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("counted are %v, want %v", got, want)
		}
	}
}

// told wants of each expiry to be told at most once, and of the end of each that is
// current.
func (m *expiryModel) told(t *rapid.T) {
	got := m.h.expiriesOf(audit.Filter{Since: m.start})
	got = slices.DeleteFunc(got, func(s string) bool { return !strings.Contains(s, " "+m.in) })
	slices.Sort(got)
	if len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Fatalf("told twice: %q", got)
	}
	for p, all := range m.all {
		now := all[len(all)-1]
		ended := slices.ContainsFunc(got, func(s string) bool {
			return s == fmt.Sprintf("secret.expire %s %d since %s by daemon", p, now.n, now.end.Format(time.RFC3339))
		})
		if ended != now.over(m.h.clock.Now()) {
			t.Fatalf("of %s version %d, which ends at %v, the trail tells %q", p, now.n, now.end, got)
		}
	}
}
