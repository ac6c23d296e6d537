package vault_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/agent-secret-store/assd/vault/api"
)

func only(keys ...string) func(*api.ExportRequest) {
	return func(w *api.ExportRequest) { w.Keys = keys }
}
func forRun(w *api.ExportRequest) { w.Purpose = api.ForRun }

// export is what leaves of some namespaces, as "path=value version" each.
func (h *house) export(who, spaces string, options ...func(*api.ExportRequest)) (out []string, err error) {
	h.t.Helper()
	want := api.ExportRequest{Namespaces: strings.Fields(spaces)}
	for _, o := range options {
		o(&want)
	}
	list, err := h.v.Export(ctx, h.as(who), want)
	if err != nil && list != nil {
		h.t.Errorf("values came with the refusal %v", err)
	}
	for _, r := range list {
		out = append(out, fmt.Sprintf("%s/%s=%s %d", r.Namespace, r.Key, r.Value.Reveal(), r.Version))
	}
	return out, err
}

func (h *house) mustExport(who, spaces string, want []string, options ...func(*api.ExportRequest)) {
	h.t.Helper()
	got, err := h.export(who, spaces, options...)
	if err != nil {
		h.t.Fatalf("exporting %s: %v", spaces, err)
	}
	diff(h.t, "exported of "+spaces, got, want)
}

func (h *house) refusedExport(who, spaces string, code api.Code, says string, options ...func(*api.ExportRequest)) {
	h.t.Helper()
	_, err := h.export(who, spaces, options...)
	wantCode(h.t, "exporting "+spaces, err, code)
	if err != nil && !strings.Contains(err.Error(), says) {
		h.t.Errorf("exporting %s: %q does not say %q", spaces, err, says)
	}
}

func TestExport(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "app/env/B", "two\nlines", func(w *api.SecretWrite) { w.Metadata = map[string]any{"from": "x"} })
	h.mustPut(h.owner, "app/env/A", "old")
	h.mustPut(h.owner, "app/env/A", "")
	h.mustPut(h.owner, "app/env/sub/C", "not meant")
	h.mustPut(h.owner, "app/B", "of app")
	h.mustPut(h.owner, "app/env/GONE", "v")
	h.mustDelete(h.owner, "app/env/GONE")
	before := h.events()
	h.mustExport(h.owner, "app/env", []string{"app/env/A= 2", "app/env/B=two\nlines 1"})
	diff(t, "the trail", h.since(before), []string{
		"token.create / 0 for secrets:read:app/env/*, one use by the key itself",
		"secret.read app/env/A 2", "secret.read app/env/B 1", "secret.export app/env/ 0 2 secrets",
	})
	tok := h.token(h.owner, "secrets:read:app/*").Token
	before = h.events()
	h.mustExport(tok, "app/env app", []string{"app/env/B=two\nlines 1", "app/B=of app 1"}, only("B"))
	h.mustExport(tok, "app", []string{"app/B=of app 1"}, forRun)
	h.mustDelete(h.owner, "app/env/B")
	h.mustExport(tok, "app/env app", []string{"app/env/A= 2", "app/B=of app 1"}, only("B", "A"), forRun)
	diff(t, "the trail", h.since(before), []string{
		"secret.read app/env/B 1", "secret.read app/B 1", "secret.export app/env/ 0 1 secret", "secret.export app/ 0 1 secret",
		"secret.read app/B 1",
		"token.create / 0 for secrets:delete:app/env/B, one use by the key itself", "secret.delete app/env/B 1",
		"secret.read app/env/A 2", "secret.read app/B 1",
	})
	h.reopen()
	list, err := h.v.Export(ctx, h.as(h.owner), api.ExportRequest{Namespaces: []string{"app"}})
	if err != nil || len(list) != 1 || list[0].SecretType != "custom" || list[0].AccessTier != "standard" || list[0].ID == "" || list[0].UpdatedAt.IsZero() {
		t.Errorf("exported %+v, %v", list, err)
	}
}

