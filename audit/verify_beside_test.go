package audit_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

// Events that are written while a check is under way are none of its business; those
// before them are, and the last stretch of the indexes is.
func TestVerifyBesideAWriter(t *testing.T) {
	for _, spoilt := range []bool{false, true} {
		tr := newTrail(t)
		tr.appendAll(bulk(2*stretch - 1)) // with the first, two stretches
		if tr.index(-1); spoilt {
			tr.edit(spoilStretch(1))
		}
		rep, err := audit.VerifyMeanwhile(context.Background(), tr.db, func() error {
			addMany(tr, 900)
			tr.append(event(audit.SecretWrite, "production", "K"), change(store.Agents, "agt_1", `{}`))
			return nil
		})
		if err != nil || rep.Events != 2*stretch {
			t.Fatalf("%v, %+v", err, rep)
		}
		if found := rep.FirstBad == stretch+1 && strings.Contains(rep.Problem, "it does not name the events it should"); found != spoilt || !spoilt && rep.Problem != "" {
			t.Errorf("spoilt %v: %d %q", spoilt, rep.FirstBad, rep.Problem)
		}
	}
}

// spoilStretch changes the last entry in the index of a stretch.
func spoilStretch(n byte) func(tx *store.Tx) error {
	return func(tx *store.Tx) error {
		var key, value []byte
		err := tx.ScanBack(store.Trail, []byte{0, 0, 0, 0, 0, 0, 0, n + 1}, func(k, v []byte) (bool, error) {
			key, value = bytes.Clone(k), bytes.Clone(v)
			return false, nil
		})
		value[len(value)-1] ^= 1
		return errors.Join(err, tx.Put(store.Trail, key, value))
	}
}

// A check that is called off ends, and says so.
func TestVerifyIsCalledOff(t *testing.T) {
	tr := newTrail(t)
	addMany(tr, 5000)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := audit.VerifyMeanwhile(ctx, tr.db, func() error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
