package vault_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/api"
)

// states is what a dry run says of each name, as "NAME state".
func (h *house) states(who, text string, options ...func(*api.ImportRequest)) (out []string) {
	h.t.Helper()
	for _, s := range h.mustImport(who, text, append(options, dry)...).States {
		out = append(out, s.Key+" "+s.State)
	}
	return out
}

// TestThreat25EqualityIsARead: whoever may write a secret and not read it tries
// values; nothing that an import answers tells which one is right. Who may read it
// is told, and the trail has a read of it.
func TestThreat25EqualityIsARead(t *testing.T) {
	d := newKeyedDesk(t)
	d.mustPut(d.owner, "production/PLAIN", "right")
	const right, wrong = "SENSITIVE=value of sensitive\nPLAIN=right\nNEW=x\n", "SENSITIVE=value of another\nPLAIN=wrong\nNEW=x\n"
	told := func(who, text string) string {
		got := d.mustImport(who, text, inProduction, dry)
		return fmt.Sprintf("%+v", got)
	}
	blind := map[string]string{
		"an agent that may only write":     d.agent("writer", "secrets:write:production/*").APIKey,
		"its token":                        "", // below
		"a token to write, of a reader":    d.token(d.mia.APIKey, "secrets:write:production/*").Token,
		"the same, of an owner":            d.token(d.owner, "secrets:write:production/*").Token,
		"a reader whom a rule denies it":   d.agent("barred", "secrets:*:*").APIKey,
		"a reader, with another's to read": d.token(d.mia.APIKey, "secrets:write:production/*", "secrets:read:other/*").Token,
	}
	blind["its token"] = d.token(blind["an agent that may only write"], "secrets:write:production/*").Token
	digest := d.hold("[[rule]]\nagents = ['barred']\nactions = ['read']\neffect = 'deny'\n")
	_, err := d.v.AcceptFile(ctx, d.as(d.owner), api.PolicyAccept{Name: api.PolicyFile, Digest: digest, Passphrase: d.pass()})
	mustOK(t, err)
	for name, who := range blind {
		before := d.events()
		a, b := told(who, right), told(who, wrong)
		if a != b || !strings.Contains(a, "State:exists") || strings.Contains(a, "changed") {
			t.Errorf("%s can tell: %s, %s", name, a, b)
		}
		for _, said := range d.since(before) {
			if strings.HasPrefix(said, "secret.read") || strings.HasPrefix(said, "approval") {
				t.Errorf("%s left %q", name, said)
			}
		}
		a, b = fmt.Sprint(d.importAs(who, right, inProduction, dry, keeping)), fmt.Sprint(d.importAs(who, wrong, inProduction, dry, keeping))
		if a != b {
			t.Errorf("%s can tell, without overwriting: %s, %s", name, a, b)
		}
	}

	// What may be read is told; what an approval is needed for is not, and none is
	// asked for.
	before := d.events()
	diff(t, "an agent is told", d.states(d.mia.APIKey, right, inProduction), []string{"SENSITIVE exists", "PLAIN unchanged", "NEW new"})
	diff(t, "the trail", d.since(before), []string{
		"token.create / 0 for secrets:write:production/* secrets:read:production/*, one use by the key itself",
		"secret.read production/PLAIN 2 compared by a dry run", "secret.import production/ 0 dry run: 3 to store, 0 to skip",
	})
	diff(t, "an owner without the passphrase is told", d.states(d.owner, wrong, inProduction), []string{"SENSITIVE exists", "PLAIN changed", "NEW new"})

	// With a grant, or the passphrase, it is a read like any other, and uses it up.
	want := api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, MaxUses: ptr(1)}
	d.mustApproveWith(d.askFor(d.mia.APIKey, want))
	diff(t, "with a grant", d.states(d.mia.APIKey, right, inProduction), []string{"SENSITIVE unchanged", "PLAIN unchanged", "NEW new"})
	diff(t, "with it used up", d.states(d.mia.APIKey, wrong, inProduction), []string{"SENSITIVE exists", "PLAIN changed", "NEW new"})
	tok := d.steppedUp("secrets:read:"+sensitive, "secrets:write:"+sensitive, "secrets:write:"+guarded)
	diff(t, "with the passphrase", d.states(tok, "SENSITIVE=value of another\n", inProduction), []string{"SENSITIVE changed"})
	diff(t, "with it used", d.states(tok, "SENSITIVE=value of another\n", inProduction), []string{"SENSITIVE exists"})
}

// TestDryRunIsAboutNow: what is compared is what is there when it is decided.
func TestDryRunIsAboutNow(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "app/env/A", "1")
	h.mustPut(h.owner, "app/env/LONG", strings.Repeat("x", 40_000))
	h.mustPut(h.owner, "app/env/META", "m", func(w *api.SecretWrite) { w.Metadata = map[string]any{"note": strings.Repeat("n", 12_000)} })
	h.mustPut(h.owner, "app/env/GONE", "g")
	h.mustDelete(h.owner, "app/env/GONE")
	diff(t, "told", h.states(h.owner, "A=1\nLONG=x\nMETA=m\nGONE=g\n"), []string{"A unchanged", "LONG changed", "META unchanged", "GONE new"})
	bot := h.agent("bot", "secrets:*:*").APIKey
	for _, c := range []struct {
		what   string
		change func()
		want   api.ImportState
	}{
		{"another version", func() { h.mustPut(h.owner, "app/env/A", "2") }, api.ImportState{Key: "A", State: "changed"}},
		{"the same again", func() { h.mustPut(h.owner, "app/env/A", "1") }, api.ImportState{Key: "A", State: "unchanged"}},
		{"a higher tier", func() { h.mustPut(h.owner, "app/env/A", "1", tier("sensitive")) }, api.ImportState{Key: "A", State: "exists"}},
		{"nothing", func() {}, api.ImportState{Key: "A", State: "exists"}},
		{"a lower tier", func() { h.mustPut(h.owner, "app/env/A", "2", lowerTo("standard")) }, api.ImportState{Key: "A", State: "changed"}},
		{"none", func() { h.mustDelete(h.owner, "app/env/A") }, api.ImportState{Key: "A", State: "new"}},
		{"one", func() { h.mustPut(h.owner, "app/env/A", "1") }, api.ImportState{Key: "A", State: "unchanged"}},
		{"a rule", func() { h.accept("[[rule]]\nactions = ['read']\neffect = 'deny'\n") }, api.ImportState{Key: "A", State: "exists"}},
	} {
		got, err := h.v.ImportBetween(ctx, h.as(bot), api.ImportRequest{Namespace: "app/env", Content: ptr("A=1\n")}, c.change)
		if err != nil || len(got.States) != 1 || got.States[0] != c.want {
			t.Errorf("%s: told %v, %v; want %v", c.what, got.States, err, c.want)
		}
	}
}

// TestImportSaysWhy: an agent's reason reaches the owner.
func TestImportSaysWhy(t *testing.T) {
	d := newDesk(t)
	id := d.asked("importing", errOf(d.importAs(d.mia.APIKey, "CRITICAL=v\n", inProduction, func(w *api.ImportRequest) { w.Reason = "weekly\x1b[2J sync" })))
	if r := d.request(id); r.ClaimedReason == nil || *r.ClaimedReason != "weekly [2J sync" {
		t.Errorf("the owner is shown %+v", r.ClaimedReason)
	}
}
