package audit_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

const stretch = 1024

// index makes n indexes, or all there can be if n < 0.
func (tr *trail) index(n int) {
	tr.t.Helper()
	for ; n != 0; n-- {
		made, err := tr.log.Index(context.Background(), tr.db)
		if err != nil {
			tr.t.Fatal(err)
		}
		if !made {
			return
		}
	}
}

// appendAll appends events in one commit, a second apart.
func (tr *trail) appendAll(events []audit.Event) {
	tr.t.Helper()
	err := tr.update(func(tx *store.Tx) error {
		for _, e := range events {
			tr.clock = tr.clock.Add(time.Second)
			if _, err := tr.log.Append(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tr.t.Fatal(err)
	}
}

// bulk is n reads that no rare filter matches.
func bulk(n int) []audit.Event {
	return slices.Repeat([]audit.Event{event(audit.SecretRead, "production", "K")}, n)
}

// modelMatches is the plain meaning of a filter.
func modelMatches(f audit.Filter, e audit.Stored) bool {
	in := func(s, root, sep string) bool { return root == "" || s == root || strings.HasPrefix(s, root+sep) }
	return in(e.Namespace, f.Namespace, "/") && in(string(e.Action), f.Action, ".") &&
		(f.Actor == "" || f.Actor == e.Actor.ID || strings.EqualFold(f.Actor, e.Actor.Name)) &&
		!e.Time.Before(f.Since) && (f.Until.IsZero() || !e.Time.After(f.Until))
}

var (
	deep       = "a/b/c/d/e/f/g/h/i/j"
	namespaces = rapid.SampledFrom([]string{"", "a", "ab", "a/b", "a/b/c", "a/c", deep, deep + "/k", deep[:len(deep)-2], "b"})
	names      = rapid.SampledFrom([]string{"", "will", "Will", "WILL", "ſ", "S", "\u212a", "agt_1"})
	actorIDs   = rapid.SampledFrom([]string{"own_1", "agt_1", "s", "daemon"})
	actionsOf  = rapid.SampledFrom([]audit.Action{audit.SecretRead, audit.SecretRead.Denied(), audit.SecretRotate, audit.SecretRotationStart, audit.VaultLift, "step_up.failed"})
	filterKind = rapid.SampledFrom([]string{"", "", "secret", "secret.read", "secret.read.denied", "secret.rotate", "vault", "step_up", "kek.rotate"})
)

func drawEvents(t *rapid.T, n int) []audit.Event {
	kinds := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) audit.Event {
		return audit.Event{
			Actor:  audit.Actor{ID: actorIDs.Draw(t, "id"), Kind: "agent", Name: names.Draw(t, "name")},
			Action: actionsOf.Draw(t, "action"), Outcome: audit.OK, Namespace: namespaces.Draw(t, "namespace"),
		}
	}), 1, 12).Draw(t, "kinds")
	order := rapid.SliceOfN(rapid.IntRange(0, len(kinds)-1), 7, 7).Draw(t, "order")
	all := make([]audit.Event, n)
	for i := range all {
		all[i] = kinds[order[i%7]*(1+i/97)%len(kinds)]
	}
	return all
}

func drawFilter(t *rapid.T, start, end time.Time) audit.Filter {
	at := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "absent") {
			return time.Time{}
		}
		return start.Add(time.Duration(rapid.Int64Range(-2, int64(end.Sub(start)/time.Second)+2).Draw(t, "second")) * time.Second)
	})
	return audit.Filter{
		Namespace: namespaces.Draw(t, "in"), Action: filterKind.Draw(t, "of"),
		Actor: rapid.OneOf(rapid.Just(""), names, actorIDs).Draw(t, "by"),
		Since: at.Draw(t, "since"), Until: at.Draw(t, "until"),
	}
}

// TestQueryModel: whatever is indexed, and whatever arrives between two pages, all the
// pages together are what a look at each event gives.
func TestQueryModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		defer audit.FewStretchTerms(rapid.SampledFrom([]int{1 << 13, 60, 0}).Draw(rt, "terms of a stretch"))()
		tr := newTrail(t)
		defer tr.db.Close()
		start := tr.clock
		tr.appendAll(drawEvents(rt, rapid.IntRange(1, 4*stretch).Draw(rt, "events")))
		tr.index(rapid.IntRange(-1, 3).Draw(rt, "indexed"))
		for range 6 {
			f := drawFilter(rt, start, tr.clock)
			size := rapid.SampledFrom([]int{1, 7, 100, 1000, 5000}).Draw(rt, "page")
			checkPages(rt, tr, f, size)
		}
		if rep := tr.verify(); rep.Problem != "" {
			rt.Fatalf("verify: %d %s", rep.FirstBad, rep.Problem)
		}
	})
}

