package vault_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// keep copies a file of the closed vault and returns how to put it back.
func (h *house) keep(name string) (putBack func()) {
	h.t.Helper()
	b, err := os.ReadFile(h.file(name))
	if err != nil {
		h.t.Fatal(err)
	}
	return func() { h.set(name, b) }
}

func (h *house) set(name string, b []byte) {
	h.t.Helper()
	h.tampered = true
	if err := os.WriteFile(h.file(name), b, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// refusedToOpen wants the vault not to open, for a reason that says so, and to
// leave the data file as it is.
func (h *house) refusedToOpen(says string) {
	h.t.Helper()
	before := h.fileBytes()
	err := h.tryOpen()
	switch {
	case err == nil:
		h.t.Errorf("the vault opens, want %q", says)
		h.close()
	case !strings.Contains(err.Error(), says):
		h.t.Errorf("the vault does not open because %q, want %q", err, says)
	case !bytes.Equal(h.fileBytes(), before):
		h.t.Error("the file was changed by a start that was refused")
	}
}

func TestThreat05GoingBack(t *testing.T) {
	t.Run("an older copy", testOlderCopy)
	t.Run("a fork", testFork)
	t.Run("the newborn file under a new head", testNewbornCopy)
	t.Run("the head file", testHeadFile)
	t.Run("a copy of the data file alone", func(t *testing.T) {
		h := newHouse(t)
		h.mustPut(h.owner, plain, "v")
		h.close()
		alone := vault.Config{Dir: t.TempDir()}
		copyFile(t, h.file("vault.db"), filepath.Join(alone.Dir, "vault.db"))
		if rep, err := vault.Verify(ctx, alone); err != nil || rep.Problem != "" || rep.HeadFile {
			t.Errorf("it verifies as %+v, %v", rep, err)
		}
	})
	t.Run("a head file that is one commit behind", func(t *testing.T) {
		h := newHouse(t)
		h.close()
		behind := h.keep("head")
		h.open()
		h.mustPut(h.owner, plain, "v")
		h.close()
		behind()
		h.tampered = false
		h.open()
		h.mustGet(h.owner, plain, "v")
	})
}

func testOlderCopy(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "old")
	bot := h.agent("bot", "secrets:*:*")
	h.close()
	older := h.keep("vault.db")
	h.open()
	h.revokeAgent(bot.ID)
	h.close()

	older()
	wantProblem(t, h.verify(), audit.ErrRollback.Error())
	if err := h.tryOpen(); !errors.Is(err, audit.ErrRollback) {
		t.Errorf("an older copy: %v, want %v", err, audit.ErrRollback)
	}
	h.refusedToOpen("--accept-rollback")

	if err := vault.AcceptRollback(h.cfg); err != nil {
		t.Fatal(err)
	}
	h.tampered = false // it was accepted, so it is to verify
	h.open()
	h.mustGet(bot.APIKey, plain, "old")
	restored := h.trail(audit.Filter{Action: string(audit.VaultRestore)})
	if len(restored) != 1 || !strings.Contains(restored[0].Reason, audit.ErrRollback.Error()) {
		t.Errorf("the trail says %+v of what was accepted", restored)
	}
	h.reopen()
	h.close()
	if err := vault.AcceptRollback(h.cfg); err != nil { // once more, with nothing to accept
		t.Fatal(err)
	}
	h.open()
	if got := len(h.trail(audit.Filter{Action: string(audit.VaultRestore)})); got != 1 {
		t.Errorf("the trail tells of %d restores", got)
	}
}

// testFork: once an older copy was accepted, the newer file is the foreign one.
func testFork(t *testing.T) {
	h := newHouse(t)
	h.close()
	older := h.keep("vault.db")
	h.open()
	for range 5 {
		h.mustPut(h.owner, plain, "v")
	}
	h.close()
	newer := h.keep("vault.db")

	older()
	if err := vault.AcceptRollback(h.cfg); err != nil {
		t.Fatal(err)
	}
	newer()
	wantProblem(t, h.verify(), audit.ErrRollback.Error())
	h.refusedToOpen(audit.ErrRollback.Error())
}

// testNewbornCopy: the very first state has one head and may miss its head
// file, but not beside a head that was signed later.
func testNewbornCopy(t *testing.T) {
	h := houseIn(t, filepath.Join(t.TempDir(), "data"))
	t.Cleanup(h.end)
	h.close()
	newborn := h.keep("vault.db")

	if err := os.Remove(h.file("head")); err != nil {
		t.Fatal(err)
	}
	if rep := h.verify(); rep.Problem != "" || rep.HeadFile || rep.Heads != 1 {
		t.Errorf("without its head file it verifies as %+v", rep)
	}
	h.open() // killed between its first commit and the head file, it comes up
	h.claimIt()
	h.mustPut(h.owner, plain, "v")
	h.close()
	newborn()
	h.refusedToOpen(audit.ErrRollback.Error())
}

const noHead = "no head file"

func testHeadFile(t *testing.T) {
	for _, tc := range []struct {
		name, says string
		edit       func(h *house, b []byte)
	}{
		{"deleted", noHead, func(h *house, _ []byte) {
			if err := os.Remove(h.file("head")); err != nil {
				h.t.Fatal(err)
			}
		}},
		{"emptied", noHead, func(h *house, _ []byte) { h.set("head", nil) }},
		{"garbled", "malformed", func(h *house, b []byte) { h.set("head", bytes.Repeat([]byte{'x'}, len(b))) }},
		{"cut", "malformed", func(h *house, b []byte) { h.set("head", b[:len(b)-1]) }},
		{"lengthened", "malformed", func(h *house, b []byte) { h.set("head", append(b, '\n')) }},
		{"its sequence number changed", "not signed", func(h *house, b []byte) {
			h.set("head", bytes.Replace(b, []byte(`"seq":4`), []byte(`"seq":3`), 1))
		}},
		{"of another vault", "another vault", func(h *house, _ []byte) {
			o := newHouse(h.t.(testing.TB))
			o.close()
			b, err := os.ReadFile(o.file("head"))
			if err != nil {
				o.t.Fatal(err)
			}
			h.set("head", b)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHouse(t)
			h.mustPut(h.owner, plain, "v")
			h.close()
			b, err := os.ReadFile(h.file("head"))
			if err != nil || !bytes.Contains(b, []byte(`"seq":`)) {
				t.Fatalf("head file %q, %v", b, err)
			}
			h.tampered = true
			tc.edit(h, bytes.Replace(b, []byte(`"seq":5`), []byte(`"seq":4`), 1))
			rep := h.verify()
			wantProblem(t, rep, tc.says)
			if rep.HeadFile == (tc.says == noHead) {
				t.Errorf("verify reports a head file: %v", rep.HeadFile)
			}
			h.refusedToOpen(tc.says)
			h.refusedToOpen("--accept-rollback")
			if err := vault.AcceptRollback(h.cfg); err != nil {
				t.Fatal(err)
			}
			h.tampered = false
			h.open()
			h.mustGet(h.owner, plain, "v")
		})
	}
}

func TestThreat06Slots(t *testing.T) {
	other := newHouse(t)
	other.close()
	otherKey, err := os.ReadFile(other.file("root.key"))
	if err != nil {
		t.Fatal(err)
	}
	var otherSlot []byte
	for _, k := range other.keys("slots") {
		otherSlot = other.raw("slots", k)
	}
	for _, tc := range []struct {
		name, says string
		edit       func(h *house)
	}{
		{"key file missing", "not found", func(h *house) { os.Remove(h.file("root.key")) }},
		{"key file of another vault", "does not open this vault", func(h *house) { h.set("root.key", otherKey) }},
		{"key file garbled", "not a key file", func(h *house) { h.set("root.key", []byte("assd-key-1:secret stuff\n")) }},
		{"key file that others can read", "lets others in", func(h *house) { os.Chmod(h.file("root.key"), 0o644) }},
		{"key file that is a link", "symbolic link", func(h *house) {
			os.Rename(h.file("root.key"), h.file("elsewhere"))
			os.Symlink(h.file("elsewhere"), h.file("root.key"))
		}},
		{"slot of another vault", "does not open this vault", func(h *house) {
			h.setRaw(map[place][]byte{{"slots", h.lastKey("slots")}: otherSlot})
		}},
		{"slot of another vault beside ours", "record slots/", func(h *house) {
			h.setRaw(map[place][]byte{{"slots", "slt_zzzzzzzzzzzzzzzzzzzzzzzzzz"}: otherSlot})
		}},
		{"slot of another vault beside ours, and its key file", "does not open this vault", func(h *house) {
			h.setRaw(map[place][]byte{{"slots", "slt_zzzzzzzzzzzzzzzzzzzzzzzzzz"}: otherSlot})
			h.set("root.key", otherKey)
		}},
		{"no slot", "does not open this vault", func(h *house) { h.removeRaw(place{"slots", h.lastKey("slots")}) }},
		{"data dir that others can enter", "700", func(h *house) { os.Chmod(h.cfg.Dir, 0o755) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHouse(t)
			h.close()
			h.tampered = true
			tc.edit(h)
			h.refusedToOpen(tc.says)
			if err := h.tryOpen(); err != nil && (strings.Contains(err.Error(), "secret stuff") || bytes.Contains([]byte(err.Error()), otherKey[11:54])) {
				t.Errorf("the error repeats what is in the key file: %v", err)
			}
		})
	}
	t.Run("key file elsewhere", testKeyFileElsewhere)
	t.Run("slots hold no command and no path", func(t *testing.T) {
		h := newHouse(t)
		slot, err := seal.ParseSlot(h.raw("slots", h.lastKey("slots"))[recordHeader:])
		if err != nil || slot.Kind != seal.KindFile {
			t.Errorf("the slot is %v, %v", slot.Kind, err)
		}
	})
}

// testKeyFileElsewhere: with the key file on another device the head lies there
// too, so that the data dir alone cannot be put back.
func testKeyFileElsewhere(t *testing.T) {
	c := newClock()
	h := &house{t: t, clock: c, cfg: vault.Config{
		Dir: filepath.Join(t.TempDir(), "data"), KeyFile: filepath.Join(t.TempDir(), "my.key"), Now: c.Now,
	}}
	var err error
	if h.v, err = vault.Create(h.cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.end)
	h.claimIt()
	h.mustPut(h.owner, plain, "v")
	h.reopen()
	h.mustGet(h.owner, plain, "v")
	entries, err := os.ReadDir(h.cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "vault.db" && e.Name() != "reserve" {
			t.Errorf("the data dir holds %q", e.Name())
		}
	}
}

func TestThreat13Claim(t *testing.T) {
	t.Run("raced", testClaimRaced)
	t.Run("state put back", testStatePutBack)
	t.Run("owners removed", func(t *testing.T) {
		h := newHouse(t)
		h.close()
		h.removeRaw(place{"owners", h.claim.OwnerID}, place{"names", "owner/ada"}, place{"credentials", credentialKey(h.owner)})
		h.open()
		_, err := h.v.Claim(ctx, "eve", local(1000), api.ClaimRequest{})
		wantCode(t, "a claim of a vault without owners", err, api.CodeConflict)
	})
	t.Run("said to whom", func(t *testing.T) {
		h := newHouse(t)
		_, err := h.v.Claim(ctx, "eve", local(1000), api.ClaimRequest{})
		wantCode(t, "a second claim", err, api.CodeConflict)
		if err == nil || !strings.Contains(err.Error(), "2026-03-01") || !strings.Contains(err.Error(), "ada") || !strings.Contains(err.Error(), "local uid 1000") {
			t.Errorf("the second claim is told %q", err)
		}
		if !h.v.Claimed() {
			t.Error("the vault says that it is unclaimed")
		}
		h.reopen()
		if !h.v.Claimed() {
			t.Error("after a start the vault says that it is unclaimed")
		}
	})
	t.Run("nobody opens an unclaimed vault", func(t *testing.T) {
		h := houseIn(t, filepath.Join(t.TempDir(), "data"))
		t.Cleanup(h.end)
		_, err := h.put(keyOf(forgedKey), plain, "v")
		wantCode(t, "a made-up key", err, api.CodeUnauthorized)
		_, err = h.put("", plain, "v")
		wantCode(t, "no key", err, api.CodeUnauthorized)
	})
}

func testClaimRaced(t *testing.T) {
	h := houseIn(t, filepath.Join(t.TempDir(), "data"))
	t.Cleanup(h.end)
	var wg sync.WaitGroup
	claims := make(chan api.Claim, 64)
	for range cap(claims) {
		wg.Go(func() {
			c, err := h.v.Claim(ctx, "ada", local(1000), api.ClaimRequest{})
			if err == nil {
				claims <- c
			} else if api.CodeOf(err) != api.CodeConflict || c.OwnerKey != "" {
				t.Errorf("a claim that lost: %v, with a key: %v", err, c.OwnerKey != "")
			}
		})
	}
	wg.Wait()
	if len(claims) != 1 {
		t.Fatalf("%d claims won", len(claims))
	}
	h.owner = (<-claims).OwnerKey
	if got := len(h.trail(audit.Filter{Action: "owner.create"})); got != 1 {
		t.Errorf("the trail has %d owners made", got)
	}
	if got := len(h.keys("owners")); got != 1 {
		t.Errorf("the file has %d owners", got)
	}
}

// testStatePutBack: claimed is a fact of the trail, whatever the record says.
func testStatePutBack(t *testing.T) {
	newborn := func(t *testing.T) (h *house, state []byte) {
		h = houseIn(t, filepath.Join(t.TempDir(), "data"))
		t.Cleanup(h.end)
		state = h.raw("vault", "state")
		h.claimIt()
		return h, state
	}
	t.Run("closed", func(t *testing.T) {
		h, unclaimed := newborn(t)
		h.close()
		h.setRaw(map[place][]byte{{"vault", "state"}: unclaimed})
		wantProblem(t, h.verify(), "record vault/state: put back")
		wantNotOpened(t, h.tryOpen())
	})
	t.Run("running", func(t *testing.T) {
		h, unclaimed := newborn(t)
		claimed := h.raw("vault", "state")
		h.swap("state", claimed, unclaimed)
		_, err := h.v.Claim(ctx, "eve", local(1000), api.ClaimRequest{})
		wantTampered(t, "a claim", err, "record vault/state")
		h.setLive("state", unclaimed, claimed)
	})
	t.Run("removed", func(t *testing.T) {
		h, _ := newborn(t)
		h.close()
		h.removeRaw(place{"vault", "state"})
		h.refusedToOpen("record vault/state")
	})
	t.Run("and the trail cut", func(t *testing.T) {
		h, unclaimed := newborn(t)
		h.close()
		h.edit(func(tx *bolt.Tx) error {
			c := tx.Bucket([]byte("audit")).Cursor()
			for k, _ := c.Last(); k[7] > 1; k, _ = c.Last() {
				if err := c.Delete(); err != nil {
					return err
				}
			}
			return tx.Bucket([]byte("vault")).Put([]byte("state"), unclaimed)
		})
		h.refusedToOpen(audit.ErrRollback.Error())
	})
}
