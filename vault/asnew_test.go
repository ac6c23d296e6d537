package vault_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// placed is a house beside h, where a backup of h waits to become another vault.
func (h *house) placed(t *testing.T, backup string) (other *house, got vault.Restored) {
	t.Helper()
	next := *h
	next.v, next.cfg.Dir = nil, filepath.Join(t.TempDir(), "another")
	got, err := vault.RestoreAsNew(ctx, next.cfg, backup)
	if err != nil {
		t.Fatalf("restoring: %v", err)
	}
	copyFile(t, h.file("root.key"), next.file("root.key"))
	return &next, got
}

// asNew is another vault, open, that was made of a backup of h.
func (h *house) asNew(t *testing.T, backup string) *house {
	t.Helper()
	other, _ := h.placed(t, backup)
	other.open()
	t.Cleanup(other.end)
	return other
}

// TestThreat30AsNew: the vault that comes of a backup has all that the other is, and lives
// beside it: nothing of the one counts in the other.
func TestThreat30AsNew(t *testing.T) {
	d := newDesk(t)
	d.mustPut(d.owner, plain, "newer value of plain", meta("with it"))
	d.revokeAgent("max")
	if _, err := d.v.OfferPolicy(ctx, policyPath, []byte("# accepted\n"), nil); err != nil {
		t.Fatal(err)
	}
	d.close()
	config := []byte("seal-command = '/bin/opens'\n[[rotator]]\npath = 'a/K'\n")
	if _, err := vault.SetPassphrase(ctx, d.cfg, vault.PassphraseSetting{New: []byte(phrase), Config: config}); err != nil {
		t.Fatal(err)
	}
	d.phrase = phrase
	d.open()
	tok := d.token(d.mia.APIKey, "secrets:read:"+plain)
	approved := d.opened(d.mia.APIKey, sensitive)
	backup := d.copied()

	other, got := d.placed(t, backup)
	if got.NewTenant == "" || got.Tenant != d.claim.Tenant || got.NewTenant == got.Tenant || len(got.Returned) != 2 || got.Relation != vault.RelationNone {
		t.Errorf("restored: %+v", got)
	}
	if rep := other.verify(); rep.Problem != "" || !rep.RestorePending || rep.Tenant != got.Tenant {
		t.Errorf("not opened yet it verifies as %+v", rep)
	}
	const opens = "seal-command = '/bin/opens'\n"
	if text, _, err := vault.ConfigInForce(other.cfg); err != nil || string(text) != opens {
		t.Errorf("not opened yet, the configuration in force is %q, %v", text, err)
	}
	other.open()
	t.Cleanup(other.end)
	if other.v.Tenant() != got.NewTenant || other.v.VerifyKey() == d.v.VerifyKey() {
		t.Errorf("it is %s, of key %s", other.v.Tenant(), other.v.VerifyKey())
	}

	d.wantSame(t, other)
	if text, bound, err := other.v.ConfigInForce(); err != nil || !bound || string(text) != opens {
		t.Errorf("the configuration in force is %q, %v, %v", text, bound, err)
	}
	if !other.v.IsAccepted(api.PolicyFile, []byte("# accepted\n")) {
		t.Error("another policy is in force")
	}
	other.wantNothingOf(d.house, tok.Token, approved)
	second := other.token(d.mia.APIKey, "secrets:read:"+plain)
	_, err := d.get(second.Token, plain)
	wantCode(t, "the new vault's token in the old one", err, api.CodeUnauthorized)
	wantForeignCheckpoints(t, d.house, other)
	other.wantBirth(t, got)
	other.wantOtherBytes(d.house)

	other.open()
	other.wantProtected(critical, "value of critical")
	wantSwapsFound(t, d.house, other)
	noTries(d.house, other)
}

// noTries spares the check at the end a passphrase, which takes long.
func noTries(all ...*house) {
	for _, h := range all {
		h.phrase = ""
	}
}

