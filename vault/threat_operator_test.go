package vault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

const policyPath = "/etc/assd/policy.toml"

// TestThreat19WhatCounts: what counts is the text accepted last. A file that is not
// there, broken or not valid changes nothing and is shown; so does one that says the
// same.
func TestThreat19WhatCounts(t *testing.T) {
	broken := "[tiers.sensitive]\napprovals = 0\n"
	for name, tc := range map[string]struct {
		text    string
		problem error
		says    string // "": nothing is wrong
	}{
		"the same":      {ruleDenies, nil, ""},
		"not there":     {"", errors.New("there is no such file"), "no such file"},
		"others' write": {"", errors.New("others can write it"), "others can write"},
		"not TOML":      {"[[rule", nil, "line 1"},
		"not valid":     {broken, nil, "line 2"},
		"too large":     {strings.Repeat("# x\n", policy.MaxFile/4+1), nil, "larger than"},
		"not UTF-8":     {"# \xff", nil, "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.accept(ruleDenies)
			at := d.last().Seq
			changed, err := d.v.OfferPolicy(ctx, policyPath, []byte(tc.text), tc.problem)
			if changed || (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("offered: %v, %v", changed, err)
			}
			f := d.policyFile()
			state := api.FileInForce
			if tc.says != "" {
				state = api.FileProblem
			}
			if f.State != state || !strings.Contains(f.Problem, tc.says) || f.Text != ruleDenies || f.Path != policyPath {
				t.Errorf("the file is %+v", f)
			}
			if me, err := d.v.Me(ctx, d.as(d.owner)); err != nil || me.Protection.Policy != state || me.Protection.PolicyRules != 1 || me.Protection.PolicyProblem != f.Problem {
				t.Errorf("an owner is told %+v, %v", me.Protection, err)
			}
			d.wantEvents(at)
			for range 2 {
				d.reads("a read", d.mia.APIKey, api.CodeScopeDenied)
				d.reopen() // and without any file
			}
			if f := d.policyFile(); f.State != api.FileInForce || f.Text != ruleDenies || f.AcceptedBy != "assd" || f.AcceptedAt == nil {
				t.Errorf("after a start the file is %+v", f)
			}
		})
	}
}

// TestThreat19Taken: a valid change is taken at once where there is no passphrase,
// with an event that names its digest.
func TestThreat19Taken(t *testing.T) {
	d := newDesk(t)
	if f := d.policyFile(); f.State != api.FileNone || f.Digest != "" || f.AcceptedAt != nil {
		t.Errorf("before any, the file is %+v", f)
	}
	for _, text := range []string{ruleDenies, ruleAsks, "", ruleDenies} {
		at := d.last().Seq
		d.accept(text)
		d.wantEvents(at, "policy.reload")
		f, ev := d.policyFile(), d.last()
		if ev.Actor.Kind != "daemon" || ev.Reason != f.Digest || f.Text != text {
			t.Errorf("its event is %+v, the file %+v", ev.Event, f)
		}
		d.accept(text)
		d.wantEvents(at, "policy.reload")
	}
	// A text that was broken in between is taken when it is whole again.
	d.v.OfferPolicy(ctx, policyPath, []byte("["), nil) //nolint:errcheck // seen below
	if f := d.policyFile(); f.State != api.FileProblem {
		t.Errorf("broken, the file is %+v", f)
	}
	d.accept(ruleDenies)
	if f := d.policyFile(); f.State != api.FileInForce || f.Problem != "" {
		t.Errorf("whole again, the file is %+v", f)
	}
}

// TestThreat19Accept: an owner accepts just the text that was shown.
func TestThreat19Accept(t *testing.T) {
	d := newDesk(t)
	bob := d.another("bob")
	d.accept(twoOwners)
	shown := d.hold(onceOwner)
	accept := func(key, digest string) error {
		_, err := d.v.AcceptFile(ctx, d.as(key), api.PolicyAccept{Name: api.PolicyFile, Digest: digest})
		return err
	}
	if _, err := d.approveAs(bob, d.asked("accepting", accept(d.owner, shown))); err != nil {
		t.Fatal(err)
	}
	d.hold("") // an agent has written to the file meanwhile
	wantCode(t, "accepting what was shown", accept(d.owner, shown), api.CodeConflict)
	d.asked("accepting what nobody has approved", accept(d.owner, d.policyFile().HeldDigest))
	d.hold(onceOwner)
	for what, key := range map[string]string{"an agent": d.mia.APIKey, "a token": d.token(d.owner, "secrets:*:*").Token} {
		wantCode(t, what+" accepts", accept(key, shown), api.CodeScopeDenied)
	}
	at := d.last().Seq
	told := ""
	d.v.OnAccept(func(name string) { told = name })
	if err := accept(d.owner, shown); err != nil {
		t.Fatal(err)
	}
	d.wantEvents(at, "policy.reload")
	if f := d.policyFile(); f.State != api.FileInForce || f.Text != onceOwner || f.AcceptedBy != "ada" || told != api.PolicyFile {
		t.Errorf("accepted, the file is %+v; told was %q", f, told)
	}
	wantCode(t, "accepting it again", accept(d.owner, shown), api.CodeConflict)
	_, err := d.v.AcceptFile(ctx, d.as(d.owner), api.PolicyAccept{Name: "other.toml", Digest: shown})
	wantCode(t, "accepting another file", err, api.CodeValidation)
}

