package vault_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/envelope"
	"github.com/agent-secret-store/assd/vault/seal"
)

const versionsEach = 3

// fill writes versions of a secret of each tier, with metadata.
func (h *house) fill() {
	h.t.Helper()
	for _, p := range []string{plain, sensitive, critical} {
		for n := 1; n <= versionsEach; n++ {
			who := h.owner
			if h.phrase != "" && p == critical && n > 1 {
				who = h.steppedUp("secrets:write:" + p)
			}
			h.mustPut(who, p, fmt.Sprintf("value %d of %s", n, p), meta(fmt.Sprintf("note %d", n)), tier(tierOf[p]))
		}
	}
}

var tierOf = map[string]string{plain: "standard", sensitive: "sensitive", critical: "critical"}

// opens says which of what fill wrote the loot opens.
func (l *loot) opens() (paths []string) {
	l.t.Helper()
	for p := range tierOf {
		for n := uint64(1); n <= versionsEach; n++ {
			if _, err := l.open(p, n); err == nil {
				l.wantOpens(p, n, fmt.Sprintf("value %d of %s", n, p), fmt.Sprintf(`{"note":"note %d"}`, n))
				paths = append(paths, p)
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// TestThreat14ACopyOpensNothingProtected: who copies the data file and the key
// file, and knows how all of it is made, reads standard secrets and no others;
// nor does a byte of the file, page in use or free, give one away.
func TestThreat14ACopyOpensNothingProtected(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(t *testing.T) (h *house, recovery string) // closed
	}{
		{"set with the claim", func(t *testing.T) (*house, string) {
			h := newKeyedHouse(t)
			h.fill()
			h.close()
			return h, h.claim.RecoveryPassphrase
		}},
		{"set later", func(t *testing.T) (*house, string) {
			h := newHouse(t)
			h.fill()
			h.close()
			before := takeLoot(t, h.file("vault.db"), h.file("root.key"))
			if got := before.opens(); len(got) != len(tierOf) {
				t.Errorf("before, a copy opens %q", got)
			}
			for p := range tierOf { // the search finds what there is
				if before.leaks()[p+" 1"] == 0 {
					t.Errorf("before, the search does not find %s", p)
				}
			}
			return h, h.setPassphrase(phrase)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, recovery := tc.make(t)
			l := takeLoot(t, h.file("vault.db"), h.file("root.key"))
			if got := l.opens(); !slices.Equal(got, []string{plain}) {
				t.Errorf("the copy opens %q", got)
			}
			leaks := l.leaks()
			if leaks[plain+" 1"] == 0 {
				t.Error("the search does not find what is there")
			}
			l.wantNoLeaks(sensitive, critical)
			testGuesses(t, h, l)
			for _, text := range []string{phrase, recovery} {
				again := takeLoot(t, h.file("vault.db"), h.file("root.key"))
				if n := again.try(text); n != 1 {
					t.Fatalf("a right passphrase opens %d records", n)
				}
				if got := again.opens(); len(got) != len(tierOf) {
					t.Errorf("with a passphrase the copy opens %q", got)
				}
			}
			testOtherRoot(t, l, recovery)
		})
	}
}

// testGuesses: nothing that lies in the files, nor what an agent under the owner's
// uid reads, is the passphrase.
func testGuesses(t *testing.T, h *house, l *loot) {
	t.Helper()
	if len(l.locks) != 2 {
		t.Errorf("there are %d records of passphrases", len(l.locks))
	}
	for _, guess := range []string{
		wrongPhrase, h.owner, h.claim.OwnerID, h.claim.Tenant, h.claim.VerifyKey, "recovery", string(h.readFile("root.key")[11:54]), phrase + " ", phrase[:len(phrase)-1],
	} {
		if l.try(guess) != 0 {
			t.Errorf("%q opens the approval key", guess)
		}
	}
}

// testOtherRoot: a passphrase without the root key opens nothing, and is not even
// tried out.
func testOtherRoot(t *testing.T, l *loot, recovery string) {
	t.Helper()
	other, err := seal.NewRootKey().ApprovalAEAD()
	if err != nil {
		t.Fatal(err)
	}
	for holder, lock := range l.locks {
		for _, text := range []string{phrase, recovery} {
			if _, err := l.unwrap(other, holder, lock, text); !errors.Is(err, seal.ErrOpen) {
				t.Errorf("with another root key: %v", err)
			}
		}
	}
}

// TestThreat14ACopyThatRuns: a daemon of the thief's own, with the owner's key and
// an agent's whose grant was open, serves nothing protected either.
func TestThreat14ACopyThatRuns(t *testing.T) {
	d := newKeyedDesk(t)
	d.opened(d.mia.APIKey, sensitive)
	d.mustGet(d.mia.APIKey, sensitive, "value of sensitive")
	tok := d.steppedUp("secrets:read:"+sensitive, "secrets:read:"+plain)
	thief := &house{t: t, clock: d.clock, cfg: d.cfg, owner: d.owner}
	thief.cfg.Dir = t.TempDir()
	if err := os.Chmod(thief.cfg.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"vault.db", "root.key", "head"} {
		copyFile(t, d.file(name), thief.file(name))
	}
	thief.open()
	t.Cleanup(thief.end)
	_, err := thief.get(d.mia.APIKey, sensitive)
	wantCode(t, "the agent, whose grant was open", err, api.CodeApprovalRequired)
	_, err = thief.get(d.owner, sensitive)
	wantCode(t, "the owner's key", err, api.CodeStepUpRequired)
	if _, err = thief.get(tok, sensitive); err == nil {
		t.Error("a token of the owner's that was open reads it")
	}
	thief.mustGet(d.owner, plain, "value of plain")
	if ids, held := thief.v.KeysKept(); held || len(ids) > 0 {
		t.Errorf("it keeps the approval key for %q", ids)
	}
}

// kept wants the private half to be in memory, or not.
func (h *house) kept(what string, want bool) {
	h.t.Helper()
	if ids, held := h.v.KeysKept(); held != want {
		h.t.Errorf("%s: the approval key is in memory: %v, for %q", what, held, ids)
	}
}

// TestThreat14NothingIsKept: the private half is in memory while something is open
// that reads with it, and no longer.
func TestThreat14NothingIsKept(t *testing.T) {
	d := newKeyedDesk(t)
	d.kept("nobody has approved anything", false)
	tidy := func() {
		t.Helper()
		if err := d.v.TidyKeys(); err != nil {
			t.Error(err)
		}
	}
	once := func(bot api.AgentCreated) (id string) { // reads once
		want := api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, MaxUses: ptr(1)}
		id = d.askFor(bot.APIKey, want)
		d.mustApproveWith(id)
		return d.issue(bot.APIKey, want).Token
	}
	grants := map[string]func(bot api.AgentCreated, id string){
		"its time is over":     func(api.AgentCreated, string) { d.clock.advance(2 * time.Hour); tidy() },
		"the agent is revoked": func(bot api.AgentCreated, _ string) { d.revokeAgent(bot.ID) },
		"the approval is revoked": func(_ api.AgentCreated, id string) {
			mustOK(t, errOf(d.v.Revoke(ctx, d.as(d.owner), id, api.ApprovalDecision{})))
		},
		"a lockdown": func(api.AgentCreated, string) {
			mustOK(t, errOf(d.v.Lockdown(ctx, d.as(d.owner), api.LockdownRequest{})))
			mustOK(t, errOf(d.v.Lift(ctx, d.as(d.owner), api.LiftRequest{Passphrase: d.pass()})))
		},
		"a restart": func(api.AgentCreated, string) { d.reopen() },
	}
	n := 0
	for what, end := range grants {
		n++
		bot := d.agent(fmt.Sprintf("bot%d", n), "secrets:*:*")
		id := d.opened(bot.APIKey, sensitive)
		d.mustGet(bot.APIKey, sensitive, "value of sensitive")
		tidy()
		d.kept("a grant is open", true)
		end(bot, id)
		d.kept(what, false)
		if _, err := d.get(bot.APIKey, sensitive); err == nil {
			t.Errorf("%s, and it reads all the same", what)
		}
	}
	d.mustGet(once(d.mia), sensitive, "value of sensitive")
	d.kept("its one use is used up", false)

	gone, err := d.v.CreateOwner(ctx, d.as(d.owner), api.OwnerCreate{Name: "bob", Passphrase: d.pass()})
	mustOK(t, err)
	tokens := map[string]func(tok api.TokenResponse){
		"each scope is used": func(tok api.TokenResponse) {
			d.mustGet(tok.Token, sensitive, "value of sensitive")
			d.kept("one scope is left", true)
			d.mustGet(tok.Token, guarded, "value of guarded")
		},
		"its minute is over": func(api.TokenResponse) { d.clock.advance(time.Minute); tidy() },
		"it is revoked":      func(tok api.TokenResponse) { d.revokeToken(tok) },
		"a lockdown":         func(api.TokenResponse) { grants["a lockdown"](d.mia, "") },
		"a restart":          func(api.TokenResponse) { d.reopen() },
		"its owner is revoked": func(api.TokenResponse) {
			mustOK(t, d.v.RevokeOwner(ctx, d.as(d.owner), "bob", api.OwnerRevoke{Passphrase: d.pass()}))
		},
	}
	for what, end := range tokens {
		who, p := d.owner, d.phrase
		if what == "its owner is revoked" {
			who, p = gone.APIKey, *gone.InitialPassphrase
		}
		tok, err := d.stepUp(who, p, "secrets:read:"+sensitive, "secrets:read:"+guarded)
		mustOK(t, err)
		tidy()
		d.kept("the token is fresh", true)
		end(tok)
		d.kept(what, false)
		if _, err := d.get(tok.Token, sensitive); err == nil {
			t.Errorf("%s, and it reads all the same", what)
		}
	}

	// What fails leaves nothing behind.
	if _, err := d.stepUp(d.owner, d.phrase, "secrets:read:*"); err == nil {
		t.Error("a passphrase makes a token for everything")
	}
	d.kept("no token was made", false)
	id := d.askToRead(d.max.APIKey, sensitive)
	_, err = d.v.Approve(ctx, d.as(d.owner), id, api.ApprovalDecision{Passphrase: d.pass(), Digest: "sha256:other"})
	wantCode(t, "approving what was not shown", err, api.CodeConflict)
	d.kept("nothing was approved", false)
	writes := d.askFor(d.max.APIKey, api.TokenRequest{Scopes: []string{"secrets:write:" + critical}})
	d.mustApproveWith(writes)
	d.kept("writing was approved, which needs no key", false)
}

func errOf[T any](_ T, err error) error { return err }

func mustOK(t tb, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestThreat14TwoAreOpen: what ends with one leaves the other.
func TestThreat14TwoAreOpen(t *testing.T) {
	d := newKeyedDesk(t)
	first := d.opened(d.mia.APIKey, sensitive)
	d.opened(d.max.APIKey, guarded)
	mustOK(t, errOf(d.v.Revoke(ctx, d.as(d.owner), first, api.ApprovalDecision{})))
	d.asked("the one that is revoked", errOf(d.get(d.mia.APIKey, sensitive)))
	d.mustGet(d.max.APIKey, guarded, "value of guarded")
	d.asked("what was not approved", errOf(d.get(d.max.APIKey, sensitive)))
	d.revokeAgent("max")
	d.kept("both have ended", false)
}

// TestThreat14AGrantOfAnotherProcess: what was open before a start stays closed, also
// when the approval key is in memory again for something else.
func TestThreat14AGrantOfAnotherProcess(t *testing.T) {
	d := newKeyedDesk(t)
	id := d.opened(d.mia.APIKey, sensitive)
	tok := d.steppedUp("secrets:read:" + sensitive)
	d.reopen()
	d.opened(d.max.APIKey, guarded)
	d.kept("another grant is open", true)
	if again := d.askToRead(d.mia.APIKey, sensitive); again == id {
		t.Error("the old request is found again")
	}
	d.wantStatus(id, api.ApprovalExpired)
	_, err := d.get(tok, sensitive)
	wantCode(t, "a token from before", err, api.CodeUnauthorized)
	d.mustGet(d.max.APIKey, guarded, "value of guarded")
}

// TestThreat14SwappedValues: who writes the file has the public half, and seals
// with it whatever they like; a value is served only if it is the one the header
// lists.
func TestThreat14SwappedValues(t *testing.T) {
	d := newKeyedDesk(t)
	d.close()
	var public struct{ Public []byte }
	keyed := takeLoot(t, d.file("vault.db"), d.file("root.key"))
	mustOK(t, unmarshalRecord(d.raw("keys", "approval/"+keyed.keyed), &public))
	to, err := envelope.OpenApprovalRecipient(keyed.keyed, public.Public)
	mustOK(t, err)
	sealed, err := to.Seal(keyed.place(sensitive, 1), envelope.Payload{Value: envelope.NewPlaintext([]byte("mine"))})
	mustOK(t, err)
	at := d.valueOf(keyed, sensitive, 1)
	d.setRaw(map[place][]byte{at: sealed})
	v, err := vault.OpenUnchecked(d.cfg)
	mustOK(t, err)
	d.v = v
	defer d.close()
	_, err = d.get(d.steppedUp("secrets:read:"+sensitive), sensitive)
	wantTampered(t, "reading a value that someone else sealed", err, "value of "+sensitive)
	id := d.askToRead(d.mia.APIKey, sensitive)
	d.mustApproveWith(id)
	_, err = d.get(d.mia.APIKey, sensitive)
	wantTampered(t, "an agent that reads it", err, "value of "+sensitive)
	d.wantProtected(guarded, "value of guarded")
}

func (h *house) valueOf(l *loot, p string, n uint64) place {
	h.t.Helper()
	for k, v := range l.values {
		if string(v) == string(l.sealed(p, n)) {
			return place{"values", k}
		}
	}
	h.t.Fatalf("there is no version %d of %s", n, p)
	return place{}
}

// TestThreat14OneHalfElsewhere: the key file on another device than the data dir
// changes nothing about it.
func TestThreat14OneHalfElsewhere(t *testing.T) {
	c := newClock()
	h := &house{t: t, clock: c, cfg: vault.Config{
		Dir: filepath.Join(t.TempDir(), "data"), KeyFile: filepath.Join(t.TempDir(), "my.key"), Now: c.Now, Argon2: quick,
	}}
	var err error
	h.v, err = vault.Create(h.cfg)
	mustOK(t, err)
	t.Cleanup(h.end)
	h.claimIt()
	h.fill()
	h.close()
	h.setPassphrase(phrase)
	l := takeLoot(t, h.file("vault.db"), h.cfg.KeyFile)
	if got := l.opens(); !slices.Equal(got, []string{plain}) {
		t.Errorf("the copy opens %q", got)
	}
	h.open()
	h.wantProtected(sensitive, "value 3 of "+sensitive)
}

// TestThreat14OpenedWhileOthersEnd: that something ends does not take the key from
// what is just being opened.
func TestThreat14OpenedWhileOthersEnd(t *testing.T) {
	d := newKeyedDesk(t)
	d.opened(d.max.APIKey, guarded)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := d.v.TidyKeys(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	defer wg.Wait()
	defer close(stop)
	for range 12 {
		d.wantProtected(sensitive, "value of sensitive")
	}
	for n := range 6 {
		bot := d.agent(fmt.Sprintf("bot%d", n), "secrets:*:*")
		d.opened(bot.APIKey, sensitive)
		d.mustGet(bot.APIKey, sensitive, "value of sensitive")
	}
}
