package vault_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/webhook"
)

// TestWebhookIsTold: of each event that it asks for, refused ones among them, once and
// in their order, and of no others; the trail says so, and nothing waits any more.
func TestWebhookIsTold(t *testing.T) {
	h := newHouse(t)
	bot := h.agent("bot", "secrets:read:a/*")
	box := newMailbox(t)
	h.tell(box.hook("chat", "secret.write", "secret.read.denied", "agent.*"))
	h.mustPut(h.owner, "a/ONE", "1")
	h.mustGet(h.owner, "a/ONE", "1")
	if _, err := h.get(bot.APIKey, "b/TWO"); err == nil {
		t.Fatal("it reads")
	}
	h.revokeAgent("bot")
	h.settled("chat")
	got := box.got()
	if want := "secret.write secret.read.denied agent.revoke"; joined(types(got)) != want {
		t.Errorf("told of %v, want %s", types(got), want)
	}
	ids := map[string]bool{}
	for _, m := range got {
		ids[m.id] = true
		ev := h.trail(audit.Filter{Action: m.Type})
		if m.Data.ID != ev[len(ev)-1].ID || m.Data.Action != m.Type || !m.Data.Timestamp.Equal(ev[len(ev)-1].Time.Time) {
			t.Errorf("%s tells of %+v", m.Type, m.Data)
		}
	}
	if len(ids) != 3 {
		t.Errorf("ids: %v", ids)
	}
	told := 0
	for _, ev := range h.trail(audit.Filter{Action: "webhook.delivered"}) {
		told += max(1, ev.Count)
		if ev.Subject.Name != "chat" || ev.Actor.Kind != "daemon" || ev.Reason != "to "+box.srv.URL {
			t.Errorf("%+v", ev)
		}
	}
	if w := h.webhook("chat"); told != 3 || w.LastDelivered == nil || w.State != api.WebhookOK || len(h.outboxed()) != 0 {
		t.Errorf("%d told, %+v, outbox %v", told, w, h.outboxed())
	}
}

// TestWebhookInTheSameCommit: what waits for a receiver is there as soon as the event
// is, also of what the vault does by itself and of what is done while no daemon runs;
// and it is delivered by the next start, under one id however often it is tried.
func TestWebhookInTheSameCommit(t *testing.T) {
	h := newHouse(t)
	gone := hookTo(t, deaf(t), newSecret(3), "chat", "secret.write", "owner.recover", "policy.reload")
	h.tell(gone)
	h.mustPut(h.owner, "a/ONE", "1")
	if got := h.outboxed(); len(got) != 1 || got[0] != fmt.Sprintf("chat/%016x", h.trail(audit.Filter{Action: "secret.write"})[0].Seq) {
		t.Errorf("the outbox holds %v", got)
	}
	h.close()
	back, err := vault.RecoverOwner(ctx, h.cfg, vault.Recovery{})
	if err != nil {
		t.Fatal(err)
	}
	h.owner = back.OwnerKey
	h.open()
	if _, err := h.v.OfferPolicy(ctx, "p", []byte("# nothing\n"), nil); err != nil { // before any webhook is set
		t.Fatal(err)
	}
	box := newMailbox(t)
	box.answers(func(m mail) int { return 500 })
	h.tell(box.hook("chat", "secret.write", "owner.recover", "policy.reload"))
	eventually(t, "all are tried", func() bool { return len(box.tried()) >= 2 })
	h.reopen()
	box.answers(nil)
	h.tell(box.hook("chat", "secret.write", "owner.recover", "policy.reload"))
	h.settled("chat")
	if got := joined(types(box.got())); got != "secret.write owner.recover policy.reload" {
		t.Errorf("delivered %s", got)
	}
	ids := map[uint64]string{}
	for _, m := range box.tried() {
		if was, ok := ids[m.Data.Seq]; ok && was != m.id {
			t.Errorf("event %d came as %s and as %s", m.Data.Seq, was, m.id)
		}
		ids[m.Data.Seq] = m.id
	}
}

