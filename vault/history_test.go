package vault_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

func (h *house) history(who, p string) (api.SecretVersions, error) {
	h.t.Helper()
	return h.v.History(ctx, h.as(who), path(h.t, p))
}

// versions are the numbers of the kept versions, newest first.
func (h *house) versions(who, p string) (all []uint64) {
	h.t.Helper()
	got, err := h.history(who, p)
	if err != nil {
		h.t.Fatalf("the history of %s: %v", p, err)
	}
	for _, v := range got.Items {
		all = append(all, v.Version)
	}
	return all
}

func TestHistory(t *testing.T) {
	h := newHouse(t)
	bot := h.agent("bot", "secrets:*:*")
	start := h.clock.Now()
	for i, who := range []string{h.owner, bot.APIKey, h.owner} {
		h.mustPut(who, plain, fmt.Sprint("value-of-", i+1), meta("secret-note"))
		h.clock.advance(time.Minute)
	}
	at := h.last().Seq
	got, err := h.history(bot.APIKey, plain)
	if err != nil {
		t.Fatal(err)
	}
	after := func(n int) *time.Time { return ptr(start.Add(time.Duration(n) * time.Minute)) }
	diff(t, "the history", got, api.SecretVersions{Namespace: "production", Key: "PLAIN", Items: []api.SecretVersion{
		{Version: 3, CreatedAt: *after(2), CreatedBy: "ada", CreatedByKind: "owner", Current: true},
		{Version: 2, CreatedAt: *after(1), CreatedBy: "bot", CreatedByKind: "agent", ReplacedAt: after(2)},
		{Version: 1, CreatedAt: start, CreatedBy: "ada", CreatedByKind: "owner", ReplacedAt: after(1)},
	}})
	if b, _ := json.Marshal(got); strings.Contains(string(b), "value-of") || strings.Contains(string(b), "note") {
		t.Errorf("it holds what is sealed: %s", b)
	}
	h.wantEvents(at, "token.create", "secret.history PLAIN")
	if ev := h.last(); ev.Outcome != audit.OK || ev.Actor.Name != "bot" {
		t.Errorf("its event is %+v", ev.Event)
	}
	h.revokeAgent("bot") // the name of who wrote stays
	if got, err := h.history(h.owner, plain); err != nil || got.Items[1].CreatedBy != "bot" {
		t.Errorf("once the agent is revoked: %+v, %v", got, err)
	}
	if r := h.readBy(h.owner, plain, 1); !r.UpdatedAt.Equal(start) || r.Version != 1 {
		t.Errorf("version 1 reads as %+v", r.SecretInfo)
	}
}

// TestThreat11HistoryNeedsRead: and no person, since there are no values in it.
func TestThreat11HistoryNeedsRead(t *testing.T) {
	d := newDesk(t)
	for _, p := range []string{plain, sensitive, critical} {
		for who, code := range map[string]api.Code{
			d.mia.APIKey: "", d.token(d.mia.APIKey, "secrets:read:production/*").Token: "", d.token(d.owner, "read:secrets").Token: "",
			d.token(d.mia.APIKey, "read:secrets").Token:                                              "",
			d.token(d.mia.APIKey, "secrets:write:production/*", "secrets:delete:production/*").Token: api.CodeScopeDenied,
			d.token(d.mia.APIKey, "secrets:read:staging/*").Token:                                    api.CodeScopeDenied,
			d.token(d.mia.APIKey, "namespaces:read").Token:                                           api.CodeScopeDenied,
			keyOf("ask_agent_" + strings.Repeat("a", 43)):                                            api.CodeUnauthorized,
		} {
			_, err := d.history(who, p)
			wantCode(t, "the history of "+p, err, code)
		}
	}
	at := d.last().Seq
	tok := d.token(d.mia.APIKey, "secrets:write:production/*").Token
	_, there := d.history(tok, plain)
	_, gone := d.history(tok, "production/NONE")
	if there.Error() != gone.Error() {
		t.Errorf("who may not see it can tell: %q and %q", there, gone)
	}
	d.wantEvents(at, "token.create", "secret.history.denied NONE") // the other was refused before
	_, err := d.history(d.mia.APIKey, "production/NONE")
	wantCode(t, "of what is not there", err, api.CodeSecretNotFound)
	d.mustDelete(d.owner, plain)
	_, err = d.history(d.mia.APIKey, plain)
	wantCode(t, "of what was deleted", err, api.CodeSecretNotFound)
	d.accept("[[rule]]\nagents = ['mia']\npaths = ['production/SENSITIVE']\nactions = ['read']\neffect = 'deny'\n")
	_, err = d.history(d.mia.APIKey, sensitive)
	wantCode(t, "of what a rule hides", err, api.CodeScopeDenied)
	d.lockDown()
	_, err = d.history(d.owner, critical)
	wantCode(t, "in a lockdown", err, api.CodeLockedDown)
	d.lift()
}

// TestHistoryOfOldRecords: versions from before it was kept when they were replaced
// say it all the same, and who wrote them.
func TestHistoryOfOldRecords(t *testing.T) {
	h, want := thaw(t)
	h.open()
	got, err := h.history(want.Owner, "frozen/KEY")
	if err != nil || len(got.Items) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	now, was := got.Items[0], got.Items[1]
	if !now.Current || now.ReplacedAt != nil || was.Current || was.ReplacedAt == nil || !was.ReplacedAt.Equal(now.CreatedAt) ||
		now.CreatedByKind == "" || was.CreatedByKind != "owner" || was.CreatedBy == "" || strings.HasPrefix(was.CreatedBy, "own_") {
		t.Errorf("now %+v, before %+v", now, was)
	}
	if _, err := h.rollback(want.Owner, "frozen/KEY", 1); err != nil {
		t.Errorf("rolling back: %v", err)
	}
	h.mustGet(want.Owner, "frozen/KEY", want.Values["frozen/KEY"][1])
}