// TestThreat19PutRight: a change that goes back to what is in force is none.
func TestThreat19PutRight(t *testing.T) {
	d := newDesk(t)
	d.another("bob")
	d.accept(twoOwners)
	digest := d.hold("")
	d.accept(twoOwners)
	if f := d.policyFile(); f.State != api.FileInForce || f.HeldDigest != "" {
		t.Errorf("put back, the file is %+v", f)
	}
	_, err := d.v.AcceptFile(ctx, d.as(d.owner), api.PolicyAccept{Name: api.PolicyFile, Digest: digest})
	wantCode(t, "accepting what does not wait any more", err, api.CodeConflict)
}

// TestThreat19Config: assd.toml goes the same way.
func TestThreat19Config(t *testing.T) {
	d := newDesk(t)
	if text, err := d.v.AcceptedConfig(); err != nil || text != nil {
		t.Errorf("before any it is %q, %v", text, err)
	}
	at := d.last().Seq
	for range 2 {
		if _, err := d.v.OfferConfig(ctx, "/etc/assd/assd.toml", []byte("x = 1"), nil); err != nil {
			t.Fatal(err)
		}
	}
	d.v.OfferConfig(ctx, "/etc/assd/assd.toml", nil, errors.New("broken")) //nolint:errcheck // seen below
	d.wantEvents(at, "config.reload")
	me, err := d.v.Me(ctx, d.as(d.owner))
	if err != nil || me.Protection.Config != api.FileProblem || me.Protection.ConfigProblem != "broken" {
		t.Errorf("an owner is told %+v, %v", me.Protection, err)
	}
	d.reopen()
	if text, err := d.v.AcceptedConfig(); err != nil || string(text) != "x = 1" {
		t.Errorf("after a start it is %q, %v", text, err)
	}
}

// TestThreat19Tampered: the accepted text in the file is a record like others.
func TestThreat19Tampered(t *testing.T) {
	rec, text := place{"vault", "policy"}, place{"vault", "policy-text"}
	setUp := func(t *testing.T) (d *desk, older map[place][]byte) {
		d = newDesk(t)
		d.accept("")
		older = map[place][]byte{rec: d.raw(rec.bucket, rec.key), text: d.raw(text.bucket, text.key)}
		d.accept(ruleDenies)
		return d, older
	}
	found := func(d *desk, names string) {
		d.t.Helper()
		wantProblem(d.t, d.verify(), names)
		v, err := vault.OpenUnchecked(d.cfg)
		if err != nil {
			if !strings.Contains(err.Error(), names) && !strings.Contains(err.Error(), "put back or removed") {
				d.t.Errorf("opening: %v, want something about %q", err, names)
			}
			return
		}
		d.v = v
		d.get(d.mia.APIKey, plain) //nolint:errcheck // what was put back whole is genuine until it is checked
		d.close()
		wantProblem(d.t, d.verify(), names)
	}
	for name, at := range map[string]place{"record": rec, "text": text} {
		t.Run("the "+name+" changed", func(t *testing.T) {
			d, _ := setUp(t)
			now := d.raw(at.bucket, at.key)
			now[len(now)-4] ^= 1
			d.close()
			d.setRaw(map[place][]byte{at: now})
			found(d, "record vault/policy")
			if err := d.tryOpen(); err == nil {
				t.Error("it is opened")
			}
		})
		t.Run("the "+name+" put back", func(t *testing.T) {
			d, older := setUp(t)
			d.close()
			d.setRaw(map[place][]byte{at: older[at]})
			v, err := vault.OpenUnchecked(d.cfg)
			if at == rec {
				wantNotOpened(t, err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			d.v = v
			_, err = d.get(d.mia.APIKey, plain)
			wantTampered(t, "a read", err, "not the text that was accepted")
			d.close()
			found(d, "record "+at.bucket+"/"+at.key)
		})
		t.Run("the "+name+" removed", func(t *testing.T) {
			d, _ := setUp(t)
			d.close()
			d.removeRaw(at)
			found(d, "record "+at.bucket+"/"+at.key)
		})
	}
	t.Run("both put back", func(t *testing.T) {
		d, older := setUp(t)
		d.close()
		d.setRaw(older)
		found(d, "record vault/policy")
	})
	t.Run("running", func(t *testing.T) {
		d, _ := setUp(t)
		now := d.raw(rec.bucket, rec.key)
		other := replaced(t, now, `"by":"assd"`, `"by":"asse"`)
		d.patch(now, other)
		_, err := d.get(d.mia.APIKey, plain)
		wantTampered(t, "a read", err, "record vault/policy")
		d.patch(other, now)
		d.reads("put right", d.mia.APIKey, api.CodeScopeDenied)
	})
}

// TestThreat19Limit: the longest text is kept whole, and every act stays quick.
func TestThreat19Limit(t *testing.T) {
	d := newDesk(t)
	text := ruleDenies
	text += strings.Repeat("#", policy.MaxFile-len(text))
	d.accept(text)
	d.reopen()
	if f := d.policyFile(); f.Text != text {
		t.Errorf("%d bytes are kept of %d", len(f.Text), len(text))
	}
	d.reads("a read", d.mia.APIKey, api.CodeScopeDenied)
	if got := d.checked(); got != "ok" {
		t.Error(got)
	}
	if n := len(d.trail(audit.Filter{Action: string(audit.PolicyReload)})); n != 1 {
		t.Errorf("%d events tell of %s", n, fmt.Sprintf("%.20q", text))
	}
}