// TestWebhookTellsNoValue: nothing that is secret is in a message, nor what an agent
// says in its own words.
func TestWebhookTellsNoValue(t *testing.T) {
	const canary = "sk-proj-CANARY-0123456789"
	h := newHouse(t)
	box := newMailbox(t)
	h.tell(box.hook("all", "*"))
	if _, err := h.v.OfferPolicy(ctx, "p", []byte("[lockdown]\nby = 'any'\n"), nil); err != nil {
		t.Fatal(err)
	}
	bot := h.agent("bot", "secrets:*:a/*")
	h.mustPut(h.owner, "a/PLAIN", canary)
	h.mustPut(h.owner, "a/HOT", canary, tier("sensitive"))
	h.mustGet(bot.APIKey, "a/PLAIN", canary)
	_, err := h.v.IssueToken(ctx, h.as(bot.APIKey), api.TokenRequest{Scopes: []string{"secrets:read:a/HOT"}, Reason: canary})
	if api.CodeOf(err) != api.CodeApprovalRequired {
		t.Fatal(err)
	}
	if _, err := h.v.Lockdown(ctx, h.as(bot.APIKey), api.LockdownRequest{Reason: canary}); err != nil {
		t.Fatal(err)
	}
	h.settled("all")
	var asked *mail
	for _, m := range box.got() {
		for _, secret := range []string{canary, bot.APIKey, h.owner} {
			if strings.Contains(m.body, secret) {
				t.Errorf("%s tells %s: %s", m.Type, secret, m.body)
			}
		}
		if m.Type == "approval.request" {
			asked = &m
		}
	}
	if asked == nil || asked.Data.AgentID != "bot" || asked.Data.ApprovalID == "" || *asked.Data.ResID != "a/HOT" ||
		asked.Data.Metadata["access_tier"] != "sensitive" || !strings.HasPrefix(asked.Data.Reason, "to read, 1 of 1 in ") || strings.Contains(asked.Data.Reason, "says") {
		t.Errorf("a request is told as %+v", asked)
	}
	if !slices.Contains(types(box.got()), "vault.lockdown") {
		t.Error("a lockdown is not told")
	}
	for _, m := range types(box.got()) {
		if strings.HasPrefix(m, "webhook.") {
			t.Errorf("told of %s", m)
		}
	}
}

// TestSlowWebhookSlowsNobody: while one receiver stalls and one is not there, reads,
// writes and the other receivers go on.
func TestSlowWebhookSlowsNobody(t *testing.T) {
	h := newHouse(t)
	slow, fine := newMailbox(t), newMailbox(t)
	release := make(chan struct{})
	slow.answers(func(mail) int { <-release; return 204 })
	h.tell(slow.hook("slow", "secret.*"), hookTo(t, deaf(t), newSecret(1), "dead", "secret.*"), fine.hook("fine", "secret.write"))
	began := time.Now()
	for i := range 50 {
		h.mustPut(h.owner, "a/K", fmt.Sprint(i))
		h.mustGet(h.owner, "a/K", fmt.Sprint(i))
	}
	h.settled("fine")
	if took := time.Since(began); len(fine.got()) != 50 || took > webhook.Timeout*2/3 {
		t.Errorf("%d messages in %v", len(fine.got()), took)
	}
	if n := len(slow.tried()); n != 1 {
		t.Errorf("the slow one was sent %d at a time", n)
	}
	if w := h.webhook("slow"); w.Pending < 100 {
		t.Errorf("%+v", w)
	}
	close(release)
	h.settled("slow")
	if got := slow.got(); !slices.IsSortedFunc(got, func(a, b mail) int { return int(a.Data.Seq) - int(b.Data.Seq) }) || len(got) < 100 {
		t.Errorf("%d came, or not in their order", len(got))
	}
	batched := h.trail(audit.Filter{Action: "webhook.delivered"})
	if len(batched) > 100 {
		t.Errorf("%d events say that 150 messages were delivered", len(batched))
	}
}

// TestStalledWebhookEndsWithTheVault: closing does not wait for an answer.
func TestStalledWebhookEndsWithTheVault(t *testing.T) {
	h := newHouse(t)
	box := newMailbox(t)
	release := make(chan struct{})
	defer close(release)
	box.answers(func(mail) int { <-release; return 204 })
	h.tell(box.hook("slow", "secret.write"))
	h.mustPut(h.owner, "a/K", "v")
	eventually(t, "it is sent", func() bool { return len(box.tried()) == 1 })
	began := time.Now()
	h.close()
	if took := time.Since(began); took > webhook.Timeout*2/3 {
		t.Errorf("it took %v", took)
	}
}

// TestRefusedMessageLetsOthersPass: one that the receiver refuses keeps none back, and
// comes later.
func TestRefusedMessageLetsOthersPass(t *testing.T) {
	h := newHouse(t)
	box := newMailbox(t)
	box.answers(func(m mail) int {
		if *m.Data.ResID == "a/BAD" {
			return http.StatusBadRequest
		}
		return 204
	})
	h.tell(box.hook("chat", "secret.write"))
	for _, p := range []string{"a/ONE", "a/BAD", "a/TWO", "a/THREE"} {
		h.mustPut(h.owner, p, "v")
	}
	eventually(t, "the others pass", func() bool { return len(box.got()) == 3 })
	eventually(t, "one waits", func() bool { return h.webhook("chat").Pending == 1 })
	if w := h.webhook("chat"); w.State != api.WebhookOK || w.LastFailure != "it answered 400 Bad Request" || w.OldestPending == nil {
		t.Errorf("%+v", w)
	}
	box.answers(nil)
	if test, err := h.v.TestWebhook(ctx, h.as(h.owner), "chat"); err != nil || !test.Delivered { // all at once then
		t.Fatal(test, err)
	}
	h.settled("chat")
	if got := paths(box.got()); joined(got) != "a/ONE a/TWO a/THREE chat a/BAD" {
		t.Errorf("delivered %v", got)
	}
}

