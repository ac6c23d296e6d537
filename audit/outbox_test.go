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

// The records of the outbox come once and go by an event, very many of them.

func waits(n int) audit.Object {
	return audit.Object{Bucket: store.Outbox, Key: fmt.Sprint("chat/", n)}
}

func (tr *trail) queue(n int) {
	tr.append(event(audit.SecretWrite, "a", "K"), audit.Change{Object: waits(n), Content: []byte(`{"at":1}`)})
}

func (tr *trail) deliver(n int) {
	tr.append(event(audit.WebhookDelivered, "", ""), audit.Change{Object: waits(n)})
}

// TestOutboxIsForgotten: what has been delivered is remembered neither by the running
// daemon nor by the walk over the trail; both say the same of what still waits.
func TestOutboxIsForgotten(t *testing.T) {
	tr := newTrail(t)
	for n := range 50 {
		tr.queue(n)
		if n > 0 {
			tr.deliver(n)
		}
	}
	rep := tr.verify()
	if rep.Problem != "" {
		t.Fatal(rep.Problem)
	}
	remembered := rep.Ledger.Len()
	if ours := tr.log.Remembered(); ours > 3 || remembered > 3 {
		t.Errorf("%d and %d objects are remembered", ours, remembered)
	}
	if err := tr.reopen(); err != nil {
		t.Fatal(err)
	}
	if err := tr.use(waits(0)); err != nil { // before the check knows of it
		t.Fatal(err)
	}
	tr.deliver(0)
	if err := tr.adopt(rep); err != nil {
		t.Errorf("what was delivered since then: %v", err)
	}
	if err := tr.adopt(tr.verify()); err != nil {
		t.Error(err)
	}
	if err := tr.use(waits(0)); err != nil {
		t.Errorf("that it is not there any more: %v", err)
	}
	tr.queue(50)
	if rep := tr.verify(); rep.Problem != "" {
		t.Error(rep.Problem)
	}
}

// TestOutboxDeliveredBeforeTheCheck: what was used and removed before the first check of
// the whole chain had begun is in its trail as never there; the event that removed it
// bears it out.
func TestOutboxDeliveredBeforeTheCheck(t *testing.T) {
	tr := newTrail(t)
	tr.queue(1)
	if err := tr.reopen(); err != nil {
		t.Fatal(err)
	}
	if err := tr.use(waits(1)); err != nil {
		t.Fatal(err)
	}
	tr.deliver(1)
	if err := tr.adopt(tr.verify()); err != nil {
		t.Error(err)
	}
}

// TestOutboxLongAfter: however long something waits, its end is no surprise.
func TestOutboxLongAfter(t *testing.T) {
	tr := newTrail(t)
	tr.queue(1)
	for range 4 {
		tr.clock = tr.clock.Add(10 * 24 * time.Hour)
		tr.append(event(audit.TokenCreate, "", ""), change(store.Tokens, fmt.Sprint("later", tr.clock), `{}`))
	}
	tr.deliver(1)
	if rep := tr.verify(); rep.Problem != "" {
		t.Error(rep.Problem)
	}
}

// TestOutboxIsHeldAgainstTheTrail: what was taken away or put back is found by the walk,
// and what was put back is not used.
func TestOutboxIsHeldAgainstTheTrail(t *testing.T) {
	for name, tc := range map[string]struct {
		says string
		edit func(tr *trail, tx *store.Tx, old []byte) error
	}{
		"taken away": {"missing", func(_ *trail, tx *store.Tx, _ []byte) error { return tx.Delete(store.Outbox, []byte(waits(2).Key)) }},
		"put back":   {"put back", func(_ *trail, tx *store.Tx, old []byte) error { return tx.Put(store.Outbox, []byte(waits(1).Key), old) }},
		"moved":      {"inserted", func(_ *trail, tx *store.Tx, old []byte) error { return tx.Put(store.Outbox, []byte(waits(3).Key), old) }},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrail(t)
			tr.queue(1)
			old := tr.get(store.Outbox, []byte(waits(1).Key))
			tr.queue(2)
			tr.deliver(1)
			if err := tr.adopt(tr.verify()); err != nil {
				t.Fatal(err)
			}
			tr.edit(func(tx *store.Tx) error { return tc.edit(tr, tx, old) })
			if rep := tr.verify(); !strings.Contains(rep.Problem, tc.says) {
				t.Errorf("verify finds %q, want %q", rep.Problem, tc.says)
			}
			if name == "taken away" {
				return
			}
			for _, o := range []audit.Object{waits(1), waits(3)} {
				if tr.get(o.Bucket, []byte(o.Key)) == nil {
					continue
				}
				if _, tampered := errors.AsType[*audit.TamperError](tr.use(o)); !tampered {
					t.Errorf("the running daemon uses %s", o)
				}
			}
		})
	}
}

// TestAttached: what is attached to an event is written with it and is among its marks,
// and an operation that fails leaves neither.
func TestAttached(t *testing.T) {
	tr := newTrail(t)
	n := 0
	tr.cfg.Attach = func(tx *store.Tx, seq uint64, e *audit.Event) []audit.Change {
		if e.ID == "" || e.Time.IsZero() {
			t.Error("the event is not whole")
		}
		n++
		tx.OnUndo(func() { n-- })
		return []audit.Change{{Object: waits(int(seq)), Content: []byte(`{"at":1}`)}}
	}
	if err := tr.reopen(); err != nil {
		t.Fatal(err)
	}
	changes := make([]audit.Change, 1, 2) // with room for what is attached
	changes[0] = change(store.Names, "one", `{"n":1}`)
	tr.append(event(audit.SecretWrite, "a", "K"), changes...)
	failed := errors.New("failed")
	err := tr.update(func(tx *store.Tx) error {
		if _, err := tr.log.Append(tx, event(audit.SecretWrite, "a", "K")); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) || n != 1 || changes[:2][1].Content != nil {
		t.Errorf("%v, %d attached", err, n)
	}
	if tr.get(store.Outbox, []byte(waits(2).Key)) == nil || tr.get(store.Outbox, []byte(waits(3).Key)) != nil {
		t.Error("it is not with its event")
	}
	if rep := tr.verify(); rep.Problem != "" || rep.Records != 3 {
		t.Errorf("%q, %d records", rep.Problem, rep.Records)
	}
}
