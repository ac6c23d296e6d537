package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

// trail is an audit trail in a file of its own, filled much faster than a daemon is
// asked: many events to a commit.
type trail struct {
	db   *store.DB
	log  *audit.Log
	path string
	n    int // events, but for the first
}

const (
	trailTenant = "ten_aaaaaaaaaaaaaaaaaaaaaaaaaa"
	perCommit   = 5000 // events
	pageLength  = 50
	pageTries   = 200
)

// The filters of the pages. Every hundredth event is of the one; of the other, as
// many as a page holds lie at the very beginning.
var (
	spread = audit.Filter{Namespace: "production/payments", Actor: "deploy-bot", Action: "secret.read"}
	oldest = audit.Filter{Namespace: "staging", Actor: "old-bot", Action: "secret.read.denied"}
)

func newTrail(ctx context.Context, dir string) (*trail, error) {
	t := &trail{path: filepath.Join(dir, "trail.db")}
	_, signer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	t.log = audit.New(audit.Config{
		Tenant: trailTenant, Epoch: 1, Signer: signer, MACKey: make([]byte, 32), Now: time.Now,
		NewID:    func() string { return fmt.Sprintf("evt_%026d", t.n) },
		Anchored: []audit.Object{{Bucket: store.Vault, Key: "state"}},
	})
	t.db, err = store.Open(store.Config{Path: t.path, Prepare: t.log.Sign, Committed: t.log.Committed})
	if err != nil {
		return nil, err
	}
	return t, t.db.Update(ctx, func(tx *store.Tx) error {
		_, err := t.log.Append(tx, audit.Event{
			Actor: audit.Actor{ID: "daemon", Kind: "daemon", Name: "assd"}, Action: audit.VaultInit, Outcome: audit.OK,
			Vault: &audit.Birth{Tenant: trailTenant, VerifyKey: t.log.VerifyKey(), Epoch: 1},
		})
		return err
	})
}

// event is the n-th: a read by one of twenty agents, each of which uses 5 of 50
// namespaces with twenty secrets each, with all that a read's event says.
func event(n int) audit.Event {
	uid, agent := 1000, n%20
	service := (agent*3 + n/20%5) % 50
	e := audit.Event{
		Actor:  audit.Actor{ID: fmt.Sprintf("agt_%026d", agent), Kind: "agent", Name: fmt.Sprintf("agent-%d", agent)},
		Action: audit.SecretRead, Outcome: audit.OK, Version: 1,
		Namespace: fmt.Sprintf("team-%d/service-%d", service%7, service), Key: fmt.Sprintf("API_KEY_%d", n/100%20),
		Source:    &audit.Source{UID: &uid, PID: 40000 + n%1000, Exe: "/usr/local/bin/ass"},
		RequestID: fmt.Sprintf("req_%026d", n), TokenID: fmt.Sprintf("tok_%026d", n/100),
	}
	switch {
	case n < pageLength:
		e.Actor.Name, e.Namespace = oldest.Actor, oldest.Namespace
		e.Action, e.Outcome = audit.SecretRead.Denied(), audit.Denied
	case n%100 == 0:
		e.Actor.Name, e.Namespace = spread.Actor, spread.Namespace
	}
	return e
}

// grow appends events until there are n.
func (t *trail) grow(ctx context.Context, n int) error {
	for t.n < n {
		err := t.db.Update(ctx, func(tx *store.Tx) error {
			for range min(perCommit, n-t.n) {
				if _, err := t.log.Append(tx, event(t.n)); err != nil {
					return err
				}
				t.n++
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return t.index(ctx)
}

// page is the median time of the first page, in microseconds.
func (t *trail) page(ctx context.Context, f audit.Filter) (float64, error) {
	var took []time.Duration
	for range pageTries {
		begin := time.Now()
		page, err := t.log.Query(ctx, t.db, f, pageLength)
		took = append(took, time.Since(begin))
		if err != nil {
			return 0, err
		}
		if len(page.Events) != pageLength {
			return 0, fmt.Errorf("a page has %d events", len(page.Events))
		}
	}
	slices.Sort(took)
	return float64(took[len(took)/2].Nanoseconds()) / 1000, nil
}

// index makes all indexes, as the daemon does beside its work.
func (t *trail) index(ctx context.Context) error {
	for {
		more, err := t.log.Index(ctx, t.db)
		if err != nil || !more {
			return err
		}
	}
}
