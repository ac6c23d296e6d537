package audit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

// expiring are the buckets whose records may go without an event.
var expiring = []store.Bucket{store.Tokens, store.Approvals, store.Grants}

// use checks the record at o as the daemon does when it decides by it.
func (tr *trail) use(o audit.Object) error {
	return tr.update(func(tx *store.Tx) error {
		_, err := tr.log.Check(tx, o, tx.Get(o.Bucket, []byte(o.Key)))
		return err
	})
}

// aged is a trail with two records in each bucket that expires, so long ago that
// a walk of the trail has forgotten who wrote them, and some events since.
func aged(t *testing.T) *trail {
	t.Helper()
	tr := newTrail(t)
	for _, b := range expiring {
		for _, key := range []string{"kept", "dropped"} {
			tr.append(event(audit.TokenCreate, "", ""), change(b, key, `{"old":true}`))
		}
	}
	for i := range 4 {
		tr.clock = tr.clock.Add(10 * 24 * time.Hour)
		tr.append(event(audit.TokenCreate, "", ""), change(store.Tokens, fmt.Sprint("later", i), `{}`))
	}
	return tr
}

// TestExpiredRecordsAreNoTampering: a restarted daemon finds, uses and drops
// records that expired longer ago than the verifier remembers.
func TestExpiredRecordsAreNoTampering(t *testing.T) {
	for name, early := range map[string]bool{"used after the check": false, "used before it": true} {
		t.Run(name, func(t *testing.T) {
			tr := aged(t)
			if err := tr.reopen(); err != nil {
				t.Fatal(err)
			}
			check := func() {
				t.Helper()
				for _, b := range expiring {
					for _, key := range []string{"kept", "dropped"} {
						if err := tr.use(audit.Object{Bucket: b, Key: key}); err != nil {
							t.Errorf("using %s/%s: %v", b, key, err)
						}
					}
				}
			}
			if early {
				check()
			}
			rep := tr.verify()
			if rep.Problem != "" {
				t.Fatal(rep.Problem)
			}
			if err := tr.adopt(rep); err != nil {
				t.Fatalf("adopting: %v", err)
			}
			check()
			tr.drop("dropped")
			for _, b := range expiring {
				if err := tr.use(audit.Object{Bucket: b, Key: "dropped"}); err != nil {
					t.Errorf("using %s, which is not there: %v", b, err)
				}
			}
			if rep := tr.verify(); rep.Problem != "" {
				t.Error(rep.Problem)
			}
			if err := tr.adopt(tr.verify()); err != nil {
				t.Errorf("adopting what a later check found: %v", err)
			}
		})
	}
}

func (tr *trail) adopt(rep audit.Report) error {
	return tr.update(func(*store.Tx) error { return tr.log.Adopt(rep.Ledger) })
}

// drop removes a record of each bucket that expires, without an event.
func (tr *trail) drop(key string) {
	tr.t.Helper()
	err := tr.update(func(tx *store.Tx) error {
		for _, b := range expiring {
			if err := tr.log.Drop(tx, audit.Object{Bucket: b, Key: key}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tr.t.Fatal(err)
	}
}

// TestExpiredRecordsAreStillChecked: that they may go does not mean that they
// may come or change.
func TestExpiredRecordsAreStillChecked(t *testing.T) {
	for _, b := range expiring {
		o := audit.Object{Bucket: b, Key: "kept"}
		for name, tc := range map[string]struct {
			says string
			edit func(tr *trail, tx *store.Tx) error
		}{
			"inserted under another key": {"inserted", func(tr *trail, tx *store.Tx) error {
				return tx.Put(b, []byte("copied"), tx.Get(b, []byte("kept")))
			}},
			"changed": {"changed", func(tr *trail, tx *store.Tx) error {
				v := append([]byte(nil), tx.Get(b, []byte("kept"))...)
				v[len(v)-2] ^= 1
				return tx.Put(b, []byte("kept"), v)
			}},
			"claiming to be of another event": {"put back", func(tr *trail, tx *store.Tx) error {
				v := append([]byte(nil), tx.Get(b, []byte("kept"))...)
				v[7]--
				return tx.Put(b, []byte("kept"), v)
			}},
		} {
			t.Run(o.String()+" "+name, func(t *testing.T) {
				tr := aged(t)
				tr.edit(func(tx *store.Tx) error { return tc.edit(tr, tx) })
				if rep := tr.verify(); !strings.Contains(rep.Problem, tc.says) {
					t.Errorf("verify finds %q, want %q", rep.Problem, tc.says)
				}
			})
		}
		t.Run(o.String()+" come back after it was dropped", func(t *testing.T) {
			tr := aged(t)
			old := tr.get(b, []byte("dropped"))
			if err := tr.adopt(tr.verify()); err != nil {
				t.Fatal(err)
			}
			tr.drop("dropped")
			err := tr.update(func(tx *store.Tx) error { return tx.Put(b, []byte("dropped"), old) })
			if err != nil {
				t.Fatal(err)
			}
			if _, tampered := errors.AsType[*audit.TamperError](tr.use(audit.Object{Bucket: b, Key: "dropped"})); !tampered {
				t.Error("the running daemon uses it")
			}
		})
	}
}

// TestRemovedBetweenStartAndCheck: a record that was used and then removed before
// the check of the whole chain had begun is in its trail as removed.
func TestRemovedBetweenStartAndCheck(t *testing.T) {
	for _, b := range []store.Bucket{store.Grants, store.Wishes, store.Names} {
		tr := newTrail(t)
		o := audit.Object{Bucket: b, Key: "k"}
		tr.append(event(audit.AgentCreate, "", ""), change(b, "k", `{}`))
		if err := tr.reopen(); err != nil {
			t.Fatal(err)
		}
		if err := tr.use(o); err != nil {
			t.Fatal(err)
		}
		tr.append(event(audit.AgentRevoke, "", ""), audit.Change{Object: o})
		if err := tr.adopt(tr.verify()); err != nil {
			t.Errorf("%s: %v", b, err)
		}
	}
}

// TestDroppedBetweenStartAndCheck: what expired long ago may be looked at and
// dropped before the check has come to it.
func TestDroppedBetweenStartAndCheck(t *testing.T) {
	tr := aged(t)
	if err := tr.reopen(); err != nil {
		t.Fatal(err)
	}
	for _, b := range expiring {
		if err := tr.use(audit.Object{Bucket: b, Key: "dropped"}); err != nil {
			t.Fatal(err)
		}
	}
	tr.drop("dropped")
	rep := tr.verify()
	if rep.Problem != "" {
		t.Fatal(rep.Problem)
	}
	if err := tr.adopt(rep); err != nil {
		t.Error(err)
	}
}

// TestUsedThoughRemovedLongBefore: the same, but that the record had been removed
// before the start, and was put back.
func TestUsedThoughRemovedLongBefore(t *testing.T) {
	tr := newTrail(t)
	o := audit.Object{Bucket: store.Grants, Key: "k"}
	tr.append(event(audit.ApprovalApprove, "", ""), change(o.Bucket, o.Key, `{}`))
	old := tr.get(o.Bucket, []byte(o.Key))
	tr.append(event(audit.SecretDelete, "", ""), audit.Change{Object: o})
	if err := tr.reopen(); err != nil {
		t.Fatal(err)
	}
	clean := tr.verify()
	tr.update(func(tx *store.Tx) error { return tx.Put(o.Bucket, []byte(o.Key), old) }) //nolint:errcheck // seen below
	if err := tr.use(o); err != nil {
		t.Fatal(err)
	}
	if err := tr.adopt(clean); err == nil {
		t.Error("the use is not noticed")
	}
}
