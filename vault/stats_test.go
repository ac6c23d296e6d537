package vault_test

import (
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
)

// TestStatsEndNow: a time to come, however far, counts up to now, in few pieces.
func TestStatsEndNow(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "a/K", "v")
	got, err := h.v.Stats(ctx, h.as(h.owner), audit.Filter{Since: time.Unix(0, 0), Until: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	if got.Until.After(h.clock.Now()) || got.Events == 0 || got.BucketSeconds != 3600 || len(got.Buckets) > 2 {
		t.Errorf("counted until %v, %d events, %d pieces of %d s", got.Until, got.Events, len(got.Buckets), got.BucketSeconds)
	}
}
