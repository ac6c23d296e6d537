package vault_test

import (
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
)

// TestFollowBeginsBehind: who follows the trail gets each event behind the one that is
// named, from the very next one on, and behind the newest where none is.
func TestFollowBeginsBehind(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "a/K", "v")
	for name, begin := range map[string]func() uint64{
		"from the first": func() uint64 { return 0 }, "from the second": func() uint64 { return 1 },
		"from the newest": func() uint64 { return h.events() - 1 }, "from now": h.events, "none": h.events,
	} {
		after := begin()
		named := &after
		if name == "none" {
			named = nil
		}
		walk, err := h.v.Follow(ctx, h.as(h.owner), audit.Filter{}, named)
		if err != nil {
			t.Fatal(err)
		}
		h.mustPut(h.owner, "a/K", "w") // comes later
		if news, err := walk.Arrives(ctx, time.Second); err != nil || !news {
			t.Fatal(news, err)
		}
		want := after
		for !walk.Done() {
			links, err := walk.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range links {
				if want++; l.Seq != want {
					t.Fatalf("%s: event %d comes; want %d", name, l.Seq, want)
				}
			}
		}
		if want != h.events() {
			t.Errorf("%s: it ends at %d, and the trail at %d", name, want, h.events())
		}
	}
}