func checkPages(rt *rapid.T, tr *trail, f audit.Filter, size int) {
	want := tr.model(rt, f)
	got, pages := []uint64{}, 0
	for f, more := f, true; more && pages < 30; pages++ {
		page, err := tr.log.Query(context.Background(), tr.db, f, size)
		if err != nil {
			rt.Fatal(err)
		}
		for _, e := range page.Events {
			got = append(got, e.Seq)
		}
		if more = page.Next != 0; !more {
			break
		}
		if len(page.Events) != size {
			rt.Fatalf("%+v: a page of %d, and there is another one", f, len(page.Events))
		}
		if f, err = f.From("t", f.Cursor("t", page.Next)); err != nil {
			rt.Fatal(err)
		}
		if pages < 3 {
			tr.appendAll(drawEvents(rt, rapid.SampledFrom([]int{0, 1, 600}).Draw(rt, "arrive")))
			tr.index(rapid.IntRange(0, 2).Draw(rt, "indexed meanwhile"))
		}
	}
	if pages == 30 {
		want = want[:len(got)]
	}
	if !slices.Equal(got, want) {
		rt.Fatalf("%+v by %d: got %d events, want %d\n%v\n%v", f, size, len(got), len(want), got, want)
	}
}

// model is what a look at each event gives, newest first.
func (tr *trail) model(rt *rapid.T, f audit.Filter) (want []uint64) {
	inTime := uint64(0)
	err := tr.db.View(func(s *store.Snapshot) error {
		return audit.Walk(s, func(e audit.Stored) bool {
			if modelMatches(f, e) {
				want = append(want, e.Seq)
			}
			if modelMatches(audit.Filter{Since: f.Since, Until: f.Until}, e) {
				inTime++
			}
			return true
		})
	})
	if err != nil {
		rt.Fatal(err)
	}
	page, err := tr.log.Query(context.Background(), tr.db, f, 1)
	if err != nil {
		rt.Fatal(err)
	}
	if want == nil {
		want = []uint64{}
	}
	if f.Until.IsZero() || !f.Since.After(f.Until) {
		if page.InTime != inTime {
			rt.Fatalf("%+v: %d in time, want %d", f, page.InTime, inTime)
		}
	}
	slices.Reverse(want)
	return want
}

// TestQueryOverBlocks is the model over more stretches than one block has.
func TestQueryOverBlocks(t *testing.T) {
	tr := newTrail(t)
	start := tr.clock
	rare := []audit.Event{event(audit.SecretRollback, "staging", "K"), event(audit.VaultLift, "", ""), {Actor: audit.Actor{ID: "agt_1", Kind: "agent", Name: "bot"}, Action: audit.TokenCreate, Outcome: audit.OK}}
	for i := range 29 {
		events := bulk(5000)
		for range rand.IntN(3) {
			events[rand.IntN(len(events))] = rare[rand.IntN(3)]
		}
		if i%10 == 3 { // now and then many
			events = append(events, slices.Repeat(rare, 100)...)
		}
		tr.appendAll(events)
	}
	tr.index(-1)
	if rep := tr.verify(); rep.Problem != "" {
		t.Fatal(rep.FirstBad, rep.Problem)
	}
	all := tr.all()
	filters := []audit.Filter{{Namespace: "staging"}, {Actor: "bot"}, {Actor: "agt_1", Action: "token"}, {Action: "vault.lift"}, {Action: "secret", Namespace: "staging"}, {Namespace: "nowhere"}, {Actor: "WILL", Action: "vault"}}
	for range 60 {
		f := filters[rand.IntN(len(filters))]
		if rand.IntN(2) == 0 {
			f.Since = start.Add(rand.N(tr.clock.Sub(start)))
		}
		if rand.IntN(2) == 0 {
			f.Until = start.Add(rand.N(tr.clock.Sub(start)))
		}
		if rand.IntN(2) == 0 {
			f.Before = rand.Uint64N(uint64(len(all))) + 1
		}
		checkOnePage(t, tr, f, all)
	}
}

