package vault_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

func init() {
	children["setpassphrase"] = setPassphraseChild
	children["setpassphrasefull"] = setPassphraseFullChild
}

// setFor is SetPassphrase for a test.
func (h *house) setFor(owner, old, next string) (recovery string, err error) {
	h.t.Helper()
	return vault.SetPassphrase(ctx, h.cfg, vault.PassphraseSetting{Owner: owner, Old: []byte(old), New: []byte(next)})
}

// wantSet wants a passphrase to open what it is to open.
func (h *house) wantSet(what, text string) {
	h.t.Helper()
	if takeLoot(h.t, h.file("vault.db"), h.file("root.key")).try(text) != 1 {
		h.t.Errorf("%s does not open the approval key", what)
	}
}

func TestSetPassphrase(t *testing.T) {
	h := newHouse(t)
	h.fill()
	h.agent("bot", "secrets:*:*")
	h.close()
	if has, err := vault.HasPassphrase(h.cfg); has || err != nil {
		t.Errorf("before: %v, %v", has, err)
	}
	recovery := h.setPassphrase(phrase)
	if has, err := vault.HasPassphrase(h.cfg); !has || err != nil {
		t.Errorf("afterwards: %v, %v", has, err)
	}
	h.wantSet("the passphrase", phrase)
	h.wantSet("the recovery passphrase", recovery)
	if mode := fileMode(t, h.file("vault.db")); mode != 0o600 {
		t.Errorf("the file's mode is %v", mode)
	}
	h.open()
	if got := h.checked(); got != "ok" {
		t.Errorf("the chain is %q", got)
	}
	var told []string
	for _, ev := range h.trail(audit.Filter{}) {
		if ev.Action == audit.PassphraseSet || ev.Action == audit.SecretReseal || ev.Action == audit.VaultCompact {
			told = append(told, strings.TrimSpace(fmt.Sprint(ev.Action, " ", ev.Key)))
			if ev.Actor.Name != "assd" || strings.Contains(ev.Reason, phrase) || strings.Contains(ev.Reason, recovery) {
				t.Errorf("one event is %+v", ev.Event)
			}
		}
	}
	if want := []string{"passphrase.set", "secret.reseal", "secret.reseal CRITICAL", "secret.reseal SENSITIVE", "vault.compact", "secret.reseal"}; !slices.Equal(told, want) {
		t.Errorf("the trail tells %q, want %q", told, want)
	}
	_, err := h.get(h.owner, sensitive)
	wantCode(t, "the owner's key", err, api.CodeStepUpRequired)
	for _, p := range []string{sensitive, critical} {
		h.wantKept(p)
	}
	h.mustGet(h.owner, plain, "value 3 of "+plain)
}

func fileMode(t tb, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

// TestSetPassphraseRefuses: a refusal changes nothing.
func TestSetPassphraseRefuses(t *testing.T) {
	unclaimed := houseIn(t, filepath.Join(t.TempDir(), "data"))
	t.Cleanup(unclaimed.end)
	unclaimed.close()
	if _, err := unclaimed.setFor("", "", phrase); err == nil || !strings.Contains(err.Error(), "claim it first") {
		t.Errorf("a vault without an owner: %v", err)
	}

	h := newHouse(t)
	h.fill()
	mustOK(t, errOf(h.v.CreateOwner(ctx, h.as(h.owner), api.OwnerCreate{Name: "bob"})))
	if _, err := h.setFor("ada", "", phrase); !errors.Is(err, store.ErrLocked) {
		t.Errorf("while a daemon has it open: %v", err)
	}
	if _, err := vault.HasPassphrase(h.cfg); !errors.Is(err, store.ErrLocked) {
		t.Errorf("looking while a daemon has it open: %v", err)
	}
	h.close()
	refused := func(what, owner, old, next string, want error, says string) {
		t.Helper()
		before := h.verify().Events
		recovery, err := h.setFor(owner, old, next)
		if err == nil || recovery != "" || want != nil && !errors.Is(err, want) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %q, %v", what, recovery, err)
		}
		if after := h.verify().Events; after != before {
			t.Errorf("%s: %d events", what, after-before)
		}
	}
	refused("nobody named of two", "", "", phrase, nil, "--owner")
	refused("nobody of that name", "eve", "", phrase, nil, "no such owner")
	refused("a short one", "ada", "", "short", seal.ErrPassphrase, "")
	mustOK(t, errOf(h.setFor("ada", "", phrase)))
	h.phrase = phrase
	refused("no old one", "ada", "", "another one for her", vault.ErrOldPassphrase, "")
	refused("no old one, for another", "bob", "", "another one for him", vault.ErrOldPassphrase, "")
	refused("a wrong old one", "ada", wrongPhrase, "another one for her", seal.ErrWrongPassphrase, "")
	refused("an old one that can be none", "ada", "short", "another one for her", seal.ErrWrongPassphrase, "")
	refused("another owner's", "bob", phrase, "another one for him", seal.ErrWrongPassphrase, "")
	h.wantSet("the one in force", phrase)

	gone := vault.Config{Dir: filepath.Join(t.TempDir(), "nothing")}
	if _, err := vault.SetPassphrase(ctx, gone, vault.PassphraseSetting{New: []byte(phrase)}); err == nil {
		t.Error("it is set where there is no vault")
	}
}

