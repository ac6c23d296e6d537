package vault_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

const readers = 64

// TestThreat08DecideWhereYouCommit sets 64 readers on a secret and forbids it
// to them: nobody gets a value in a call that began after the act that forbids
// it had returned, and in the trail no read follows that act.
func TestThreat08DecideWhereYouCommit(t *testing.T) {
	for _, tc := range []struct {
		name   string
		who    func(h *house, bot api.AgentCreated) string // reads
		forbid func(h *house, bot api.AgentCreated, text string) error
		action audit.Action // of what forbids
		code   api.Code
	}{
		{
			"a token revoked",
			func(h *house, bot api.AgentCreated) string { return h.token(bot.APIKey, "secrets:read:*").Token },
			func(h *house, _ api.AgentCreated, text string) error {
				return h.v.RevokeToken(ctx, h.as(h.owner), tokenID(h, text))
			},
			audit.TokenRevoke, api.CodeUnauthorized,
		},
		{
			"an agent revoked, its token",
			func(h *house, bot api.AgentCreated) string { return h.token(bot.APIKey, "secrets:read:*").Token },
			func(h *house, bot api.AgentCreated, _ string) error {
				return h.v.RevokeAgent(ctx, h.as(h.owner), bot.ID)
			},
			audit.AgentRevoke, api.CodeUnauthorized,
		},
		{
			"an agent revoked, its key",
			func(_ *house, bot api.AgentCreated) string { return bot.APIKey },
			func(h *house, bot api.AgentCreated, _ string) error {
				return h.v.RevokeAgent(ctx, h.as(h.owner), bot.ID)
			},
			audit.AgentRevoke, api.CodeUnauthorized,
		},
		{
			"the tier raised",
			func(h *house, bot api.AgentCreated) string { return h.token(bot.APIKey, "secrets:read:*").Token },
			func(h *house, _ api.AgentCreated, _ string) error {
				_, err := h.put(h.owner, plain, "v", tier("sensitive"))
				return err
			},
			audit.SecretWrite, api.CodeApprovalRequired,
		},
		{
			"the secret deleted",
			func(h *house, bot api.AgentCreated) string { return h.token(bot.APIKey, "secrets:read:*").Token },
			func(h *house, _ api.AgentCreated, _ string) error { return h.delete(h.owner, plain) },
			audit.SecretDelete, api.CodeSecretNotFound,
		},
		{
			"the tier raised, what was approved before",
			approvedToRead,
			func(h *house, _ api.AgentCreated, _ string) error {
				_, err := h.put(h.owner, plain, "v", tier("critical"))
				return err
			},
			audit.SecretWrite, api.CodeApprovalRequired,
		},
		{
			"an agent revoked, what was approved for it",
			approvedToRead,
			func(h *house, bot api.AgentCreated, _ string) error {
				return h.v.RevokeAgent(ctx, h.as(h.owner), bot.ID)
			},
			audit.AgentRevoke, api.CodeUnauthorized,
		},
		{
			"what was approved revoked",
			approvedToRead,
			func(h *house, _ api.AgentCreated, _ string) error {
				list, err := h.v.Approvals(ctx, h.as(h.owner), api.ApprovalApproved)
				if err != nil {
					return err
				}
				_, err = h.revoke(list[0].ID)
				return err
			},
			audit.ApprovalRevoke, api.CodeApprovalRequired,
		},
		{
			"a lockdown",
			func(h *house, bot api.AgentCreated) string { return h.token(bot.APIKey, "secrets:read:*").Token },
			func(h *house, _ api.AgentCreated, _ string) error { _, err := h.lockAs(h.owner); return err },
			audit.VaultLockdown, api.CodeLockedDown,
		},
		{
			"a rule that denies",
			func(h *house, bot api.AgentCreated) string { return h.token(bot.APIKey, "secrets:read:*").Token },
			func(h *house, _ api.AgentCreated, _ string) error {
				h.accept("[[rule]]\nagents = ['bot']\neffect = 'deny'\n")
				return nil
			},
			audit.PolicyReload, api.CodeScopeDenied,
		},
		{
			"a rule that asks for more than was approved",
			approvedToRead,
			func(h *house, _ api.AgentCreated, _ string) error {
				h.accept("[tiers.sensitive]\napprovals = 2\n")
				return nil
			},
			audit.PolicyReload, api.CodeApprovalRequired,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHouse(t)
			h.mustPut(h.owner, plain, "v")
			bot := h.agent("bot", "secrets:read:*")
			text := tc.who(h, bot)

			var forbidden atomic.Bool
			var served atomic.Int64
			var wg sync.WaitGroup
			for range readers {
				wg.Go(func() {
					for {
						late := forbidden.Load()
						_, err := h.get(text, plain)
						switch {
						case err != nil:
							wantCode(t, "a read", err, tc.code)
							return
						case late:
							t.Error("a value was released after the act that forbids it had returned")
							return
						}
						served.Add(1)
					}
				})
			}
			eventually(t, "some reads have been served", func() bool { return served.Load() > 5*readers })
			if err := tc.forbid(h, bot, text); err != nil {
				t.Error(err)
			}
			forbidden.Store(true)
			wg.Wait()
			h.noReadAfter(tc.action, bot.ID, served.Load())
		})
	}
}