// wantSame wants other to have what d has, for whom it has it.
func (d *desk) wantSame(t *testing.T, other *house) {
	t.Helper()
	for _, h := range []*house{d.house, other} {
		h.mustGet(d.mia.APIKey, plain, "newer value of plain")
		if r := h.readBy(d.owner, plain, 1); string(r.Value.Reveal()) != "value of plain" || r.Metadata != nil {
			t.Errorf("version 1 is %q, %v", r.Value.Reveal(), r.Metadata)
		}
		if r := h.readBy(d.owner, plain, 2); r.Metadata["note"] != "with it" {
			t.Errorf("version 2 has %v", r.Metadata)
		}
		_, err := h.get(d.max.APIKey, plain)
		wantCode(t, "a revoked agent", err, api.CodeUnauthorized)
	}
}

// wantNothingOf wants a token and an approval of old to be worth nothing.
func (h *house) wantNothingOf(old *house, token, approved string) {
	h.t.Helper()
	_, err := h.get(token, plain)
	wantCode(h.t, "the old vault's token", err, api.CodeUnauthorized)
	if _, err := h.v.OwnApproval(ctx, h.as(h.owner), approved); err == nil {
		h.t.Error("the old vault's request is there")
	}
	for _, b := range []string{"tokens", "approvals", "wishes", "grants", "outbox"} {
		if b == "tokens" && len(old.keys(b)) == 0 {
			h.t.Errorf("the old vault has no %s to leave behind", b)
		}
		if now := h.keys(b); len(now) > 0 {
			h.t.Errorf("%s: %q", b, now)
		}
	}
}

func wantForeignCheckpoints(t *testing.T, one, two *house) {
	t.Helper()
	first, second := one.checkpoint(t), two.checkpoint(t)
	one.close()
	two.close()
	for _, h := range []struct {
		*house
		own, foreign chain.Checkpoint
	}{{one, first, second}, {two, second, first}} {
		if rep, err := vault.Verify(ctx, h.cfg, h.own); err != nil || rep.Problem != "" || !rep.HeadFile {
			t.Errorf("by its own checkpoint: %+v, %v", rep, err)
		}
		rep, err := vault.Verify(ctx, h.cfg, h.foreign)
		if err != nil {
			t.Fatal(err)
		}
		wantProblem(t, rep, "another vault")
	}
}