func TestExportRefuses(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "a/K", "v")
	h.mustPut(h.owner, "a/deep/ONLY", "v")
	many := make([]string, 65)
	for i := range many {
		many[i] = fmt.Sprint("n", i)
	}
	for _, c := range []struct {
		spaces, says string
		code         api.Code
		option       func(*api.ExportRequest)
	}{
		{"", "namespaces: name 1 to 64", api.CodeValidation, forRun},
		{strings.Join(many, " "), "namespaces: name 1 to 64", api.CodeValidation, forRun},
		{"a b/../c", "namespaces: ", api.CodeValidation, forRun},
		{"a a", "namespaces: one stands there twice", api.CodeValidation, forRun},
		{"a", "keys: name at least one", api.CodeValidation, func(w *api.ExportRequest) { w.Keys = []string{} }},
		{"a", "keys: one stands there twice", api.CodeValidation, only("K", "K")},
		{"a", "keys: one is no key", api.CodeValidation, only("deep/ONLY")},
		{"a", "keys: one is no key", api.CodeValidation, only("")},
		{"a", "keys: one is no key", api.CodeValidation, only("rotate")},
		{"a", "purpose: must be export or run", api.CodeValidation, func(w *api.ExportRequest) { w.Purpose = "theft" }},
		{"a", "there is no secret NOR, NOT in a", api.CodeSecretNotFound, only("NOT", "K", "NOR")},
		{"a b", "there is no secret NOT in a or b", api.CodeSecretNotFound, only("K", "NOT")},
		{"b", "there is no secret directly in b", api.CodeSecretNotFound, forRun},
		{"a b", "there is no secret directly in b", api.CodeSecretNotFound, forRun},
		{"a", "in all namespaces together, more than 10000", api.CodeTooLarge, func(w *api.ExportRequest) { w.Keys = make([]string, 10_001) }},
	} {
		h.refusedExport(h.owner, c.spaces, c.code, c.says, c.option)
	}
}

// TestExportReach: what the caller does not see is not there for it, and it cannot
// tell.
func TestExportReach(t *testing.T) {
	h := newHouse(t)
	for _, p := range []string{"a/ONE", "a/TWO", "a/THREE", "b/ONE"} {
		h.mustPut(h.owner, p, "v")
	}
	some := h.agent("some", "secrets:read:a/ONE", "secrets:read:a/TWO").APIKey
	h.mustExport(some, "a", []string{"a/ONE=v 1", "a/TWO=v 1"})
	h.mustExport(h.token(some, "read:secrets").Token, "a", []string{"a/ONE=v 1", "a/TWO=v 1"})
	h.mustExport(h.token(some, "secrets:read:a/ONE").Token, "a", []string{"a/ONE=v 1"})
	h.refusedExport(some, "b", api.CodeScopeDenied, "to export this namespace")
	h.refusedExport(some, "a b", api.CodeScopeDenied, "to export this namespace")
	h.refusedExport(h.agent("none", "secrets:write:a/*").APIKey, "a", api.CodeScopeDenied, "")
	there, gone := errOf(h.export(some, "a", only("ONE", "THREE"))), errOf(h.export(some, "a", only("ONE", "NOT")))
	wantCode(t, "a key beyond the reach", there, api.CodeScopeDenied)
	if gone == nil || there.Error() != gone.Error() {
		t.Errorf("they can be told apart: %v, %v", there, gone)
	}
	// In one place it may look, and is told of that one alone.
	h.mustExport(some, "b a", []string{"a/ONE=v 1"}, only("ONE"))
	h.mustDelete(h.owner, "a/ONE")
	h.refusedExport(some, "b a", api.CodeSecretNotFound, "there is no secret ONE in b or a", only("ONE"))
	h.refusedExport("nonsense", "a", api.CodeUnauthorized, "")
	h.revokeAgent("some")
	h.refusedExport(some, "a", api.CodeUnauthorized, "")
}

