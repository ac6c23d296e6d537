package audit_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

// trail is a log on a real file, with a clock and ids that tests can foresee.
type trail struct {
	t     testing.TB
	path  string
	clock time.Time
	ids   int
	cfg   audit.Config
	db    *store.DB
	log   *audit.Log
}

const tenant = "ten_aaaaaaaaaaaaaaaaaaaaaaaaaa"

func newTrail(t testing.TB) *trail {
	t.Helper()
	return newTrailOf(t, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)))
}

// newTrailOf is newTrail, signed by that key.
func newTrailOf(t testing.TB, key ed25519.PrivateKey) *trail {
	t.Helper()
	tr := &trail{
		t: t, path: filepath.Join(t.TempDir(), "vault.db"),
		clock: time.Date(2026, 3, 14, 13, 0, 0, 0, time.UTC),
	}
	tr.cfg = audit.Config{
		Tenant: tenant, Epoch: 1,
		Signer: key,
		MACKey: bytes.Repeat([]byte{9}, 32),
		Now:    func() time.Time { return tr.clock },
		NewID:  func() string { tr.ids++; return fmt.Sprintf("evt_%026d", tr.ids) },
	}
	tr.open()
	tr.log = audit.New(tr.cfg)
	tr.append(audit.Event{
		Actor: audit.Actor{ID: "daemon", Kind: "daemon", Name: "assd"}, Action: audit.VaultInit, Outcome: audit.OK,
		Vault: &audit.Birth{Tenant: tenant, VerifyKey: tr.log.VerifyKey(), Epoch: 1},
	}, change(store.Vault, "state", "{}"))
	return tr
}

func (tr *trail) open() {
	tr.t.Helper()
	db, err := store.Open(store.Config{
		Path:      tr.path,
		Prepare:   func(tx *store.Tx) error { return tr.log.Sign(tx) },
		Committed: func() { tr.log.Committed() },
	})
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.db = db
	tr.t.Cleanup(func() { db.Close() })
}

// reopen closes the file and goes on with it as a restarted daemon would.
func (tr *trail) reopen() error {
	tr.t.Helper()
	if err := tr.db.Close(); err != nil {
		tr.t.Fatal(err)
	}
	tr.open()
	return tr.db.View(func(s *store.Snapshot) (err error) {
		l, err := audit.Open(s, tr.cfg)
		if err == nil {
			tr.log = l
		}
		return err
	})
}

func (tr *trail) update(op func(*store.Tx) error) error {
	return tr.db.Update(context.Background(), op)
}

func (tr *trail) append(e audit.Event, changes ...audit.Change) {
	tr.t.Helper()
	err := tr.update(func(tx *store.Tx) error {
		_, err := tr.log.Append(tx, e, changes...)
		return err
	})
	if err != nil {
		tr.t.Fatal(err)
	}
}

// edit changes the file behind the log's back.
func (tr *trail) edit(op func(*store.Tx) error) {
	tr.t.Helper()
	tr.db.Close()
	db, err := store.Open(store.Config{Path: tr.path})
	if err != nil {
		tr.t.Fatal(err)
	}
	if err := db.Update(context.Background(), op); err != nil {
		tr.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		tr.t.Fatal(err)
	}
	tr.open()
}

func (tr *trail) verify() audit.Report {
	tr.t.Helper()
	rep, err := audit.Verify(context.Background(), tr.db)
	if err != nil {
		tr.t.Fatal(err)
	}
	return rep
}

func (tr *trail) get(b store.Bucket, key []byte) (out []byte) {
	tr.t.Helper()
	err := tr.db.View(func(s *store.Snapshot) error {
		out = bytes.Clone(s.Get(b, key))
		return nil
	})
	if err != nil {
		tr.t.Fatal(err)
	}
	return out
}

func change(b store.Bucket, key, content string) audit.Change {
	return audit.Change{Object: audit.Object{Bucket: b, Key: key}, Content: []byte(content)}
}

var owner = audit.Actor{ID: "own_x", Kind: "owner", Name: "will"}

func event(action audit.Action, namespace, key string) audit.Event {
	return audit.Event{Actor: owner, Action: action, Outcome: audit.OK, Namespace: namespace, Key: key}
}

// filled is a trail with n events beyond the first, each with its own commit,
// and a few records, one of them written twice.
func filled(t *testing.T, n int) *trail {
	t.Helper()
	tr := newTrail(t)
	for i := range n {
		tr.clock = tr.clock.Add(time.Second)
		var changes []audit.Change
		if i%3 == 0 {
			changes = append(changes, change(store.Agents, fmt.Sprintf("agt_%d", i%6), fmt.Sprintf(`{"round":%d}`, i)))
		}
		tr.append(event(audit.SecretWrite, "production", fmt.Sprintf("K%d", i)), changes...)
	}
	return tr
}

func headKey(n uint64) []byte { return append(seq(n), 'h') }

func seq(n uint64) []byte { return []byte{0, 0, 0, 0, 0, 0, byte(n >> 8), byte(n)} }

// addMany appends n reads in one commit.
func addMany(tr *trail, n int) {
	tr.t.Helper()
	err := tr.update(func(tx *store.Tx) error {
		for range n {
			if _, err := tr.log.Append(tx, event(audit.SecretRead, "production", "K")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tr.t.Fatal(err)
	}
}
