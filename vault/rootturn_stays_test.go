package vault_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// TestRotateRootStaysForWhatWasChanged: a record that something else has changed is not
// authenticated anew: it is told, and the old root key stays until it is put back.
func TestRotateRootStaysForWhatWasChanged(t *testing.T) {
	h := newHouse(t)
	h.mustImport(h.owner, manyLines(9))
	h.close()
	at := place{"secrets", "app/env/K3"}
	good := h.raw(at.bucket, at.key)
	bad := bytes.Clone(good)
	bad[len(bad)-2] ^= 1
	h.setRaw(map[place][]byte{at: bad})
	h.open()
	h.mustRotateRoot()
	var turn *api.KeyTurn
	eventually(t, "it stays", func() bool { turn = h.status().Turn; return turn == nil || turn.Problem != "" })
	if turn == nil || turn.Stage != api.KeyTurnAuthenticating || !strings.Contains(turn.Problem, "secrets/app/env/K3") {
		t.Fatalf("it stays at %+v", turn)
	}
	if n := len(h.keysOf("root")); n != 1 || !bytes.Equal(h.raw(at.bucket, at.key), bad) {
		t.Errorf("%d old root keys; the record is %q", n, h.raw(at.bucket, at.key))
	}
	if got, err := h.get(h.owner, at.key); err == nil {
		t.Errorf("it is read as %q", got)
	}
	h.close()
	h.setRaw(map[place][]byte{at: good})
	h.open()
	h.turned()
	h.mustGet(h.owner, at.key, "value 3")
	if left := h.keysOf("root"); left != nil {
		t.Errorf("the old root key is there: %v", left)
	}
}

// spies are openers and commands that keep what they have given.
type spies struct{ given []seal.Secret }

func (s *spies) file(path string) vault.Opener {
	return vault.Opener{Kind: seal.KindFile, What: path, Secret: func(context.Context, string) (seal.Secret, error) {
		key, err := seal.ReadKeyFile(path)
		s.given = append(s.given, key)
		return key, err
	}}
}

func (s *spies) command(context.Context) (seal.Secret, error) {
	out, err := seal.NewCommandSecret([]byte("sixteen bytes, or more\n"))
	s.given = append(s.given, out)
	return out, err
}

// wiped wants the secrets that were given since to be wiped, each.
func (s *spies) wiped(t *testing.T, what string) {
	t.Helper()
	if len(s.given) == 0 {
		t.Errorf("%s: nothing was asked for", what)
	}
	for _, secret := range s.given {
		if _, err := seal.NewSlot(seal.NewRootKey(), "ten_a", secret, quick); !errors.Is(err, seal.ErrWiped) {
			t.Errorf("%s: its %s is still in memory: %v", what, secret.Kind(), err)
		}
	}
	s.given = nil
}

// TestSlotSecretsAreWiped: what opened the vault, or was wrapped for, is in memory only as
// long as that takes, and so is a root key that another one has come in place of.
func TestSlotSecretsAreWiped(t *testing.T) {
	h := newHouse(t)
	s := &spies{}
	h.cfg.Openers = []vault.Opener{s.file(h.file("root.key"))}
	h.reopen()
	s.wiped(t, "a start")
	h.v.SetSlotCommand(s.command)
	h.mustAddSlot(api.SlotAdd{Kind: api.SlotCommand})
	s.wiped(t, "a new slot")
	root := h.v.RootKey()
	h.mustRotateRoot()
	if len(s.given) != 2 {
		t.Errorf("%d secrets were asked for", len(s.given))
	}
	s.wiped(t, "another root key")
	h.turned()
	h.close()
	key, err := seal.ReadKeyFile(h.file("root.key"))
	mustOK(t, err)
	if _, err := seal.NewSlot(root, "ten_a", key, quick); !errors.Is(err, seal.ErrWiped) {
		t.Errorf("the old root key is still in memory: %v", err)
	}
	h.open()
}

// TestSlotCommandIsOwners': nobody has the command run who may not do what it is for.
func TestSlotCommandIsOwners(t *testing.T) {
	h := newKeyedHouse(t)
	h.v.SetSlotCommand((&spies{}).command)
	h.mustAddSlot(api.SlotAdd{Kind: api.SlotCommand, Passphrase: h.pass()})
	h.v.SetSlotCommand(func(context.Context) (seal.Secret, error) {
		t.Error("the command was run")
		return nil, errors.New("no")
	})
	mia := h.agent("mia", "secrets:*:*").APIKey
	_, err := h.v.RotateKEK(ctx, h.as(mia), api.KEKRotation{Root: true})
	wantCode(t, "another root key, by an agent", err, api.CodeScopeDenied)
	_, err = h.v.RotateKEK(ctx, h.as(h.owner), api.KEKRotation{Root: true})
	wantCode(t, "another root key, without the passphrase", err, api.CodeStepUpRequired)
	_, err = h.v.AddSlot(ctx, h.as(h.owner), api.SlotAdd{Kind: api.SlotCommand})
	wantCode(t, "a slot, without the passphrase", err, api.CodeStepUpRequired)
}

// TestApprovalKeyGoes: tokens that end because the keys are turned over keep the approval
// key in memory no longer, and in a sealed vault nothing does.
func TestApprovalKeyGoes(t *testing.T) {
	h := newKeyedHouse(t)
	for what, act := range map[string]func(){
		"turned over": func() { h.rotateKEK(); h.turned() },
		"sealed":      func() { mustOK(t, errOf(h.v.Seal(ctx, h.as(h.owner), api.SealRequest{}))) },
	} {
		h.mustPut(h.owner, sensitive, "v", tier("sensitive"))
		h.steppedUp("secrets:read:" + sensitive)
		if _, held := h.v.KeysKept(); !held {
			t.Fatal("the approval key is not in memory")
		}
		act()
		if ids, held := h.v.KeysKept(); held {
			t.Errorf("%s, the approval key is kept for %v", what, ids)
		}
		h.reopen()
	}
}

// TestRotateRootTries: passphrases of slots are tried as others are, each wrong one makes
// the next wait; and a slot stays as dear to guess as it was.
func TestRotateRootTries(t *testing.T) { synctest.Test(t, testRotateRootTries) }

func testRotateRootTries(t *testing.T) {
	h := newHouse(t)
	dear := quick
	dear.Time = 2
	h.cfg.Argon2 = dear
	h.reopen()
	text := string(api.NewSlotPassphrase())
	h.mustAddSlot(api.SlotAdd{Kind: api.SlotPassphrase, NewPassphrase: &text})
	h.cfg.Argon2 = quick
	h.reopen()
	for n, want := range []time.Duration{0, 250 * time.Millisecond} {
		if got := took(func() {
			_, err := h.rotateRoot(api.KEKRotation{SlotPassphrases: []string{wrongPhrase}})
			wantCode(t, "a wrong one", err, api.CodeValidation)
		}); got != want {
			t.Errorf("wrong try %d took %v, want %v", n+1, got, want)
		}
	}
	_, err := h.rotateRoot(api.KEKRotation{SlotPassphrases: slices.Repeat([]string{text}, 17)})
	wantCode(t, "more than a vault has slots", err, api.CodeValidation)
	_, err = h.rotateRoot(api.KEKRotation{SlotPassphrases: []string{text}})
	mustOK(t, err)
	h.turned()
	if now := h.slots(); !slices.ContainsFunc(now, func(s api.Slot) bool { return s.Argon2 != nil && s.Argon2.Time == 2 }) {
		t.Errorf("slots: %+v", now)
	}
}
