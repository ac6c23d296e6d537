package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

// walked is the numbers of a walk from from to to.
func (tr *trail) walked(from, to uint64) (seqs []uint64, heads int, err error) {
	err = tr.log.Each(context.Background(), tr.db, from, to, func(l audit.Link) error {
		seqs, heads = append(seqs, l.Seq), heads+len(l.Signatures)
		return nil
	})
	return seqs, heads, err
}

func TestForward(t *testing.T) {
	tr := filled(t, 4)
	addMany(tr, 600) // more than a stretch in one commit
	for name, tc := range map[string]struct{ from, to, first, last uint64 }{
		"all":              {0, 1 << 60, 1, 605},
		"from the first":   {1, 605, 1, 605},
		"a part":           {3, 300, 3, 300},
		"one":              {605, 605, 605, 605},
		"beyond the end":   {606, 700, 0, 0},
		"nothing":          {5, 4, 0, 0},
		"the end of a few": {255, 258, 255, 258},
	} {
		seqs, _, err := tr.walked(tc.from, tc.to)
		want := int(tc.last - tc.first + 1)
		if tc.last == 0 {
			want = 0
		}
		if err != nil || len(seqs) != want || want > 0 && (seqs[0] != tc.first || seqs[want-1] != tc.last) {
			t.Errorf("%s: %d events, %v", name, len(seqs), err)
		}
	}
	if _, heads, _ := tr.walked(1, 605); heads != 6 {
		t.Errorf("%d signed heads; want 6", heads)
	}
}

// What was changed under the daemon ends a walk at that event, and none from there on
// is handed out as if it were true. What comes in whole batches before it is.
func TestForwardChecks(t *testing.T) {
	const batch, bad, newest = 256, 300, 310
	for name, tc := range map[string]struct {
		edit   func(tx *store.Tx) error
		walked int
	}{
		"changed": {func(tx *store.Tx) error {
			was := bytes.Clone(tx.Get(store.Audit, seq(bad)))
			return tx.Put(store.Audit, seq(bad), bytes.Replace(was, []byte("will"), []byte("mary"), 1))
		}, batch},
		"removed": {func(tx *store.Tx) error { return tx.Delete(store.Audit, seq(bad)) }, batch},
		"cut":     {func(tx *store.Tx) error { return cutAfter(newest)(tx, bad-1) }, bad - 1},
		"a head":  {func(tx *store.Tx) error { return tx.Put(store.Audit, headKey(bad), []byte("short")) }, batch},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrail(t)
			addMany(tr, bad-1)
			addMany(tr, newest-bad)
			if err := tr.update(tc.edit); err != nil {
				t.Fatal(err)
			}
			var tampered *audit.TamperError
			seqs, _, err := tr.walked(1, newest)
			if !errors.As(err, &tampered) || !strings.Contains(tampered.What, fmt.Sprint(bad)) {
				t.Errorf("it ends with %v", err)
			}
			if len(seqs) != tc.walked || seqs[0] != 1 || seqs[tc.walked-1] != uint64(tc.walked) {
				t.Errorf("%d events were walked; want the first %d", len(seqs), tc.walked)
			}
		})
	}
}

func TestSpan(t *testing.T) {
	tr := filled(t, 4) // events 2 to 5 are a second apart
	at := func(n int) time.Time { return tr.clock.Add(time.Duration(n-5) * time.Second) }
	for name, tc := range map[string]struct {
		since, until time.Time
		first, last  uint64
	}{
		"all":        {first: 1, last: 5},
		"since":      {since: at(3), first: 3, last: 5},
		"until":      {until: at(3), first: 1, last: 3},
		"both":       {since: at(3), until: at(4), first: 3, last: 4},
		"between":    {since: at(3).Add(time.Millisecond), until: at(4).Add(-time.Millisecond), first: 4, last: 3},
		"after all":  {since: at(9), first: 6, last: 5},
		"before all": {until: at(-9), first: 1, last: 0},
	} {
		first, last, err := tr.log.Span(tr.db, tc.since, tc.until)
		if err != nil || first != tc.first || last != tc.last {
			t.Errorf("%s: %d to %d, %v; want %d to %d", name, first, last, err, tc.first, tc.last)
		}
	}
}

// heap is how much memory is in use, in bytes.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// A walk over many events, however slow, keeps no pages from being used again while
// others write, and takes no more memory than one over few.
func TestForwardOfMany(t *testing.T) {
	const many, writes = 100_000, 60
	grown := func(walk bool) (growth int64, most uint64) {
		tr := newTrail(t)
		for range many / 2000 {
			addMany(tr, 2000)
		}
		size := func() int64 {
			info, err := os.Stat(tr.path)
			if err != nil {
				t.Fatal(err)
			}
			return info.Size()
		}
		before, first, seen := size(), heap(), 0
		next := func(l audit.Link) error {
			if seen++; seen%(many/writes) == 0 {
				most = max(most, heap()-min(first, heap()))
				tr.append(event(audit.SecretWrite, "production", "K"), change(store.Agents, "agt_1", fmt.Sprintf(`{"round":%d}`, seen)))
			}
			return nil
		}
		if !walk {
			for range many {
				next(audit.Link{})
			}
			return size() - before, 0
		}
		if err := tr.log.Each(context.Background(), tr.db, 1, many, next); err != nil || seen != many {
			t.Fatal(seen, err)
		}
		return size() - before, most
	}
	alone, _ := grown(false)
	walking, most := grown(true)
	if walking > alone+1<<20 {
		t.Errorf("the file grows by %d bytes while a walk is under way, and by %d without", walking, alone)
	}
	if most > 64<<20 {
		t.Errorf("the walk takes %d bytes of memory", most)
	}
}
