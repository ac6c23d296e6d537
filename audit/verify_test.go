package audit_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

func TestVerifyAcceptsWhatTheLogWrote(t *testing.T) {
	tr := filled(t, 12)
	rep := tr.verify()
	if rep.Problem != "" || rep.Events != 13 || rep.Heads != 13 || rep.Records != 3 {
		t.Fatalf("report %+v", rep)
	}
	if got := tr.log.Head(); got.Seq != 13 || got.Hash != rep.Head.Hash {
		t.Errorf("the log's head is %d %s, the file's %d %s", got.Seq, got.Hash, rep.Head.Seq, rep.Head.Hash)
	}
}

// Every single byte of every event, link and signature is flipped in turn.
func TestVerifyFindsEveryFlippedByte(t *testing.T) {
	tr := filled(t, 4)
	for name, key := range map[string]func(uint64) []byte{"event": seq, "head": headKey} {
		for n := uint64(1); n <= 5; n++ {
			good := tr.get(store.Audit, key(n))
			for i := range good {
				bad := bytes.Clone(good)
				bad[i] ^= 1
				tr.edit(func(tx *store.Tx) error { return tx.Put(store.Audit, key(n), bad) })
				rep := tr.verify()
				if rep.Problem == "" {
					t.Fatalf("%s %d byte %d (%q): not found", name, n, i, good[i])
				}
				if rep.FirstBad != n {
					t.Errorf("%s %d byte %d: reported at %d: %s", name, n, i, rep.FirstBad, rep.Problem)
				}
			}
			tr.edit(func(tx *store.Tx) error { return tx.Put(store.Audit, key(n), good) })
		}
	}
	if rep := tr.verify(); rep.Problem != "" {
		t.Fatalf("put back whole, it still fails: %s", rep.Problem)
	}
}

// Structural edits by someone without a key, each on a fresh copy.
func TestVerifyFindsEdits(t *testing.T) {
	foreign := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	tests := []struct {
		name string
		want uint64 // first bad sequence number
		says string
		edit func(tr *trail, tx *store.Tx) error
	}{
		{"an event removed", 5, "missing", func(tr *trail, tx *store.Tx) error {
			return tx.Delete(store.Audit, seq(5))
		}},
		{"event 1 removed", 1, "missing", func(tr *trail, tx *store.Tx) error {
			return tx.Delete(store.Audit, seq(1))
		}},
		{"the tail cut, its heads left", 9, "cut", func(tr *trail, tx *store.Tx) error {
			return tx.Delete(store.Audit, seq(9))
		}},
		{"an event moved behind the end", 10, "inserted", func(tr *trail, tx *store.Tx) error {
			return tx.Put(store.Audit, seq(10), bytes.Clone(tx.Get(store.Audit, seq(4))))
		}},
		{"two events swapped", 4, "hash", func(tr *trail, tx *store.Tx) error {
			a, b := bytes.Clone(tx.Get(store.Audit, seq(4))), bytes.Clone(tx.Get(store.Audit, seq(6)))
			if err := tx.Put(store.Audit, seq(4), b); err != nil {
				return err
			}
			return tx.Put(store.Audit, seq(6), a)
		}},
		{"a head removed in the middle is no loss; a foreign one is", 6, "foreign", func(tr *trail, tx *store.Tx) error {
			sig := ed25519.Sign(foreign, []byte("x"))
			return tx.Put(store.Audit, headKey(6), append(seq(1), sig...))
		}},
		{"the newest head removed", 9, "head is missing", func(tr *trail, tx *store.Tx) error {
			return tx.Delete(store.Audit, headKey(9))
		}},
		{"a record changed", 8, "changed", func(tr *trail, tx *store.Tx) error {
			v := bytes.Replace(bytes.Clone(tx.Get(store.Agents, []byte("agt_0"))), []byte(`6`), []byte(`7`), 1)
			return tx.Put(store.Agents, []byte("agt_0"), v)
		}},
		{"a record removed", 5, "missing", func(tr *trail, tx *store.Tx) error {
			return tx.Delete(store.Agents, []byte("agt_3"))
		}},
		{"a record added", 5, "inserted", func(tr *trail, tx *store.Tx) error {
			return tx.Put(store.Agents, []byte("agt_new"), bytes.Clone(tx.Get(store.Agents, []byte("agt_3"))))
		}},
		{"a record that claims to be newer than the trail", 9, "did not write it", func(tr *trail, tx *store.Tx) error {
			v := bytes.Clone(tx.Get(store.Agents, []byte("agt_3")))
			v[0] = 0x40
			return tx.Put(store.Agents, []byte("agt_new"), v)
		}},
		{"the check of a record changed", 8, "changed", func(tr *trail, tx *store.Tx) error {
			v := bytes.Clone(tx.Get(store.Agents, []byte("agt_0")))
			v[8] ^= 1
			return tx.Put(store.Agents, []byte("agt_0"), v)
		}},
		{"a record moved to another bucket", 5, "inserted", func(tr *trail, tx *store.Tx) error {
			return tx.Put(store.Owners, []byte("agt_3"), bytes.Clone(tx.Get(store.Agents, []byte("agt_3"))))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := filled(t, 8)
			tr.edit(func(tx *store.Tx) error { return tt.edit(tr, tx) })
			rep := tr.verify()
			if rep.FirstBad != tt.want || !strings.Contains(rep.Problem, tt.says) {
				t.Errorf("got %d %q, want %d and %q", rep.FirstBad, rep.Problem, tt.want, tt.says)
			}
		})
	}
}