// TestWebhooksChange: what waits for one that is no more is given up, in the trail;
// one that goes elsewhere under its name gets it; and one that stays notices nothing.
func TestWebhooksChange(t *testing.T) {
	h := newHouse(t)
	h.tell(hookTo(t, deaf(t), newSecret(1), "moved", "secret.write"), hookTo(t, deaf(t), newSecret(1), "removed", "secret.write"))
	for i := range 3 {
		h.mustPut(h.owner, fmt.Sprintf("a/K%d", i), "v")
	}
	if n := len(h.outboxed()); n != 6 {
		t.Fatalf("%d wait", n)
	}
	box := newMailbox(t)
	h.tell(box.hook("moved", "secret.write", "secret.delete"))
	h.settled("moved")
	if n := len(box.got()); n != 3 || len(h.outboxed()) != 0 {
		t.Errorf("%d came, and %v wait", n, h.outboxed())
	}
	failed := h.trail(audit.Filter{Action: "webhook.failed"})
	if len(failed) != 1 || failed[0].Count != 3 || failed[0].Subject.Name != "removed" || failed[0].Reason != "not told: it is not configured any more" {
		t.Errorf("%+v", failed)
	}
	before := h.events()
	h.tell(box.hook("moved", "secret.write", "secret.delete"))
	if h.events() != before {
		t.Errorf("the same configuration is an event: %s", h.last().Action)
	}
	h.tell()
	if ev := h.last(); ev.Action != audit.WebhookConfigure || ev.Reason != "none" {
		t.Errorf("%+v", ev)
	}
	h.mustPut(h.owner, "a/K", "v")
	if all, err := h.v.Webhooks(ctx, h.as(h.owner)); err != nil || len(all) != 0 || len(h.outboxed()) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	for _, ev := range h.trail(audit.Filter{Action: "webhook"}) {
		if strings.Contains(ev.Reason, "T0KEN") {
			t.Errorf("an event tells a path: %s", ev.Reason)
		}
	}
}

// TestOutboxIsBounded: each receiver has a share; beyond it the event commits, and what
// it was not told of is counted into one event; with more receivers the shares are
// smaller. Whatever an agent does, no more waits.
func TestOutboxIsBounded(t *testing.T) {
	h := newHouse(t)
	if err := h.v.SetMaxOutbox(20); err != nil {
		t.Fatal(err)
	}
	bot := h.agent("bot", "secrets:write:a/*")
	one, two := hookTo(t, deaf(t), newSecret(1), "one", "secret.write"), hookTo(t, deaf(t), newSecret(1), "two", "secret.write")
	h.tell(one)
	for i := range 25 {
		if _, err := h.put(bot.APIKey, fmt.Sprintf("a/K%d", i), "v"); err != nil {
			t.Fatal(err)
		}
	}
	if w := h.webhook("one"); w.Pending != 16 || w.Lost != 0 { // an agent leaves room
		t.Errorf("%+v", w)
	}
	for i := range 5 {
		h.mustPut(h.owner, fmt.Sprintf("b/K%d", i), "v")
	}
	if w := h.webhook("one"); w.Pending != 20 {
		t.Errorf("%+v", w)
	}
	if err := h.v.FlushCounted(ctx); err != nil {
		t.Fatal(err)
	}
	failed := h.trail(audit.Filter{Action: "webhook.failed"})
	if len(failed) != 1 || failed[0].Count != 10 || failed[0].Reason != "not kept for it: too many events wait already" {
		t.Errorf("%+v", failed)
	}
	if w := h.webhook("one"); w.Lost != 10 || w.LostAt == nil || w.LostReason != failed[0].Reason {
		t.Errorf("%+v", w)
	}
	me, err := h.v.Me(ctx, h.as(h.owner))
	if err != nil || len(me.Protection.Webhooks) != 1 || me.Protection.Webhooks[0].Lost != 10 {
		t.Errorf("%+v, %v", me.Protection, err)
	}
	h.tell(one, two)
	h.mustPut(h.owner, "a/K", "v")
	if w1, w2 := h.webhook("one"), h.webhook("two"); w1.Pending != 10 || w2.Pending != 1 {
		t.Errorf("%d and %d wait", w1.Pending, w2.Pending)
	}
	h.clock.advance(8 * 24 * time.Hour)
	h.mustPut(h.owner, "a/K", "v")
	if w := h.webhook("two"); w.Lost != 0 {
		t.Errorf("%+v", w)
	}
}

