package vault_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
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

// TestStatsSayHowFar: where the time runs out, the answer is about the time up to the last
// event that was walked, whether or not that was meant, and has no piece behind it.
func TestStatsSayHowFar(t *testing.T) {
	h := newHouse(t)
	begin := h.clock.Now()
	for i := range 4 { // each longer than what is walked at once
		var text strings.Builder
		for k := range 300 {
			fmt.Fprintf(&text, "K%d=v\n", k)
		}
		h.importAs(h.owner, text.String())
		if i < 3 {
			h.clock.advance(2 * time.Hour)
		}
	}
	end := h.clock.Now()
	count := func(f audit.Filter, each time.Duration) api.AuditStats {
		t.Helper()
		h.clock.onNow(func() { h.clock.advance(each) })
		defer h.clock.onNow(nil)
		got, err := h.v.Stats(ctx, h.as(h.owner), f)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	all := count(audit.Filter{Since: begin}, 0)
	if !all.Complete || all.Events < 1200 || len(all.Buckets) != 7 {
		t.Fatalf("whole: %+v", all)
	}
	for name, f := range map[string]audit.Filter{"all": {Since: begin}, "none": {Since: begin, Namespace: "nowhere"}} {
		got := count(f, 4*time.Second)
		if got.Complete || !got.Until.After(begin.Add(-time.Second)) || !got.Until.Before(end) {
			t.Errorf("%s: from %v until %v, complete %v; the events end at %v", name, got.Since, got.Until, got.Complete, end)
		}
		if f.Namespace != "" {
			if got.Events != 0 || len(got.Buckets) != 0 {
				t.Errorf("%s: %d events", name, got.Events)
			}
			continue
		}
		if got.Events == 0 || got.Events%256 != 0 || got.Events >= all.Events || got.Buckets[len(got.Buckets)-1].Start.After(got.Until) {
			t.Errorf("%s: %d events of %d until %v, in %v", name, got.Events, all.Events, got.Until, got.Buckets)
		}
		upTo, err := h.v.Stats(ctx, h.as(h.owner), audit.Filter{Since: begin, Until: got.Until})
		if err != nil || upTo.Events < got.Events {
			t.Errorf("until %v there are %d events, and %d were counted: %v", got.Until, upTo.Events, got.Events, err)
		}
	}
	if got := count(audit.Filter{Since: begin.Add(time.Hour)}, 40*time.Second); got.Complete || got.Events != 0 || !got.Until.Equal(got.Since) {
		t.Errorf("without time for any: from %v until %v, %d events, complete %v", got.Since, got.Until, got.Events, got.Complete)
	}
}

// made is the n-th of many events, a second apart, each by another actor on another secret.
func made(n int) audit.Event {
	return audit.Event{
		Time: audit.Time{Time: time.Date(2026, 3, 1, 0, 0, n, 0, time.UTC)}, Actor: audit.Actor{ID: fmt.Sprintf("agt_%d", n), Kind: "agent", Name: fmt.Sprintf("bot-%d", n)},
		Action: audit.SecretRead, Outcome: audit.OK, Namespace: "a", Key: fmt.Sprintf("K%d", n),
	}
}

// TestStatsTablesAreBounded: a table shows the most frequent rows, and takes in so many
// while it counts; the rest is others', and nothing is lost.
func TestStatsTablesAreBounded(t *testing.T) {
	f := audit.Filter{Since: made(0).Time.Time, Until: made(vault.StatsTracked + 100).Time.Time}
	for _, n := range []int{1, vault.StatsRows, vault.StatsRows + 1, vault.StatsTracked, vault.StatsTracked + 7} {
		var events []audit.Event
		for i := range n {
			events = append(events, made(i))
		}
		late := made(n - 1) // comes often, and where the table was full before, first of all as one of the others
		late.Count = 100
		got := vault.Counted(f, append(events, late, made(0)))
		rows := min(n, vault.StatsRows)
		if len(got.Actors) != rows || len(got.Paths) != rows || len(got.ReadsOf) != rows || len(got.Denials) != 0 {
			t.Fatalf("of %d: %d, %d, %d and %d rows", n, len(got.Actors), len(got.Paths), len(got.ReadsOf), len(got.Denials))
		}
		sum := got.Others.Actors
		for _, r := range got.Actors {
			sum += r.Events
		}
		if want := uint64(n + 101); got.Events != want || sum != want || got.Reads != want {
			t.Errorf("of %d: %d events, %d reads, %d in the rows and others; want %d", n, got.Events, got.Reads, sum, want)
		}
		most, tracked := "bot-0", n <= vault.StatsTracked
		if tracked {
			most = fmt.Sprintf("bot-%d", n-1)
		}
		if got.Actors[0].AgentID != most {
			t.Errorf("of %d: the first is %s; want %s", n, got.Actors[0].AgentID, most)
		}
	}
}

// TestStatsBucketsAreBounded: the pieces are whole hours or days, the shortest of which
// there are no more than so many.
func TestStatsBucketsAreBounded(t *testing.T) {
	const hour, day = time.Hour, 24 * time.Hour
	from := time.Date(2026, 3, 1, 0, 30, 0, 0, time.UTC)
	for span, want := range map[time.Duration]time.Duration{
		0: hour, 59*hour + 29*time.Minute: hour, 59*hour + 30*time.Minute: 2 * hour, 7 * day: 3 * hour,
		15*day - hour: 6 * hour, 15 * day: 12 * hour, 30 * day: day, 60 * day: 2 * day, 365 * day: 7 * day,
	} {
		if got := vault.BucketWidth(from, from.Add(span)); got != want {
			t.Errorf("%v: pieces of %v; want %v", span, got, want)
		}
		e := made(0)
		e.Time.Time = from
		end := e
		end.Time.Time = from.Add(span)
		got := vault.Counted(audit.Filter{Since: from, Until: from.Add(span)}, []audit.Event{e, end})
		n := len(got.Buckets)
		if n == 0 || n > vault.StatsBuckets || got.BucketSeconds != uint64(want/time.Second) {
			t.Errorf("%v: %d pieces of %d s", span, n, got.BucketSeconds)
			continue
		}
		first, last := got.Buckets[0], got.Buckets[n-1]
		if n == 1 && first.Events != 2 || n > 1 && (first.Events != 1 || last.Events != 1) || last.Start.After(end.Time.Time) {
			t.Errorf("%v: %v", span, got.Buckets)
		}
	}
	if w := vault.BucketWidth(time.Time{}, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)); w%day != 0 {
		t.Errorf("ten thousand years in pieces of %v", w)
	}
}
