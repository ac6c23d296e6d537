package conformance_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"
)

// cliRefusals: the errors that every command tells apart.
func (w *world) cliRefusals(t *testing.T) {
	t.Run("not authenticated", func(t *testing.T) {
		nobody := w.person(t, "nobody", w.vault, "")
		wrong := w.person(t, "wrong", w.vault, "ask_agent_thisisnosuchkeyatall")
		for _, args := range [][]string{
			{"whoami"}, {"secrets", "list"}, {"secrets", "get", "a/B"}, {"secrets", "delete", "a/B", "-f"}, {"secrets", "rotate", "a/B", "-f"},
			{"agents", "list"}, {"approvals", "list"}, {"audit"}, {"tokens", "issue", "--scopes", "read:secrets", "--ttl", "60"},
		} {
			nobody.ass(t, args...).fails(t, "Not authenticated.")
			wrong.ass(t, args...).fails(t, "Not authenticated.")
		}
		w.audited(t, "auth.failed", "")
	})
	t.Run("rate limited", w.cliRateLimited)
	t.Run("unreachable", func(t *testing.T) {
		p := w.person(t, "unreachable", w.vault, w.vault.key)
		p.env = append(p.env, "ASS_API_URL=https://"+freeAddr(t))
		p.ass(t, "whoami").fails(t, "Unexpected error.")
	})
	t.Run("untrusted", func(t *testing.T) {
		p := w.person(t, "untrusted", w.vault, w.vault.key)
		p.env = append(p.env, "NODE_EXTRA_CA_CERTS="+w.limited.cert)
		p.ass(t, "whoami").fails(t, "Unexpected error.")
	})
}

// cliRateLimited keeps the owner's key busy while the CLI asks.
func (w *world) cliRateLimited(t *testing.T) {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wg.Go(func() { w.limited.hurry(ctx) })
	p := w.person(t, "hurried", w.limited, w.limited.key)
	for range 5 { // it may be lucky
		if r := p.ass(t, "whoami"); r.code != 0 {
			r.fails(t, "Rate limit exceeded.")
			return
		}
	}
	t.Error("the CLI is never told to wait")
}

// hurry asks with the owner's key until ctx ends, far more often than the
// limit. What is answered does not matter.
func (d *daemon) hurry(ctx context.Context) {
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"/v1/me", nil)
		if err != nil {
			return
		}
		req.Header.Set("Authorization", "Bearer "+d.key)
		if resp, err := d.http.Do(req); err == nil {
			resp.Body.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
}