// TestOutboxIsWatched: a record of the outbox that was taken away, put back, forged or
// moved while no daemon ran is found, from the file alone.
func TestOutboxIsWatched(t *testing.T) {
	for name, tc := range map[string]struct {
		tamper func(h *house, first, second string, old []byte) // the first was delivered, the second waits
		says   string
	}{
		"taken away": {func(h *house, _, second string, _ []byte) { h.removeRaw(place{"outbox", second}) }, "missing"},
		"forged": {func(h *house, _, _ string, _ []byte) {
			h.setRaw(map[place][]byte{{"outbox", "chat/0000000000000001"}: append(make([]byte, 40), `{"at":"2026-03-01T12:00:00Z"}`...)})
		}, "no event wrote it"},
		"moved":   {func(h *house, _, second string, _ []byte) { h.moveRaw("outbox", second, "other"+second[4:]) }, "no event wrote it"},
		"changed": {func(h *house, _, second string, _ []byte) { h.flipRaw("outbox", second) }, "changed since this event wrote it"},
		"put back": {func(h *house, first, _ string, old []byte) {
			h.setRaw(map[place][]byte{{"outbox", first}: old})
		}, "put back to the state of event"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			box := newMailbox(t)
			h.tell(box.hook("chat", "secret.write"))
			release := make(chan struct{})
			box.answers(func(mail) int { <-release; return 204 })
			h.mustPut(h.owner, "a/ONE", "v")
			first := h.outboxed()[0]
			old := h.raw("outbox", first)
			close(release)
			h.settled("chat")
			box.answers(func(mail) int { return 503 })
			h.mustPut(h.owner, "a/TWO", "v")
			second := h.outboxed()[0]
			h.close()
			if rep := h.verify(); rep.Problem != "" {
				t.Fatal(rep.Problem)
			}
			tc.tamper(h, first, second, old)
			wantProblem(t, h.verify(), tc.says)
		})
	}
}

// moveRaw moves a record to another key, and flipRaw changes its last byte.
func (h *house) moveRaw(bucket, from, to string) {
	h.t.Helper()
	raw := h.raw(bucket, from)
	h.edit(func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucket)).Put([]byte(to), raw) })
}

func (h *house) flipRaw(bucket, key string) {
	h.t.Helper()
	raw := h.raw(bucket, key)
	raw[len(raw)-3] ^= 1
	h.setRaw(map[place][]byte{{bucket, key}: raw})
}

// TestForgedOutboxTellsNothing: a record that the daemon did not write is never sent;
// the vault stops, and says why.
func TestForgedOutboxTellsNothing(t *testing.T) {
	h := newHouse(t)
	h.tell(hookTo(t, deaf(t), newSecret(3), "chat", "agent.create"))
	h.mustPut(h.owner, "a/ONE", "v")
	seq := h.last().Seq
	h.close()
	key := fmt.Sprintf("chat/%016x", seq)
	h.setRaw(map[place][]byte{{"outbox", key}: append(make([]byte, 40), `{"at":"2026-03-01T12:00:00Z"}`...)})
	h.open()
	box := newMailbox(t)
	if err := h.v.SetWebhooks(ctx, []vault.Webhook{box.hook("chat", "agent.create")}); err != nil && !strings.Contains(err.Error(), "outbox") {
		t.Fatal(err)
	}
	eventually(t, "the vault stops", func() bool { return h.v.Err() != nil })
	if len(box.tried()) != 0 {
		t.Errorf("it was told of %v", box.tried())
	}
}

// TestWebhookOfALockdown: they go on, and so do their routes.
func TestWebhookOfALockdown(t *testing.T) {
	h := newHouse(t)
	box := newMailbox(t)
	h.tell(box.hook("alarm", "vault.*"))
	if _, err := h.v.Lockdown(ctx, h.as(h.owner), api.LockdownRequest{Reason: "stolen"}); err != nil {
		t.Fatal(err)
	}
	h.settled("alarm")
	if got := box.got(); len(got) != 1 || got[0].Type != "vault.lockdown" || got[0].Data.Reason != "stolen" {
		t.Errorf("%+v", got)
	}
	if test, err := h.v.TestWebhook(ctx, h.as(h.owner), "alarm"); err != nil || !test.Delivered {
		t.Error(test, err)
	}
}