// TestSetPassphraseAgain: with the old one or the recovery passphrase, for oneself
// or for an owner who has none.
func TestSetPassphraseAgain(t *testing.T) {
	const second, bobs = "her second passphrase", "his very own passphrase"
	h := newHouse(t)
	h.fill()
	bob, err := h.v.CreateOwner(ctx, h.as(h.owner), api.OwnerCreate{Name: "bob"})
	mustOK(t, err)
	h.close()
	recovery, err := h.setFor("ada", "", phrase)
	mustOK(t, err)
	for _, again := range []struct{ owner, old, next string }{{"ada", phrase, second}, {bob.ID, recovery, bobs}, {"ADA", recovery, phrase}} {
		text, err := h.setFor(again.owner, again.old, again.next)
		if err != nil || text != "" {
			t.Errorf("%s, again: %q, %v", again.owner, text, err)
		}
		h.wantSet(again.owner, again.next)
	}
	h.phrase = phrase
	if takeLoot(t, h.file("vault.db"), h.file("root.key")).try(second) != 0 {
		t.Error("one that was replaced opens the approval key")
	}
	h.wantSet("the recovery passphrase", recovery)
	h.open()
	h.wantKept(sensitive)
	if _, err := h.stepUp(bob.APIKey, bobs, "secrets:read:"+sensitive); err != nil {
		t.Errorf("the other owner: %v", err)
	}
}

// many fills a vault with more than one transaction seals anew.
func (h *house) many(n int) {
	h.t.Helper()
	text := ""
	for i := range n {
		text += fmt.Sprintf("K%02d=value of %d\n", i, i)
	}
	h.mustImport(h.owner, text, ofTier("sensitive"))
	h.fill()
}

func (h *house) wantMany(n int) {
	h.t.Helper()
	l := takeLoot(h.t, h.file("vault.db"), h.file("root.key"))
	if got := l.opens(); !slices.Equal(got, []string{plain}) {
		h.t.Errorf("a copy opens %q", got)
	}
	if l.try(phrase) != 1 {
		h.t.Error("the passphrase opens nothing")
	}
	var protected []string
	for i := range n {
		p := fmt.Sprintf("app/env/K%02d", i)
		protected = append(protected, p)
		l.wantOpens(p, 1, fmt.Sprintf("value of %d", i), "")
	}
	if got := l.opens(); len(got) != len(tierOf) {
		h.t.Errorf("with the passphrase it opens %q", got)
	}
	l.wantNoLeaks(append(protected, sensitive, critical)...)
}

// TestSetPassphraseCutShort: stopped behind any of its stages, the next start
// finishes it before it serves anyone; so does setting one again.
func TestSetPassphraseCutShort(t *testing.T) {
	const n = 40
	for stage, name := range []string{"set", "some sealed anew", "all sealed anew", "compacted", "noted"} {
		for _, by := range []string{"a start", "another setting"} {
			t.Run(name+", then "+by, func(t *testing.T) {
				h := newHouse(t)
				h.many(n)
				h.close()
				recovery, err := vault.SetPassphraseUpTo(ctx, h.cfg, vault.PassphraseSetting{New: []byte(phrase)}, stage)
				mustOK(t, err)
				if p := h.verify().Problem; p != "" {
					t.Errorf("cut short it does not verify: %s", p)
				}
				leaks := takeLoot(t, h.file("vault.db"), h.file("root.key")).leaks()
				if stage < vault.StageCompact && leaks[sensitive+" 1"] == 0 {
					t.Error("the search does not find what is in free pages")
				}
				h.phrase = phrase
				if by == "a start" {
					h.open()
					if got := h.checked(); got != "ok" {
						t.Errorf("the chain is %q", got)
					}
					h.close()
				} else {
					mustOK(t, errOf(h.setFor("", recovery, phrase)))
				}
				h.wantMany(n)
				h.wantSet("the recovery passphrase", recovery)
				h.open()
				h.wantProtected("app/env/K07", "value of 7")
			})
		}
	}
}