// TestExportAsksForAllTogether: one request for all that wait; until it is approved
// nothing leaves, not even what would.
func TestExportAsksForAllTogether(t *testing.T) {
	d := newDesk(t)
	all := []string{sensitive + "=value of sensitive 1"}
	for _, wants := range []bool{false, true} { // by key, by a wildcard token
		who := d.mia.APIKey
		if wants {
			who = d.token(d.max.APIKey, "secrets:read:production/*").Token
		}
		at := d.last().Seq
		_, err := d.export(who, "production", func(w *api.ExportRequest) { w.Reason = "to\ndeploy" })
		id := d.asked("exporting", err)
		for _, ev := range d.newest(at) {
			if strings.HasPrefix(ev, "secret.read ") || strings.HasPrefix(ev, "secret.export") {
				t.Errorf("refused, it left %q", ev)
			}
		}
		r := d.request(id)
		if len(r.RequestedScopes) != 3 || r.ClaimedReason == nil || *r.ClaimedReason != "to deploy" || r.AccessTier != "critical" {
			t.Errorf("the request is %+v", r)
		}
		d.mustApprove(id)
		got, err := d.export(who, "production")
		if err != nil || len(got) != 4 {
			t.Errorf("approved, it is %q, %v", got, err)
		}
		d.mustExport(who, "production", all, only("SENSITIVE"))
	}
}

// TestExportCountsOnce: an export is one use of a token, and of each grant one.
func TestExportCountsOnce(t *testing.T) {
	d := newDesk(t)
	d.mustPut(d.owner, "a/ONE", "v")
	d.mustPut(d.owner, "a/TWO", "v")
	one := 1
	tok := d.issue(d.owner, api.TokenRequest{Scopes: []string{"secrets:read:a/*"}, MaxUses: &one}).Token
	d.mustExport(tok, "a", []string{"a/ONE=v 1", "a/TWO=v 1"})
	d.refusedExport(tok, "a", api.CodeUnauthorized, "used up")

	want := api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive, "secrets:read:" + guarded}, MaxUses: ptr(2)}
	d.mustApprove(d.askFor(d.mia.APIKey, want))
	tok = d.issue(d.mia.APIKey, want).Token
	if got, err := d.export(tok, "production"); err != nil || len(got) != 2 {
		t.Errorf("it is %q, %v", got, err)
	}
	// Both uses that the owner allowed, all of them together, are gone.
	d.asked("exporting again", errOf(d.export(tok, "production")))
}

// TestExportWithStepUp: a token made with the passphrase exports just the secrets
// that it names, each once.
func TestExportWithStepUp(t *testing.T) {
	d := newKeyedDesk(t)
	d.refusedExport(d.token(d.owner, "secrets:read:production/*").Token, "production", api.CodeStepUpRequired, "")
	tok := d.steppedUp("secrets:read:"+sensitive, "secrets:read:"+critical, "secrets:read:"+plain)
	d.refusedExport(tok, "production", api.CodeScopeDenied, "", only("GUARDED"))
	d.mustExport(tok, "production", []string{sensitive + "=value of sensitive 1"}, only("SENSITIVE"))
	d.mustExport(tok, "production", []string{critical + "=value of critical 1", plain + "=value of plain 1"})
	d.refusedExport(tok, "production", api.CodeUnauthorized, "used up")
	if ids, held := d.v.KeysKept(); held {
		t.Errorf("the approval key is kept for %v", ids)
	}
	// An agent's, with an approval that carried it.
	id := d.asked("exporting", errOf(d.export(d.mia.APIKey, "production")))
	d.mustApproveWith(id)
	if got, err := d.export(d.mia.APIKey, "production"); err != nil || len(got) != 4 {
		t.Errorf("approved, it is %q, %v", got, err)
	}
}

