package vault_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
)

const frozenKeyedDir = "testdata/vault-v1-passphrase"

// frozenKeyed is what lies beside the frozen vault that has an approval passphrase.
type frozenKeyed struct {
	Owner, Passphrase             string // ada's, set with the claim
	SecondOwner, SecondPassphrase string // bob's, which he has changed
	Recovery                      string
	Agent                         string
	Values                        map[string]map[uint64]frozenValue // path, version
	Tiers                         map[string]string
	Events                        uint64
}

type frozenValue struct{ Value, Note string }

// TestFrozenVaultWithAPassphrase opens a vault that was made when the approval key
// was: every later version must open it, with each of its passphrases, and without
// one must not.
func TestFrozenVaultWithAPassphrase(t *testing.T) {
	var want frozenKeyed
	h := thawFrom(t, frozenKeyedDir, &want)
	h.cfg.Argon2, h.owner, h.phrase = quick, want.Owner, want.Passphrase
	if rep := h.verify(); rep.Problem != "" || rep.Events != want.Events {
		t.Errorf("it verifies as %+v", rep)
	}
	l := takeLoot(t, h.file("vault.db"), h.file("root.key"))
	for _, p := range slices.Sorted(maps.Keys(want.Values)) {
		if _, err := l.open(p, 1); (err == nil) != (want.Tiers[p] == "standard") {
			t.Errorf("without a passphrase %s: %v", p, err)
		}
	}
	h.open()
	if got := h.checked(); got != "ok" {
		t.Errorf("the check of the chain ends with %q", got)
	}
	for who, passphrase := range map[string]string{want.Owner: want.Passphrase, want.SecondOwner: want.SecondPassphrase} {
		h.wantFrozen(&want, who, passphrase)
	}
	_, err := h.get(want.Owner, "frozen/SENSITIVE")
	wantCode(t, "an owner without a passphrase", err, api.CodeStepUpRequired)
	h.opened(want.Agent, "frozen/SENSITIVE")
	newest := want.Values["frozen/SENSITIVE"][2]
	h.mustGet(want.Agent, "frozen/SENSITIVE", newest.Value)
	if info := h.mustPut(want.Owner, "frozen/GONE", "again"); info.AccessTier != "sensitive" || info.Version != 2 {
		t.Errorf("where the tombstone is, a new secret is %+v", info)
	}
	h.close()

	const next = "what ada has chosen since"
	mustOK(t, errOf(h.setFor("ada", want.Recovery, next)))
	h.phrase = next
	h.open()
	h.wantFrozen(&want, want.Owner, next)
	if info, err := os.Stat(filepath.Join(frozenKeyedDir, "vault.db")); err != nil || info.Size() > 200<<10 {
		t.Errorf("the frozen vault has %d bytes, %v", info.Size(), err)
	}
}

// frozenKeyedForms are what an approval passphrase adds to frozenForms, and what it
// adds to the members of those.
var frozenKeyedForms = map[string]frozenForm{
	"vault":       {`state`, frozenForms["vault"].members + " approval_key [resealing]"},
	"keys":        {`(kek/kek|audit/aud|token/jwk|approval/apk)_[a-z2-7]{26}`, "[sealed] [public]"},
	"secrets":     {frozenForms["secrets"].key, "id type tier [tier_rev] current created updated [deleted] [versions]"},
	"tokens":      {frozenForms["tokens"].key, frozenForms["tokens"].members + " [step_up] [used]"},
	"passphrases": {`own_[a-z2-7]{26}|recovery`, "key set name wrap holder"},
}

// TestFrozenLayoutWithAPassphrase looks at its records by hand.
func TestFrozenLayoutWithAPassphrase(t *testing.T) {
	var want frozenKeyed
	h := thawFrom(t, frozenKeyedDir, &want)
	forms := maps.Clone(frozenForms)
	maps.Copy(forms, frozenKeyedForms)
	l := takeLoot(t, h.file("vault.db"), h.file("root.key"))
	frozenRecords(t, h, l.root.Derive("record-mac"), forms)
	for holder := range l.locks {
		var lock struct {
			Key, Holder string
			Wrap        json.RawMessage
		}
		mustOK(t, unmarshalRecord(h.raw("passphrases", holder), &lock))
		if got := strings.Join(members(t, lock.Wrap), " "); got != "argon2 salt wrapped" || lock.Key != l.keyed || lock.Holder != holder {
			t.Errorf("the record of %s has %q, of %q for %q", holder, got, lock.Key, lock.Holder)
		}
	}
}

// wantFrozen wants an owner to read each version.
func (h *house) wantFrozen(want *frozenKeyed, who, passphrase string) {
	h.t.Helper()
	for p, versions := range want.Values {
		for n, v := range versions {
			tok, err := h.stepUp(who, passphrase, "secrets:read:"+p)
			if err != nil {
				h.t.Fatalf("stepping up: %v", err)
			}
			r, _, err := h.v.Get(ctx, h.as(tok.Token), policy.RequestPath{Pieces: 2, Path: path(h.t, p)}, n)
			if err != nil {
				h.t.Errorf("%s version %d: %v", p, n, err)
				continue
			}
			if note, _ := r.Metadata["note"].(string); string(r.Value.Reveal()) != v.Value || note != v.Note || r.AccessTier != want.Tiers[p] {
				h.t.Errorf("%s version %d is %q with %v, %s; want %+v", p, n, r.Value.Reveal(), r.Metadata, r.AccessTier, v)
			}
		}
	}
}

// TestFrozenVaultGetsAPassphrase: what was written before there was an approval key
// is sealed to it, and known to have metadata.
func TestFrozenVaultGetsAPassphrase(t *testing.T) {
	h, want := thaw(t)
	h.cfg.Argon2 = quick
	h.setPassphrase(phrase)
	h.open()
	h.wantProtected("frozen/CRITICAL", want.Values["frozen/CRITICAL"][1])
	h.mustGet(want.Owner, "frozen/KEY", "two")
	h.mustPut(want.Owner, "frozen/KEY", "three", tier("sensitive"))
	for n, value := range want.Values["frozen/KEY"] {
		if r := h.reading("frozen/KEY", n); string(r.Value.Reveal()) != value {
			t.Errorf("version %d is %q", n, r.Value.Reveal())
		}
	}
	if r := h.reading("frozen/KEY", 2); r.Metadata["note"] != "kept" {
		t.Errorf("its metadata is %v", r.Metadata)
	}
}
