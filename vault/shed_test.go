package vault_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
)

// TestThreat07TurnedAway: what was turned away before anyone looked is counted,
// from however many sources it comes, without a write for each; those beyond the
// table are counted under nobody's name.
func TestThreat07TurnedAway(t *testing.T) {
	h := newHouse(t)
	const sources, each = 6000, 3
	before := h.last().Seq
	origins := make([]vault.Origin, sources)
	for i := range origins {
		origins[i] = remote(fmt.Sprintf("10.0.%d.%d", i/250, i%250))
	}
	var wg sync.WaitGroup
	for range each {
		wg.Go(func() {
			for _, o := range origins {
				h.v.CountFailure(o)
			}
		})
	}
	wg.Wait()
	if n := h.last().Seq; n != before {
		t.Errorf("%d events were written at once", n-before)
	}
	if n := h.v.ShedSources(); n > 4097 {
		t.Errorf("%d sources are told apart", n)
	}
	h.reopen()
	total, events := 0, 0
	for _, ev := range h.trail(audit.Filter{Action: string(audit.AuthFailed)}) {
		events++
		if ev.Count > each && ev.Actor.Name != "many" {
			t.Errorf("%s is counted %d times", ev.Actor.Name, ev.Count)
		}
		total += max(ev.Count, 1)
	}
	if total != sources*each {
		t.Errorf("%d are counted, there were %d", total, sources*each)
	}
	if events > 4200 {
		t.Errorf("%d events", events)
	}
}