// TestExportIsBounded, before anything is decrypted.
func TestExportIsBounded(t *testing.T) {
	h := newHouse(t)
	large := strings.Repeat("x", 1<<20)
	for i := range 16 {
		h.mustPut(h.owner, fmt.Sprintf("large/K%02d", i), large)
	}
	if got, err := h.export(h.owner, "large"); err != nil || len(got) != 16 {
		t.Errorf("of 16 MiB there are %d, %v", len(got), err)
	}
	h.mustPut(h.owner, "large/K99", "x")
	h.refusedExport(h.owner, "large", api.CodeTooLarge, "more than 16777216 bytes")
	h.mustExport(h.owner, "large", []string{"large/K99=x 1"}, only("K99"))
	var text strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, "K%d=\n", i)
	}
	h.mustImport(h.owner, text.String())
	if got, err := h.export(h.owner, "app/env"); err != nil || len(got) != 10_000 {
		t.Errorf("of 10,000 there are %d, %v", len(got), err)
	}
	h.refusedExport(h.agent("bot").APIKey, "app/env", api.CodeTooLarge, "more than 2000 secrets")
	h.refusedExport(h.agent("cat").APIKey, "large", api.CodeTooLarge, "more than 8388608 bytes")
	h.mustPut(h.owner, "app/env/MORE", "v")
	h.refusedExport(h.owner, "app/env", api.CodeTooLarge, "more than 10000 secrets")
}

// TestExportIsOneMoment: while two secrets are written together, again and again,
// what leaves together was written together, and is what the trail says.
func TestExportIsOneMoment(t *testing.T) {
	h := newHouse(t)
	h.mustImport(h.owner, "A=1\nB=1\n")
	var writes sync.WaitGroup
	done := make(chan struct{})
	writes.Go(func() {
		for i := 2; ; i++ {
			select {
			case <-done:
				return
			default:
				h.mustImport(h.owner, fmt.Sprintf("A=%d\nB=%d\n", i, i))
			}
		}
	})
	for range 60 {
		got, err := h.export(h.owner, "app/env")
		if api.CodeOf(err) == api.CodeConflict {
			continue // it lost each race
		}
		if err != nil {
			t.Error(err)
			break
		}
		var a, b, va, vb int
		if _, err := fmt.Sscanf(strings.Join(got, " "), "app/env/A=%d %d app/env/B=%d %d", &a, &va, &b, &vb); err != nil || a != b || va != a || vb != b {
			t.Errorf("together left %q", got)
		}
	}
	close(done)
	writes.Wait()
}

// TestExportMeanwhile: what changes between the snapshot and the decision
// counts.
func TestExportMeanwhile(t *testing.T) {
	for what, c := range map[string]struct {
		change func(*desk)
		code   api.Code
	}{
		"a new version": {func(d *desk) { d.mustPut(d.owner, plain, "newer") }, ""},
		"removed":       {func(d *desk) { d.mustDelete(d.owner, plain) }, api.CodeSecretNotFound},
		"made anew":     {func(d *desk) { d.mustDelete(d.owner, plain); d.mustPut(d.owner, plain, "newer") }, ""},
		"tier raised":   {func(d *desk) { d.mustPut(d.owner, plain, "newer", tier("sensitive")) }, api.CodeApprovalRequired},
		"revoked":       {func(d *desk) { d.revokeAgent("mia") }, api.CodeUnauthorized},
		"locked down":   {func(d *desk) { d.lockDown() }, api.CodeLockedDown},
	} {
		t.Run(what, func(t *testing.T) {
			d := newDesk(t)
			req := d.as(d.mia.APIKey)
			list, err := d.v.ExportBetween(ctx, req, api.ExportRequest{Namespaces: []string{"production"}, Keys: []string{path(t, plain).Key()}}, func() { c.change(d) })
			if api.CodeOf(err) != c.code && (err != nil || c.code != "") {
				t.Errorf("%v, want %q", err, c.code)
			}
			if c.code == "" && (len(list) != 1 || string(list[0].Value.Reveal()) != "newer") {
				t.Errorf("what left is %v", list)
			}
		})
	}
}
