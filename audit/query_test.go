package audit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

func TestQuery(t *testing.T) {
	tr := newTrail(t)
	start := tr.clock
	agent := audit.Actor{ID: "agt_1", Kind: "agent", Name: "Deploy-Bot"}
	for i, e := range []audit.Event{
		{Actor: owner, Action: audit.SecretWrite, Namespace: "production", Key: "A"},
		{Actor: agent, Action: audit.SecretRead, Namespace: "production/openai", Key: "B"},
		{Actor: agent, Action: audit.SecretRead.Denied(), Namespace: "productions", Key: "C"},
		{Actor: owner, Action: audit.AgentCreate},
	} {
		tr.clock = start.Add(time.Duration(i+1) * time.Minute)
		e.Outcome = audit.OK
		tr.append(e)
	}
	at := func(m int) time.Time { return start.Add(time.Duration(m) * time.Minute) }
	tests := map[string]struct {
		f    audit.Filter
		want []uint64
	}{
		"all":                            {audit.Filter{}, []uint64{5, 4, 3, 2, 1}},
		"namespace and below, no others": {audit.Filter{Namespace: "production"}, []uint64{3, 2}},
		"actor by name, any case":        {audit.Filter{Actor: "deploy-bot"}, []uint64{4, 3}},
		"actor by id":                    {audit.Filter{Actor: "agt_1"}, []uint64{4, 3}},
		"action with its refusals":       {audit.Filter{Action: "secret.read"}, []uint64{4, 3}},
		"refusals alone":                 {audit.Filter{Action: "secret.read.denied"}, []uint64{4}},
		"family of actions":              {audit.Filter{Action: "secret"}, []uint64{4, 3, 2}},
		"since includes":                 {audit.Filter{Since: at(3)}, []uint64{5, 4}},
		"until includes":                 {audit.Filter{Until: at(3)}, []uint64{4, 3, 2, 1}},
		"between":                        {audit.Filter{Since: at(2), Until: at(3)}, []uint64{4, 3}},
		"before the first":               {audit.Filter{Until: at(-1)}, nil},
		"cursor":                         {audit.Filter{Before: 3}, []uint64{2, 1}},
		"no match":                       {audit.Filter{Action: "secr"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			page, err := tr.log.Query(context.Background(), tr.db, tt.f, 100)
			if err != nil || page.Next != 0 {
				t.Fatal(page.Next, err)
			}
			var got []uint64
			for _, e := range page.Events {
				got = append(got, e.Seq)
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// Pages follow each other without a gap or a repeat, also over more events than
// one read transaction looks at, and while events arrive.
func TestQueryPages(t *testing.T) {
	tr := newTrail(t)
	const n = 2500
	for range 25 {
		addMany(tr, 100)
	}
	seen, f := 0, audit.Filter{Action: "secret"}
	want := uint64(n + 1)
	for {
		page, err := tr.log.Query(context.Background(), tr.db, f, 333)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			if e.Seq != want {
				t.Fatalf("got event %d, want %d", e.Seq, want)
			}
			want--
			seen++
		}
		if page.Next == 0 {
			break
		}
		f.Before = page.Next
		addMany(tr, 1)
	}
	if seen != n {
		t.Errorf("saw %d of %d", seen, n)
	}
}

// An event that was removed is no shorter page, and a client that has gone is no
// longer served.
func TestQueryStops(t *testing.T) {
	tr := filled(t, 4)
	tr.edit(func(tx *store.Tx) error { return tx.Delete(store.Audit, seq(1)) })
	var tampered *audit.TamperError
	if _, err := tr.log.Query(context.Background(), tr.db, audit.Filter{}, 10); !errors.As(err, &tampered) {
		t.Errorf("event 1 removed: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := tr.log.Query(ctx, tr.db, audit.Filter{}, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// What was changed under the running daemon is not shown as if it were true.
func TestQueryChecksLinks(t *testing.T) {
	for name, n := range map[string]uint64{"an old event": 3, "the newest event": 5} {
		t.Run(name, func(t *testing.T) {
			tr := filled(t, 4)
			err := tr.update(func(tx *store.Tx) error {
				v := bytes.Replace(bytes.Clone(tx.Get(store.Audit, seq(n))), []byte("will"), []byte("mary"), 1)
				return tx.Put(store.Audit, seq(n), v)
			})
			if err != nil {
				t.Fatal(err)
			}
			var tampered *audit.TamperError
			if _, err := tr.log.Query(context.Background(), tr.db, audit.Filter{}, 10); !errors.As(err, &tampered) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Whoever rewrites the newest event and its link with it has no say over the
// head that the log remembers.
func TestQueryKnowsTheHead(t *testing.T) {
	tr := filled(t, 4)
	err := tr.update(func(tx *store.Tx) error {
		v := bytes.Replace(bytes.Clone(tx.Get(store.Audit, seq(5))), []byte("will"), []byte("mary"), 1)
		h := sha256.New()
		h.Write([]byte("ass-audit-v1\n"))
		h.Write(seq(5))
		h.Write(tx.Get(store.Audit, seq(4))[:sha256.Size])
		h.Write(v[sha256.Size:])
		return tx.Put(store.Audit, seq(5), append(h.Sum(nil), v[sha256.Size:]...))
	})
	if err != nil {
		t.Fatal(err)
	}
	var tampered *audit.TamperError
	if _, err := tr.log.Query(context.Background(), tr.db, audit.Filter{}, 10); !errors.As(err, &tampered) {
		t.Errorf("got %v", err)
	}
}