func (h *house) checkpoint(t *testing.T) chain.Checkpoint {
	t.Helper()
	c, err := h.v.Checkpoint(ctx, h.as(h.owner), 0)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := chain.ParseCheckpoint([]byte(c.Checkpoint))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// wantBirth wants the trail of the closed vault to begin with what it was made of, and to
// name who came along.
func (h *house) wantBirth(t *testing.T, got vault.Restored) {
	t.Helper()
	h.open()
	defer h.close()
	all := h.trail(audit.Filter{})
	made := fmt.Sprintf("made of a backup of %s up to event %d (%s)", got.Tenant, got.Head.Seq, got.Head.Hash)
	if first := all[0]; first.Action != audit.VaultInit || !strings.HasPrefix(first.Reason, made) || first.Vault == nil || first.Vault.Tenant != got.NewTenant {
		t.Errorf("event 1: %+v", first.Event)
	}
	at := slices.IndexFunc(all, func(s audit.Stored) bool { return strings.Contains(s.Reason, "which is another vault") })
	if at < 0 {
		t.Fatal("no vault.restore says who comes back")
	}
	for _, who := range got.Returned {
		if !strings.Contains(all[at].Reason, who.Command()) {
			t.Errorf("it does not say %q: %q", who.Command(), all[at].Reason)
		}
	}
	if _, err := os.Stat(h.file("restore")); err == nil {
		t.Error("the note is still there")
	}
	if p := h.protection(); p.Restored == nil || !p.Restored.RevocationsUnknown || p.Restored.Relation != "none" {
		t.Errorf("status says %+v", p.Restored)
	}
}

// wantOtherBytes wants nothing that a key of old protects in the file of the closed vault,
// but for what is sealed to the approval key.
func (h *house) wantOtherBytes(old *house) {
	h.t.Helper()
	file, l := h.fileBytes(), takeLoot(h.t, old.file("vault.db"), old.file("root.key"))
	kept := 0
	for k, sealed := range l.values {
		there, protected := bytes.Contains(file, sealed), bytes.Contains(sealed, []byte(l.keyed))
		if there != protected {
			h.t.Errorf("the value at %q is in the new file: %v, sealed to the approval key: %v", k, there, protected)
		}
		if there {
			kept++
		}
	}
	if kept == 0 || kept == len(l.values) {
		h.t.Errorf("%d of %d values are sealed to the approval key", kept, len(l.values))
	}
	for at, raw := range old.recordsOf(recordBuckets...) {
		if bytes.Contains(file, raw) {
			h.t.Errorf("the record %s/%q is in the new file as it was", at.bucket, at.key)
		}
	}
}

// wantSwapsFound: a value of one of both vaults that lies in the other is found, whatever
// it is sealed to; so is the record that goes with it. Both have another newest version of
// the same number.
func wantSwapsFound(t *testing.T, old, other *house) {
	t.Helper()
	old.open()
	for _, p := range []string{plain, sensitive} {
		old.mustPut(old.owner, p, "of the old one")
		other.mustPut(other.owner, p, "of the new one")
	}
	old.close()
	other.close()
	l := takeLoot(t, old.file("vault.db"), old.file("root.key"))
	for _, p := range []string{plain, sensitive} {
		value, header := old.valueOf(l, p, l.headers[p].Current), place{"secrets", p}
		ours := map[place][]byte{value: other.raw(value.bucket, value.key), header: other.raw(header.bucket, header.key)}
		other.setRaw(map[place][]byte{value: old.raw(value.bucket, value.key)})
		wantProblem(t, other.verify(), "changed, moved or missing")
		other.openUnchecked()
		who := other.owner
		if p != plain {
			who = other.steppedUp("secrets:read:" + p)
		}
		_, err := other.get(who, p)
		wantTampered(t, "a value of the other vault", err, p)
		other.close()
		other.setRaw(map[place][]byte{header: old.raw(header.bucket, header.key)})
		other.openUnchecked()
		_, err = other.get(other.owner, p)
		wantTampered(t, "the header with it", err, p)
		other.close()
		other.setRaw(ours)
	}
	other.tampered = false // it is as it was
}

// openUnchecked opens the vault as it stands before the check of the trail and anything
// else that goes on in the background.
func (h *house) openUnchecked() {
	h.t.Helper()
	var err error
	if h.v, err = vault.OpenUnchecked(h.cfg); err != nil {
		h.t.Fatalf("opening: %v", err)
	}
}

// TestThreat30AsNewPassphrases: the passphrases are good for what is sealed to the approval
// key of the other tenant, by the other or by the new one, also under another root key and
// with another passphrase; a new approval key is the vault's own; and another vault is made
// of that other one.
func TestThreat30AsNewPassphrases(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, sensitive, "v", tier("sensitive"))
	h.close()
	if _, err := vault.SetPassphraseUpTo(ctx, h.cfg, vault.PassphraseSetting{New: []byte(phrase)}, vault.StageSet); err != nil {
		t.Fatal(err)
	}
	h.phrase = phrase
	backup := copyFile(t, h.file("vault.db"), filepath.Join(t.TempDir(), "backup"))
	h.open()
	other := h.asNew(t, backup) // whose first start seals what is not sealed to the key yet
	other.mustRotateRoot()
	other.turned()
	third := other.asNew(t, other.copied())
	next := "another " + phrase
	if err := third.v.ChangePassphrase(ctx, third.as(third.owner), api.PassphraseChange{Passphrase: third.pass(), NewPassphrase: &next}); err != nil {
		t.Fatal(err)
	}
	third.phrase = next
	third.wantProtected(sensitive, "v")
	third.close()
	if bound := approvalTenant(third); bound != h.claim.Tenant {
		t.Errorf("the approval key is bound to %q", bound)
	}
	rec, err := vault.RecoverOwner(ctx, third.cfg, vault.Recovery{New: []byte(phrase), Lose: true})
	if err != nil {
		t.Fatal(err)
	}
	third.owner, third.phrase = rec.OwnerKey, phrase
	if bound := approvalTenant(third); bound != "" {
		t.Errorf("a new approval key is bound to %q", bound)
	}
	third.open()
	third.mustPut(third.owner, sensitive, "w", tier("sensitive"))
	noTries(h, other, third)
}