// all is the trail, newest first.
func (tr *trail) all() (all []audit.Stored) {
	tr.t.Helper()
	err := tr.db.View(func(s *store.Snapshot) error {
		return audit.Walk(s, func(e audit.Stored) bool { all = append(all, e); return true })
	})
	if err != nil {
		tr.t.Fatal(err)
	}
	slices.Reverse(all)
	return all
}

func checkOnePage(t *testing.T, tr *trail, f audit.Filter, all []audit.Stored) {
	t.Helper()
	page, err := tr.log.Query(context.Background(), tr.db, f, 5000)
	if err != nil || page.Next != 0 {
		t.Fatal(page.Next, err)
	}
	var got, want []uint64
	for _, e := range page.Events {
		got = append(got, e.Seq)
	}
	for _, e := range all {
		if modelMatches(f, e) && (f.Before == 0 || e.Seq < f.Before) {
			want = append(want, e.Seq)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v: %d events, want %d\n%v\n%v", f, len(got), len(want), got, want)
	}
}

// TestARareFilterCostsTheSame: what a first page looks at does not grow with the trail,
// but for one entry for each 65,536 events.
func TestARareFilterCostsTheSame(t *testing.T) {
	tr := newTrail(t)
	tr.appendAll(slices.Repeat([]audit.Event{event(audit.SecretRollback, "staging", "K")}, 3))
	var costs []int
	for _, size := range []int{10_000, 100_000} {
		for n := size/stretch*stretch - int(tr.log.Head().Seq); n > 0; n -= 5000 {
			tr.appendAll(bulk(min(n, 5000)))
		}
		tr.index(-1)
		page, err := tr.log.Query(context.Background(), tr.db, audit.Filter{Namespace: "staging", Actor: "WILL", Action: "secret"}, 50)
		if err != nil || len(page.Events) != 3 {
			t.Fatalf("%d events, %v", len(page.Events), err)
		}
		costs = append(costs, page.Looked())
	}
	if most := 3 + 1 + 1 + 63; costs[0] > most || costs[1] > most {
		t.Errorf("events and index entries read: %v, at most %d each", costs, most)
	}
}

// TestAPageNeverLeavesItsTimes: neither end of the times costs a walk.
func TestAPageNeverLeavesItsTimes(t *testing.T) {
	tr := newTrail(t)
	start := tr.clock
	tr.appendAll(bulk(5 * stretch))
	for _, indexed := range []int{0, -1} {
		tr.index(indexed)
		f := audit.Filter{Actor: "nobody", Since: start.Add(1500 * time.Second), Until: start.Add(1509 * time.Second)}
		page, err := tr.log.Query(context.Background(), tr.db, f, 50)
		if err != nil || len(page.Events) != 0 || page.InTime != 10 || page.Looked() > 11 {
			t.Errorf("%d events, %d in time, looked at %d: %v", len(page.Events), page.InTime, page.Looked(), err)
		}
		f.Actor = "will"
		page, err = tr.log.Query(context.Background(), tr.db, f, 50)
		if err != nil || len(page.Events) != 10 || page.Looked() > 11 {
			t.Errorf("%d events, looked at %d: %v", len(page.Events), page.Looked(), err)
		}
	}
}

// indexKeys are the keys of the index, in their order.
func (tr *trail) indexKeys() (keys [][]byte) {
	tr.t.Helper()
	err := tr.db.Chunks(store.Trail, nil, 1000, func(k, _ []byte) (bool, error) {
		if len(k) > 1 {
			keys = append(keys, k)
		}
		return true, nil
	})
	if err != nil {
		tr.t.Fatal(err)
	}
	return keys
}

// mixed is a trail with three stretches, of which n are indexed.
func mixed(t *testing.T, n int) *trail {
	t.Helper()
	tr := newTrail(t)
	var events []audit.Event
	for i := range 3 * stretch / 4 {
		events = append(events,
			event(audit.SecretRead, "a", "K"), event(audit.SecretRead.Denied(), "a/b", "K"),
			event(audit.SecretWrite, fmt.Sprintf("b/%d", i/300), "K"),
			audit.Event{Actor: audit.Actor{ID: "agt_1", Kind: "agent", Name: "bot"}, Action: audit.TokenCreate, Outcome: audit.OK},
		)
	}
	tr.appendAll(events)
	tr.index(n)
	return tr
}

// TestTamperedIndexes: what is wrong with an index is found by the check of the whole,
// which names the stretch, and no query shows an event that does not match.
func TestTamperedIndexes(t *testing.T) {
	progress := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	of := func(tr *trail, n uint64) [][]byte {
		return slices.DeleteFunc(tr.indexKeys(), func(k []byte) bool { return binary.BigEndian.Uint64(k) != n })
	}
	tests := map[string]struct {
		want uint64
		says string
		edit func(tr *trail, tx *store.Tx) error
	}{
		"an entry removed": {1025, "missing", func(tr *trail, tx *store.Tx) error { return tx.Delete(store.Trail, of(tr, 1)[3]) }},
		"the events of another one": {1, "changed", func(tr *trail, tx *store.Tx) error {
			keys := of(tr, 0)
			for _, k := range keys {
				if v := tx.Get(store.Trail, k); !bytes.Equal(v, tx.Get(store.Trail, keys[0])) {
					return tx.Put(store.Trail, keys[0], v)
				}
			}
			return errors.New("all entries are the same")
		}},
		"an event left out": {1025, "changed", func(tr *trail, tx *store.Tx) error {
			return tx.Put(store.Trail, of(tr, 1)[0], tx.Get(store.Trail, of(tr, 1)[0])[2:])
		}},
		"all left out": {1025, "changed", func(tr *trail, tx *store.Tx) error { return tx.Put(store.Trail, of(tr, 1)[0], nil) }},
		"a byte too many": {1025, "changed", func(tr *trail, tx *store.Tx) error {
			return tx.Put(store.Trail, of(tr, 1)[0], append(slices.Clone(tx.Get(store.Trail, of(tr, 1)[0])), 0))
		}},
		"an entry too many": {1025, "does not belong", func(_ *trail, tx *store.Tx) error {
			return tx.Put(store.Trail, append(progress(1), "\x00oneterm"...), []byte{0, 1})
		}},
		"an entry behind the last one": {1025, "does not belong", func(_ *trail, tx *store.Tx) error {
			return tx.Put(store.Trail, append(progress(1), "\x01oneterm!"...), []byte{0, 1})
		}},
		"an entry for what is not indexed": {2049, "not indexed", func(_ *trail, tx *store.Tx) error {
			return tx.Put(store.Trail, append(progress(1<<60), "\x00oneterm!"...), []byte{0, 1})
		}},
		"a key before all":       {1, "does not belong", func(_ *trail, tx *store.Tx) error { return tx.Put(store.Trail, []byte{0, 0}, nil) }},
		"another key":            {2049, "not indexed", func(_ *trail, tx *store.Tx) error { return tx.Put(store.Trail, []byte("x"), nil) }},
		"a claim to go further":  {3073, "further", func(_ *trail, tx *store.Tx) error { return tx.Put(store.Trail, []byte("i"), progress(4)) }},
		"a claim to have one":    {2049, "missing", func(_ *trail, tx *store.Tx) error { return tx.Put(store.Trail, []byte("i"), progress(3)) }},
		"a claim to have less":   {1025, "not indexed", func(_ *trail, tx *store.Tx) error { return tx.Put(store.Trail, []byte("i"), progress(1)) }},
		"no claim":               {1, "not indexed", func(_ *trail, tx *store.Tx) error { return tx.Delete(store.Trail, []byte("i")) }},
		"a claim of seven bytes": {3073, "malformed", func(_ *trail, tx *store.Tx) error { return tx.Put(store.Trail, []byte("i"), progress(2)[1:]) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tr := mixed(t, 2)
			if rep := tr.verify(); rep.Problem != "" {
				t.Fatalf("before: %d %s", rep.FirstBad, rep.Problem)
			}
			if err := tr.update(func(tx *store.Tx) error { return tt.edit(tr, tx) }); err != nil {
				t.Fatal(err)
			}
			rep := tr.verify()
			if rep.FirstBad != tt.want || !strings.Contains(rep.Problem, tt.says) {
				t.Errorf("found %d %q, want %d %q", rep.FirstBad, rep.Problem, tt.want, tt.says)
			}
			checkNothingWrong(t, tr)
			tr.reindexed()
		})
	}
}

// reindexed sees that a trail is sound again once its indexes were made anew.
func (tr *trail) reindexed() {
	tr.t.Helper()
	if err := audit.DropIndexes(context.Background(), tr.db); err != nil {
		tr.t.Fatal(err)
	}
	if keys := tr.indexKeys(); len(keys) > 0 {
		tr.t.Errorf("%d entries of indexes are left", len(keys))
	}
	for range 2 {
		if rep := tr.verify(); rep.Problem != "" {
			tr.t.Errorf("with indexes made anew: %d %s", rep.FirstBad, rep.Problem)
		}
		tr.index(-1)
	}
}

// TestBlocksOfManyTerms: a block with too many terms says that it may have any, and
// what it has is found all the same.
func TestBlocksOfManyTerms(t *testing.T) {
	audit.FewTerms(t, 100)
	tr := newTrail(t)
	for i := range 14 {
		tr.appendAll(append(bulk(4999), event(audit.SecretRollback, fmt.Sprintf("rare/%d", i), "K")))
	}
	tr.index(-1)
	last := []byte{0, 0, 0, 0, 0, 0, 0, 63, 1}
	if tr.get(store.Trail, last) == nil {
		t.Fatal("the block does not say that it has too many terms")
	}
	for _, k := range tr.indexKeys() {
		if len(k) > len(last) && k[8] == 1 {
			t.Fatalf("the block has an entry for a term: %x", k)
		}
	}
	for i := range 14 {
		page, err := tr.log.Query(context.Background(), tr.db, audit.Filter{Namespace: fmt.Sprintf("rare/%d", i)}, 50)
		if err != nil || len(page.Events) != 1 {
			t.Errorf("rare/%d: %d events, %v", i, len(page.Events), err)
		}
	}
	if rep := tr.verify(); rep.Problem != "" {
		t.Fatalf("%d %s", rep.FirstBad, rep.Problem)
	}
	if err := tr.update(func(tx *store.Tx) error { return tx.Delete(store.Trail, last) }); err != nil {
		t.Fatal(err)
	}
	if rep := tr.verify(); !strings.Contains(rep.Problem, "missing") {
		t.Errorf("without it: %d %q", rep.FirstBad, rep.Problem)
	}
}

// TestManyNamespaces: whoever makes a namespace of many parts for each request makes
// neither the index of a stretch long, nor anyone's query: not of his namespaces, nor of
// what lies in stretches that are coarse for him, in blocks and outside of them.
func TestManyNamespaces(t *testing.T) {
	defer audit.FewStretchTerms(2000)()
	tr := newTrail(t)
	rare := audit.Event{Actor: audit.Actor{ID: "agt_9", Kind: "agent", Name: "rare"}, Action: audit.SecretWrite, Outcome: audit.OK, Namespace: "quiet", Key: "K"}
	for i := range 66 {
		flood := bulk(stretch)
		if i%8 == 1 { // few enough that the block has all their terms
			for j := range flood {
				flood[j].Namespace = fmt.Sprintf("a%d/b%d/c%d/d%d", i*stretch+j, j%100, j, j)
			}
		}
		flood[500] = rare
		tr.appendAll(flood)
	}
	tr.index(-1)
	sizes := map[string]int{}
	for _, k := range tr.indexKeys() {
		if len(k) > 8 && k[8] == 0 {
			sizes[string(k[:8])]++
		}
	}
	coarse := 0
	for stretch, n := range sizes {
		if n > 4*stretchTerms {
			t.Errorf("stretch %x has %d entries", stretch, n)
		}
		if tr.get(store.Trail, append([]byte(stretch), 0)) != nil {
			coarse++
		}
	}
	if coarse != 9 {
		t.Errorf("%d stretches are coarse", coarse)
	}
	all := tr.all()
	for _, f := range []audit.Filter{
		{Namespace: "quiet", Actor: "RARE", Action: "secret"}, {Namespace: "quiet"}, {Actor: "rare"}, {Action: "secret.write", Namespace: "quiet"},
		{Namespace: "a1500"}, {Namespace: "a1500", Actor: "will"}, {Namespace: "a1500/b76/c476/d476", Action: "secret"}, {Namespace: "nowhere", Actor: "rare"},
	} {
		checkOnePage(t, tr, f, all)
		page, err := tr.log.Query(context.Background(), tr.db, f, 50)
		if most := len(page.Events)*4 + 80; err != nil || page.Looked() > most {
			t.Errorf("%+v: %d events cost %d looks, %v", f, len(page.Events), page.Looked(), err)
		}
	}
	if rep := tr.verify(); rep.Problem != "" {
		t.Fatal(rep.FirstBad, rep.Problem)
	}
}

// TestTamperedCoarse: nor is the mark of a coarse stretch taken away unseen.
func TestTamperedCoarse(t *testing.T) {
	defer audit.FewStretchTerms(10)()
	tr := newTrail(t)
	tr.appendAll(bulk(2 * stretch))
	tr.index(-1)
	if err := tr.update(func(tx *store.Tx) error { return tx.Delete(store.Trail, []byte{0, 0, 0, 0, 0, 0, 0, 1, 0}) }); err != nil {
		t.Fatal(err)
	}
	if rep := tr.verify(); rep.FirstBad != stretch+1 || !strings.Contains(rep.Problem, "missing") {
		t.Errorf("without the mark: %d %q", rep.FirstBad, rep.Problem)
	}
	checkNothingWrong(t, tr)
}

// stretchTerms is how many events each have a namespace of their own in a flood.
const stretchTerms = stretch + 100

// TestTamperedBlocks is the same for what a block says of its stretches.
func TestTamperedBlocks(t *testing.T) {
	tr := newTrail(t)
	for range 14 {
		tr.appendAll(bulk(5000))
	}
	tr.index(-1)
	var block []byte
	for _, k := range tr.indexKeys() {
		if k[8] == 1 {
			block = k
		}
	}
	good := tr.get(store.Trail, block)
	for name, value := range map[string][]byte{"a stretch left out": append(slices.Clone(good[:7]), good[7]^2), "cut": good[:7], "gone": nil} {
		err := tr.update(func(tx *store.Tx) error {
			if value == nil {
				return tx.Delete(store.Trail, block)
			}
			return tx.Put(store.Trail, block, value)
		})
		if err != nil {
			t.Fatal(err)
		}
		if rep := tr.verify(); rep.FirstBad != 63*stretch+1 || rep.Problem == "" {
			t.Errorf("%s: found %d %q", name, rep.FirstBad, rep.Problem)
		}
		checkNothingWrong(t, tr)
	}
	if err := tr.update(func(tx *store.Tx) error { return tx.Put(store.Trail, block, good) }); err != nil {
		t.Fatal(err)
	}
	if rep := tr.verify(); rep.Problem != "" {
		t.Errorf("put back: %s", rep.Problem)
	}
}

// checkNothingWrong: what is shown matches, whatever the indexes say.
func checkNothingWrong(t *testing.T, tr *trail) {
	t.Helper()
	for _, f := range []audit.Filter{{Namespace: "a"}, {Actor: "bot"}, {Namespace: "b", Action: "secret"}, {Action: "secret.read.denied"}} {
		page, err := tr.log.Query(context.Background(), tr.db, f, 5000)
		var tampered *audit.TamperError
		if err != nil && !errors.As(err, &tampered) {
			t.Errorf("%+v: %v", f, err)
		}
		before := uint64(1 << 60)
		for _, e := range page.Events {
			if !modelMatches(f, e) || e.Seq >= before {
				t.Fatalf("%+v shows event %d, %s %s, behind %d", f, e.Seq, e.Action, e.Namespace, before)
			}
			before = e.Seq
		}
	}
}

// TestVerifyBesideTheIndexer: a check may run while indexes are made.
func TestVerifyBesideTheIndexer(t *testing.T) {
	tr := mixed(t, 0)
	done := make(chan error)
	go func() {
		for {
			made, err := tr.log.Index(context.Background(), tr.db)
			if err != nil || !made {
				done <- err
				return
			}
		}
	}()
	for running := true; running; {
		select {
		case err := <-done:
			if running = false; err != nil {
				t.Fatal(err)
			}
		default:
		}
		if rep := tr.verify(); rep.Problem != "" {
			t.Fatalf("%d %s", rep.FirstBad, rep.Problem)
		}
	}
}

// TestIndexStops: what was changed under the daemon is not indexed as if it
// were true, and a cancelled index leaves nothing.
func TestIndexStops(t *testing.T) {
	tr := mixed(t, 0)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if made, err := tr.log.Index(ctx, tr.db); made || !errors.Is(err, context.Canceled) || len(tr.indexKeys()) != 0 {
		t.Errorf("cancelled: %v %v", made, err)
	}
	err := tr.update(func(tx *store.Tx) error {
		v := slices.Clone(tx.Get(store.Audit, seq(700)))
		v[len(v)-3] ^= 1
		return tx.Put(store.Audit, seq(700), v)
	})
	if err != nil {
		t.Fatal(err)
	}
	var tampered *audit.TamperError
	if made, err := tr.log.Index(context.Background(), tr.db); made || !errors.As(err, &tampered) || len(tr.indexKeys()) != 0 {
		t.Errorf("changed: %v %v", made, err)
	}
}