// setPassphraseChild sets the first passphrase, and prints a line whenever it looks
// at the clock, as it does for each event.
func setPassphraseChild(dir string) error {
	now := func() time.Time { fmt.Println("tick"); return time.Now() }
	_, err := vault.SetPassphrase(ctx, vault.Config{Dir: dir, Argon2: quick, Now: now}, vault.PassphraseSetting{New: []byte(phrase)})
	return err
}

// setPassphraseUntil kills the child at its nth line, and says how many there were.
func (h *house) setPassphraseUntil(t *testing.T, n int) (ticks int) {
	t.Helper()
	cmd := command(t, "setpassphrase", h.cfg.Dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	mustOK(t, err)
	mustOK(t, cmd.Start())
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if ticks++; ticks == n {
			killIn(cmd, 3*time.Millisecond)
		}
	}
	cmd.Wait() //nolint:errcheck // it was killed, or done before
	return ticks
}

// TestSetPassphraseKilled: killed at any moment it is as if it had not begun, or
// the next start finishes it; no value is lost either way.
func TestSetPassphraseKilled(t *testing.T) {
	const n = 40
	h := newHouse(t)
	h.cfg.Now = time.Now
	h.many(n)
	h.close()
	unset := map[string]func(){}
	for _, name := range []string{"vault.db", "head", "root.key"} {
		unset[name] = h.keep(name)
	}
	whole := h.setPassphraseUntil(t, 0)
	outcome := map[string]int{}
	const kills = 8
	for i := range kills {
		for _, back := range unset {
			back()
		}
		h.setPassphraseUntil(t, 1+i*whole/kills)
		before, err := vault.HasPassphrase(h.cfg)
		mustOK(t, err)
		if p := h.verify().Problem; p != "" {
			t.Fatalf("killed, it does not verify: %s", p)
		}
		reseals := h.reseals()
		h.open()
		h.close()
		if has, err := vault.HasPassphrase(h.cfg); err != nil || has != before {
			t.Errorf("a start makes of a passphrase %v %v, %v", before, has, err)
		}
		switch {
		case !before:
			outcome["not begun"]++
		case h.reseals() > reseals:
			outcome["finished by the next start"]++
		default:
			outcome["done"]++
		}
		if !before {
			mustOK(t, errOf(h.setFor("", "", phrase)))
		}
		h.phrase = phrase
		h.wantMany(n)
		h.wantOpenable()
		if left, _ := filepath.Glob(h.file("vault.db.*")); left != nil {
			t.Errorf("left behind: %q", left)
		}
	}
	t.Logf("killed at one of %d moments: %v", whole, outcome)
	if outcome["finished by the next start"] == 0 {
		t.Error("none was killed in the midst of it")
	}
	h.tampered = false // what was put back is of one state
}

// setPassphraseFullChild sets one where no file may grow.
func setPassphraseFullChild(dir string) error {
	h := houseIn(inChild{}, filepath.Join(dir, "data"))
	h.claimIt()
	h.many(40)
	h.mustPut(h.owner, "a/BIG", strings.Repeat("x", 500<<10), tier("sensitive"))
	h.close()
	size := uint64(len(h.fileBytes()))
	for _, limit := range []uint64{size, size + 200<<10, size + 1<<20, noLimit} {
		limitFiles(h.t, limit)
		var err error
		if has, bad := vault.HasPassphrase(h.cfg); bad != nil {
			err = bad
		} else if has {
			if err = h.tryOpen(); err == nil {
				h.close()
			}
		} else {
			_, err = h.setFor("", "", phrase)
		}
		if err != nil && (limit == noLimit || !errors.Is(err, store.ErrFull)) {
			return fmt.Errorf("with %d bytes of %d: %w", limit, size, err)
		}
		if p := h.verify().Problem; p != "" {
			return fmt.Errorf("with %d bytes of %d it does not verify: %s", limit, size, p)
		}
	}
	h.phrase = phrase
	h.wantMany(40)
	h.end()
	return os.RemoveAll(h.cfg.Dir)
}

// TestSetPassphraseOnAFullDisk: it fails, and is finished when there is space.
func TestSetPassphraseOnAFullDisk(t *testing.T) {
	if out, err := command(t, "setpassphrasefull", t.TempDir()).CombinedOutput(); err != nil {
		t.Errorf("child: %v\n%s", err, out)
	}
}

// reseals is how many events of the file tell of values sealed anew.
func (h *house) reseals() (n int) {
	h.t.Helper()
	for _, ev := range h.onDisk() {
		if ev.Action == audit.SecretReseal {
			n++
		}
	}
	return n
}