// approvalTenant is the tenant that the approval key of a closed vault is bound to.
func approvalTenant(h *house) string {
	h.t.Helper()
	var st struct {
		ApprovalTenant string `json:"approval_tenant"`
	}
	if err := unmarshalRecord(h.raw("vault", "state"), &st); err != nil {
		h.t.Fatal(err)
	}
	return st.ApprovalTenant
}

// TestAsNewInTheMidst: of a backup in which keys are being turned over, in a lockdown, and
// with what expires or has, comes a vault in which the one is done, and the others hold.
func TestAsNewInTheMidst(t *testing.T) {
	h := newHouse(t)
	h.mustImport(h.owner, manyLines(900))
	h.mustPut(h.owner, "a/GONE", "v")
	h.mustDelete(h.owner, "a/GONE")
	h.mustPut(h.owner, "a/OVER", "v", h.in(time.Hour))
	h.clock.advance(2 * time.Hour)
	h.mustPut(h.owner, "a/ENDS", "v", h.in(48*time.Hour))
	h.lockDown()
	h.close()
	h.openUnchecked() // where nobody goes on with what is begun
	h.mustRotateRoot()
	h.close()
	if len(h.keysOf("root")) != 1 {
		t.Fatal("the old root key is not kept")
	}
	h.clock.advance(-2 * time.Hour) // gives nothing back
	other := h.asNew(t, copyFile(t, h.file("vault.db"), filepath.Join(t.TempDir(), "backup")))
	if s := other.status(); s.Turn != nil {
		t.Errorf("keys are being turned over: %+v", s.Turn)
	}
	_, err := other.get(h.owner, "a/ENDS")
	wantCode(t, "reading", err, api.CodeLockedDown)
	other.lift()
	other.mustGet(h.owner, "app/env/K899", "value 899")
	if info := other.mustPut(h.owner, "a/GONE", "w"); info.Version != 2 {
		t.Errorf("a secret that was deleted begins again at version %d", info.Version)
	}
	if !other.all()["a/OVER"].Expired {
		t.Error("what had expired is good again")
	}
	other.clock.advance(51 * time.Hour)
	other.sweep()
	if ends := other.expiries(); len(ends) == 0 {
		t.Error("nobody is told that a secret has expired")
	}
	for _, role := range []string{"kek", "audit", "token"} {
		other.only(role)
	}
	h.tampered = true // nobody opens it any more, and it is not done
}