// A record put back to an older genuine state has a good MAC; the trail gives it
// away.
func TestVerifyFindsARecordPutBack(t *testing.T) {
	tr := newTrail(t)
	tr.append(event(audit.AgentCreate, "", ""), change(store.Agents, "agt_a", `{"revoked":false}`))
	old := tr.get(store.Agents, []byte("agt_a"))
	tr.append(event(audit.AgentRevoke, "", ""), change(store.Agents, "agt_a", `{"revoked":true}`))
	tr.edit(func(tx *store.Tx) error { return tx.Put(store.Agents, []byte("agt_a"), old) })
	rep := tr.verify()
	if rep.FirstBad != 3 || !strings.Contains(rep.Problem, "put back") {
		t.Errorf("got %d %q", rep.FirstBad, rep.Problem)
	}
	o := audit.Object{Bucket: store.Agents, Key: "agt_a"}
	err := tr.db.View(func(s *store.Snapshot) error {
		_, err := tr.log.Check(s, o, s.Get(o.Bucket, []byte(o.Key)))
		return err
	})
	if err != nil {
		t.Errorf("its MAC should be good, or this tests nothing: %v", err)
	}
}

// Removed with an event, a record may not come back.
func TestVerifyFindsARecordThatCameBack(t *testing.T) {
	tr := newTrail(t)
	tr.append(event(audit.AgentCreate, "", ""), change(store.Names, "agent/a", `{}`))
	old := tr.get(store.Names, []byte("agent/a"))
	tr.append(event(audit.AgentRevoke, "", ""), audit.Change{Object: audit.Object{Bucket: store.Names, Key: "agent/a"}})
	if rep := tr.verify(); rep.Problem != "" {
		t.Fatalf("the removal itself: %s", rep.Problem)
	}
	tr.edit(func(tx *store.Tx) error { return tx.Put(store.Names, []byte("agent/a"), old) })
	if rep := tr.verify(); rep.FirstBad != 3 {
		t.Errorf("got %d %q", rep.FirstBad, rep.Problem)
	}
}

func TestOpenRefusesABrokenTail(t *testing.T) {
	tests := map[string]func(tx *store.Tx) error{
		"the last event changed": func(tx *store.Tx) error {
			v := bytes.Clone(tx.Get(store.Audit, seq(6)))
			v[len(v)-2] ^= 1
			return tx.Put(store.Audit, seq(6), v)
		},
		"the last signature changed": func(tx *store.Tx) error {
			v := bytes.Clone(tx.Get(store.Audit, headKey(6)))
			v[20] ^= 1
			return tx.Put(store.Audit, headKey(6), v)
		},
		"the last event cut": func(tx *store.Tx) error { return tx.Delete(store.Audit, seq(6)) },
		"the trail emptied":  func(tx *store.Tx) error { return deleteAll(tx, store.Audit, 6) },
	}
	for name, edit := range tests {
		t.Run(name, func(t *testing.T) {
			tr := filled(t, 5)
			if err := tr.reopen(); err != nil {
				t.Fatalf("whole, it does not open: %v", err)
			}
			tr.edit(edit)
			if err := tr.reopen(); err == nil {
				t.Error("opened")
			}
		})
	}
}

func deleteAll(tx *store.Tx, b store.Bucket, n uint64) error {
	for i := uint64(1); i <= n; i++ {
		if err := tx.Delete(b, seq(i)); err != nil {
			return err
		}
	}
	return nil
}

// Two entries of one key in a page: bbolt finds the first, a scan the last. A
// page can be edited like this with a hex editor.
func TestVerifyFindsKeysOutOfOrder(t *testing.T) {
	tr := newTrail(t)
	tr.append(event(audit.AgentCreate, "", ""), change(store.Agents, "agt_twin_a", `{"n":1}`), change(store.Agents, "agt_twin_b", `{"n":2}`))
	tr.db.Close()
	b, err := os.ReadFile(tr.path)
	if err != nil {
		t.Fatal(err)
	}
	edited := bytes.ReplaceAll(b, []byte("agt_twin_b"), []byte("agt_twin_a"))
	// The event names both; put its copy back, so that the chain is whole.
	at := bytes.LastIndex(b, []byte(`agents/agt_twin_b`))
	for ; at >= 0; at = bytes.LastIndex(b[:at], []byte(`agents/agt_twin_b`)) {
		copy(edited[at:], b[at:at+len("agents/agt_twin_b")])
	}
	if bytes.Equal(edited, b) {
		t.Fatal("nothing was edited")
	}
	if err := os.WriteFile(tr.path, edited, 0o600); err != nil {
		t.Fatal(err)
	}
	tr.open()
	if rep, err := audit.Verify(context.Background(), tr.db); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("found %q, %v", rep.Problem, err)
	}
}