// TestLookOfOneJustRevoked: whose key ends while they look is refused as anyone whose
// key has ended, with the event of that.
func TestLookOfOneJustRevoked(t *testing.T) {
	h := newHouse(t)
	bot := h.agent("bot")
	err := h.v.LookAmid(ctx, h.as(bot.APIKey), func() { h.revokeAgent("bot") })
	wantCode(t, "a look amid which the agent is revoked", err, api.CodeUnauthorized)
	if e := h.last(); e.Outcome != audit.Denied {
		t.Errorf("the newest event is %s, %s", e.Action, e.Outcome)
	}
}

// approvedToRead is the key of an agent that may read what is sensitive now.
func approvedToRead(h *house, bot api.AgentCreated) string {
	h.t.Helper()
	h.mustPut(h.owner, plain, "v", tier("sensitive"))
	h.mustApprove(h.askToRead(bot.APIKey, plain))
	return bot.APIKey
}

// noReadAfter looks at the trail: agent has read as often as it was served, and
// not after the last event of that action.
func (h *house) noReadAfter(action audit.Action, agent string, served int64) {
	h.t.Helper()
	end := h.trail(audit.Filter{Action: string(action)})
	last := end[len(end)-1].Seq
	reads := int64(0)
	for _, ev := range h.trail(audit.Filter{Action: string(audit.SecretRead)}) {
		if ev.Actor.ID != agent || ev.Outcome != audit.OK {
			continue
		}
		reads++
		if ev.Seq > last {
			h.t.Errorf("event %d, a read, follows event %d, which forbids it", ev.Seq, last)
		}
	}
	if reads != served {
		h.t.Errorf("%d values were released and %d reads are in the trail", served, reads)
	}
}

// tokenID is the id of the one live token.
func tokenID(h *house, _ string) string {
	list, err := h.v.Tokens(ctx, h.as(h.owner))
	if err != nil || len(list) != 1 {
		h.t.Errorf("%d live tokens, %v", len(list), err)
		return ""
	}
	return list[0].ID
}

// TestThreat08VersionServed: the version in the event is the one released, also
// while others write.
func TestThreat08VersionServed(t *testing.T) {
	h := newHouse(t)
	info := h.mustPut(h.owner, plain, "v1")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := info.Version + 1; ; n++ {
			select {
			case <-stop:
				return
			default:
				h.mustPut(h.owner, plain, valueOf(n))
			}
		}
	})
	type seen struct{ request, value string }
	got := make(chan seen, 8*50)
	var rg sync.WaitGroup
	for range 8 {
		rg.Go(func() {
			for range 50 {
				req := h.as(h.owner)
				v, err := h.read(req, plain, 0)
				if err == nil {
					got <- seen{req.RequestID, v}
				} else {
					wantCode(t, "a read among writes", err, api.CodeConflict)
				}
			}
		})
	}
	rg.Wait()
	close(stop)
	wg.Wait()
	close(got)
	version := map[string]uint64{}
	newest := uint64(0)
	for _, ev := range h.trail(audit.Filter{Namespace: "production"}) {
		switch ev.Action {
		case audit.SecretWrite:
			newest = ev.Version
		case audit.SecretRead:
			version[ev.RequestID] = ev.Version
			if ev.Version != newest {
				t.Errorf("event %d served version %d when %d was the newest", ev.Seq, ev.Version, newest)
			}
		}
	}
	n := 0
	for s := range got {
		n++
		if want := valueOf(version[s.request]); s.value != want {
			t.Errorf("%q was released, the event says version %d", s.value, version[s.request])
		}
	}
	if n == 0 {
		t.Error("no read came through")
	}
}

func valueOf(n uint64) string { return fmt.Sprintf("v%d", n) }