// TestAsNewSlots: the slots come along whose secret is at hand, the others are named; one
// of a keyring never does, and alone it makes no other vault.
func TestAsNewSlots(t *testing.T) {
	h := newHouse(t)
	text, stick := string(api.NewSlotPassphrase()), filepath.Join(t.TempDir(), "stick.key")
	p := h.mustAddSlot(api.SlotAdd{Kind: api.SlotPassphrase, NewPassphrase: &text})
	f := h.mustAddSlot(fileSlot(t, stick))
	other, _ := h.placed(t, h.copied())
	until, stop := context.WithCancel(ctx)
	stop() // the daemon
	_, err := vault.NewSealed(until, other.cfg).Unseal(ctx, local(1000), &text)
	if err == nil || !strings.Contains(err.Error(), "the daemon stops") {
		t.Fatalf("it is opened by a daemon that stops, or told %v", err)
	}
	if other.v, err = vault.NewSealed(ctx, other.cfg).Unseal(ctx, local(1000), &text); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.end)
	now := other.slots()
	if len(now) != 2 || slices.ContainsFunc(now, func(s api.Slot) bool { return s.ID == p.ID || s.ID == f.ID }) ||
		!slices.ContainsFunc(now, func(s api.Slot) bool { return s.AddedBy != nil && *s.AddedBy == "ada" && s.Opened }) {
		t.Errorf("slots: %+v", now)
	}
	if ev := other.trail(audit.Filter{Action: string(audit.VaultInit)})[0]; !strings.Contains(ev.Reason, "in 2 slots; dropped: "+f.ID+" (file)") {
		t.Errorf("vault.init says %q", ev.Reason)
	}
	other.reopen() // by its key file
}

// TestAsNewKeyring: a slot of a keyring stays behind, whose entry is the old tenant's; a
// start that has nothing else makes no vault that nothing would open.
func TestAsNewKeyring(t *testing.T) {
	dir, key := t.TempDir(), filepath.Join(t.TempDir(), "root.key")
	entry, file := fromKeyring(), vault.FileOpener(key)
	cfg := vault.Config{Dir: filepath.Join(dir, "one"), KeyFile: key, Openers: []vault.Opener{entry}}
	cfg.Seals = func(tenant string) ([]seal.Secret, error) {
		one, _ := entry.Secret(ctx, tenant)
		two, err := cfg.MakeKeyFile()
		return []seal.Secret{one, two}, err
	}
	v, err := vault.Create(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mustOK(t, v.Close())
	next := vault.Config{Dir: filepath.Join(dir, "two"), Openers: cfg.Openers}
	if _, err := vault.RestoreAsNew(ctx, next, filepath.Join(cfg.Dir, "vault.db")); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.Open(next); err == nil || !strings.Contains(err.Error(), "--key-file") {
		t.Errorf("with the entry alone: %v", err)
	}
	next.Openers = append(next.Openers, file)
	if v, err = vault.Open(next); err != nil {
		t.Fatal(err)
	}
	mustOK(t, v.Close())
	next.Openers = []vault.Opener{entry}
	if _, err := vault.Open(next); err == nil || strings.Contains(err.Error(), "keyring") {
		t.Errorf("a slot of a keyring is there: %v", err)
	}
}

// fromKeyring is an opener with a key, as of a keyring.
func fromKeyring() vault.Opener {
	_, text := seal.NewKeyringKey()
	return vault.Opener{Kind: seal.KindKeyring, What: "entry", Secret: func(context.Context, string) (seal.Secret, error) {
		return seal.ParseKeyringKey(text)
	}}
}

// TestAsNewRefused: where a vault is, or could be, and what no other vault can be made of:
// one line that says what to do, and nothing is changed.
func TestAsNewRefused(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	backup := h.copied()
	empty := func() vault.Config { return vault.Config{Dir: filepath.Join(t.TempDir(), "new"), Now: h.cfg.Now} }
	waits := empty()
	if _, err := vault.Restore(ctx, waits, backup); err != nil {
		t.Fatal(err)
	}
	beside, headless, noted := empty(), empty(), empty()
	beside.KeyFile = h.file("root.key")
	mustOK(t, os.Mkdir(headless.Dir, 0o700))
	copyFile(t, h.file("head"), filepath.Join(headless.Dir, "head"))
	noted.KeyFile = filepath.Join(waits.Dir, "root.key")
	for name, tc := range map[string]struct {
		cfg  vault.Config
		file string
		says []string
	}{
		"over itself":       {h.cfg, backup, []string{"there is a vault in", "--data-dir"}},
		"twice":             {waits, backup, []string{"there is a vault in", "--data-dir"}},
		"its key file":      {beside, backup, []string{"lies beside the key file", "--key-file"}},
		"a head file":       {headless, backup, []string{"a vault was here", "--data-dir"}},
		"a restore waits":   {noted, backup, []string{"a restore waits", "remove the note"}},
		"no backup":         {empty(), h.file("root.key"), []string{"cannot be restored"}},
		"only of a keyring": {empty(), keyringOnly(t, h), []string{"only an entry of a keyring", "ass vault slots add"}},
	} {
		_, err := vault.RestoreAsNew(ctx, tc.cfg, tc.file)
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "nothing was changed: ") {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, says := range tc.says {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v, want %q in it", name, err, says)
			}
		}
		if left, _ := filepath.Glob(filepath.Join(tc.cfg.Dir, "vault.db.restore-*")); left != nil {
			t.Errorf("%s: left behind: %q", name, left)
		}
	}
	h.mustGet(h.owner, plain, "v")
}

// keyringOnly is a backup of a vault that only an entry of a keyring opens.
func keyringOnly(t *testing.T, h *house) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keyring")
	cfg := vault.Config{Dir: dir, Now: h.cfg.Now, Seals: func(tenant string) ([]seal.Secret, error) {
		key, err := fromKeyring().Secret(ctx, tenant)
		return []seal.Secret{key}, err
	}}
	v, err := vault.Create(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mustOK(t, v.Close())
	return filepath.Join(dir, "vault.db")
}

// TestAsNewTampered: a backup that was changed since it was put in place is not taken over.
func TestAsNewTampered(t *testing.T) {
	h := newHouse(t)
	h.agent("mia", "secrets:*:*")
	h.mustPut(h.owner, plain, "v")
	h.close()
	living := h.recordsOf("agents", "names")
	h.open()
	h.revokeAgent("mia")
	other, _ := h.placed(t, h.copied())
	other.setRaw(living) // genuine, and older
	if err := other.tryOpen(); err == nil || !strings.Contains(err.Error(), "put back") {
		t.Errorf("opening: %v", err)
	}
	if left, _ := filepath.Glob(other.file("vault.db.restore-*")); left != nil {
		t.Errorf("left behind: %q", left)
	}
	if rep := other.verify(); rep.Tenant != h.claim.Tenant {
		t.Errorf("it is %s", rep.Tenant)
	}
}

// TestAsNewStopped: killed before the new file has its name, or before the head file is
// written or the note removed, the next start makes it whole; a note that comes again
// later does no harm.
func TestAsNewStopped(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	other, got := h.placed(t, h.copied())
	note := other.readFile("restore")
	for _, begun := range []string{"vault.db.restore-AAAAAAAAAAAAAAAAAAAAAAAAAA", "vault.db.restore-AAAAAAAAAAAAAAAAAAAAAAAAAA.new-123"} {
		copyFile(t, other.file("vault.db"), other.file(begun))
	}
	wantWhole := func(when string) {
		t.Helper()
		other.open()
		other.mustGet(h.owner, plain, "v")
		if tenant := other.v.Tenant(); tenant != got.NewTenant {
			t.Errorf("%s: it is %s", when, tenant)
		}
		other.close()
		if rep := other.verify(); rep.Problem != "" || !rep.HeadFile || rep.RestorePending {
			t.Errorf("%s: %+v", when, rep)
		}
		if left, _ := filepath.Glob(other.file("*restore*")); left != nil {
			t.Errorf("%s: left behind: %q", when, left)
		}
	}
	wantWhole("while it was made")
	mustOK(t, os.Remove(other.file("head")))
	mustOK(t, os.WriteFile(other.file("restore"), note, 0o600))
	if rep := other.verify(); rep.Problem != "" || !rep.RestorePending {
		t.Errorf("without its head file: %+v", rep)
	}
	wantWhole("before the head file")

	older := copyFile(t, other.file("vault.db"), filepath.Join(t.TempDir(), "older"))
	other.open()
	other.mustPut(h.owner, plain, "w")
	other.close()
	copyFile(t, older, other.file("vault.db"))
	mustOK(t, os.WriteFile(other.file("restore"), note, 0o600))
	if err := other.tryOpen(); !errors.Is(err, audit.ErrRollback) {
		t.Errorf("with the note a second time, an older file: %v", err)
	}
}

// TestAsNewGivenUp: told to stop at any moment of the first start, that ends with the backup
// as it was and nothing beside it, and the next one makes the other vault.
func TestAsNewGivenUp(t *testing.T) {
	h := newHouse(t)
	h.mustImport(h.owner, manyLines(250))
	other, got := h.placed(t, h.copied())
	was := other.readFile("vault.db")
	for n := int64(1); ; n *= 2 {
		until, stop := context.WithCancel(ctx)
		cfg, looks := other.cfg, atomic.Int64{}
		cfg.Now = func() time.Time {
			if looks.Add(1) == n {
				stop()
			}
			return h.clock.Now()
		}
		v, err := vault.OpenUntil(until, cfg)
		stop()
		if err == nil {
			mustOK(t, v.Close())
			if n == 1 {
				t.Error("it is not given up")
			}
			break
		}
		if left, _ := filepath.Glob(other.file("vault.db.*")); !errors.Is(err, context.Canceled) || left != nil || !bytes.Equal(was, other.readFile("vault.db")) {
			t.Fatalf("stopped at look %d at the clock: %v; left behind: %q", n, err, left)
		}
	}
	other.open()
	t.Cleanup(other.end)
	other.mustGet(h.owner, "app/env/K249", "value 249")
	if tenant := other.v.Tenant(); tenant != got.NewTenant {
		t.Errorf("it is %s", tenant)
	}
}

// TestAsNewForged: a note beside the key file makes no other vault of one that is in use,
// whose trail would be gone; nor of a backup whose key file came with a head file. To look
// which configuration counts makes nothing of a backup at all.
func TestAsNewForged(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	other, got := h.placed(t, h.copied())
	h.close()
	_, head, err := audit.PeekHeadFile(h.file("head"))
	mustOK(t, err)
	forged, err := json.Marshal(map[string]any{"format": 1, "tenant": h.claim.Tenant, "at": h.cfg.Now(), "backup": head.Head, "relation": "none", "into": got.NewTenant})
	mustOK(t, err)
	mustOK(t, os.WriteFile(h.file("restore"), forged, 0o600))
	if _, _, err := vault.ConfigInForce(other.cfg); err != nil {
		t.Fatal(err)
	}
	copyFile(t, h.file("head"), other.file("head"))
	for _, at := range []*house{h, other} {
		before := at.readFile("vault.db")
		if err := at.tryOpen(); err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "nothing was changed: ") {
			t.Errorf("opening: %v", err)
		}
		if !bytes.Equal(before, at.readFile("vault.db")) {
			t.Error("the data file was changed")
		}
	}
	mustOK(t, errors.Join(os.Remove(h.file("restore")), os.Remove(other.file("head"))))
	h.open()
	h.mustGet(h.owner, plain, "v")
	other.open()
	defer other.end()
	if tenant := other.v.Tenant(); tenant != got.NewTenant {
		t.Errorf("it is %s", tenant)
	}
}

// TestRestoreAtOnce: of two restores into one place the second changes nothing.
func TestRestoreAtOnce(t *testing.T) {
	h := newHouse(t)
	backup, cfg := h.copied(), vault.Config{Dir: filepath.Join(t.TempDir(), "new")}
	mustOK(t, os.Mkdir(cfg.Dir, 0o700))
	leave, err := store.HoldDir(cfg.Dir)
	mustOK(t, err)
	for _, restore := range []func(context.Context, vault.Config, string) (vault.Restored, error){vault.Restore, vault.RestoreAsNew} {
		if _, err := restore(ctx, cfg, backup); !errors.Is(err, store.ErrLocked) {
			t.Errorf("while another one is under way: %v", err)
		}
	}
	if left, _ := os.ReadDir(cfg.Dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	mustOK(t, leave())
	if _, err := vault.RestoreAsNew(ctx, cfg, backup); err != nil {
		t.Error(err)
	}
}

func init() { children["asnew"] = asNewChild }

// asNewChild opens the vault, and kills itself where it logs what it is told.
func asNewChild(dir string) error {
	log := hclog.New(&hclog.LoggerOptions{Output: lastWords(os.Getenv(ownerEnv))})
	v, err := vault.Open(vault.Config{Dir: dir, Log: log})
	if err != nil {
		return err
	}
	return v.Close()
}

// lastWords is a log that ends the process with these words in a line; "": it does not.
type lastWords string

func (w lastWords) Write(line []byte) (int, error) {
	if w != "" && bytes.Contains(line, []byte(w)) {
		syscall.Kill(os.Getpid(), syscall.SIGKILL) //nolint:errcheck // there is no after
		select {}
	}
	return len(line), nil
}

// TestAsNewKilled: killed at any moment of the first start, it is the backup still, or the
// other vault; the next start makes it the other one.
func TestAsNewKilled(t *testing.T) {
	h := newHouse(t)
	h.cfg.Now = time.Now
	h.reopen()
	h.mustImport(h.owner, manyLines(250))
	backup := h.copied()
	outcome := map[string]int{}
	whole := time.Duration(0) // how long it takes
	for n := range 5 {
		other, got := h.placed(t, backup)
		began := time.Now()
		switch n {
		case 0:
			other.killed("asnew", "", 0)
			whole = time.Since(began)
		case 1:
			other.lastWords(t, "another vault was made") // it has its name, and no head file
		default:
			other.killed("asnew", "", whole*time.Duration(n-1)/4)
		}
		rep := other.verify()
		if rep.Problem != "" || rep.Tenant != got.Tenant && rep.Tenant != got.NewTenant {
			t.Fatalf("killed, it verifies as %+v", rep)
		}
		outcome[map[bool]string{true: "the backup", false: "another"}[rep.Tenant == got.Tenant]]++
		if n == 1 && (rep.Tenant != got.NewTenant || rep.HeadFile || !rep.RestorePending) {
			t.Errorf("killed before the head file, it verifies as %+v", rep)
		}
		other.open()
		if other.v.Tenant() != got.NewTenant {
			t.Errorf("the next start makes it %s", other.v.Tenant())
		}
		other.mustGet(h.owner, "app/env/K249", "value 249")
		if left, _ := filepath.Glob(other.file("*restore*")); left != nil {
			t.Errorf("left behind: %q", left)
		}
		other.end()
	}
	t.Logf("killed, it was %v", outcome)
}

// lastWords runs a child until it logs that.
func (h *house) lastWords(t *testing.T, words string) {
	t.Helper()
	cmd := command(t, "asnew", h.cfg.Dir)
	cmd.Env = append(cmd.Env, ownerEnv+"="+words)
	if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.Success() {
		t.Fatalf("the child was not killed: %v", err)
	}
}

// TestAsNewTakesAll: of each bucket of records it is decided whether another vault has it.
func TestAsNewTakesAll(t *testing.T) {
	for _, b := range audit.RecordBuckets {
		if !slices.Contains(vault.TakenOverBuckets(), b) {
			t.Errorf("nobody has decided about %s", b)
		}
	}
	if n := len(vault.TakenOverBuckets()); n != len(audit.RecordBuckets) {
		t.Errorf("decided about %d buckets of %d", n, len(audit.RecordBuckets))
	}
}
