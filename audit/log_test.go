package audit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

// The bytes of a record of the trail are frozen: event, link, signature, record.
// Old files must verify for ever.
func TestGoldenBytes(t *testing.T) {
	tr := newTrail(t)
	uid := 1000
	tr.clock = tr.clock.Add(1500 * time.Millisecond)
	tr.append(audit.Event{
		Actor: owner, Action: audit.SecretRead.Denied(), Outcome: audit.Denied,
		Namespace: "production/openai", Key: "API_KEY", Version: 3, Subject: &audit.Subject{ID: "agt_x", Name: "ci"},
		Reason: "beyond <scope> & ü", Source: &audit.Source{UID: &uid, PID: 42}, RequestID: "req_1", ClientRef: "c-1",
		Approval: "apr_1", TokenID: "tok_1", Count: 2,
	}, change(store.Agents, "agt_x", `{"name":"ci"}`))
	got := map[string]string{
		"event 1": string(tr.get(store.Audit, seq(1))[sha256.Size:]),
		"event 2": string(tr.get(store.Audit, seq(2))[sha256.Size:]),
		"hash 1":  hex.EncodeToString(tr.get(store.Audit, seq(1))[:sha256.Size]),
		"hash 2":  hex.EncodeToString(tr.get(store.Audit, seq(2))[:sha256.Size]),
		"head 2":  hex.EncodeToString(tr.get(store.Audit, headKey(2))),
		"record":  hex.EncodeToString(tr.get(store.Agents, []byte("agt_x"))),
	}
	golden := filepath.Join("testdata", "golden.json")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		b, _ := json.MarshalIndent(got, "", "  ")
		if err := os.WriteFile(golden, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]string
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the disk format changed (-frozen +now):\n%s", diff)
	}
}

// The chain is the one that the contract's export line defines, computed here
// from the definition alone.
func TestChainIsAsPublished(t *testing.T) {
	tr := filled(t, 3)
	prev := make([]byte, 32)
	for n := uint64(1); n <= 4; n++ {
		v := tr.get(store.Audit, seq(n))
		h := sha256.New()
		h.Write([]byte("ass-audit-v1\n"))
		h.Write(binary.BigEndian.AppendUint64(nil, n))
		h.Write(prev)
		h.Write(v[32:])
		if !bytes.Equal(h.Sum(nil), v[:32]) {
			t.Fatalf("hash %d is not SHA-256(label ‖ seq ‖ prev ‖ event)", n)
		}
		if !json.Valid(v[32:]) || bytes.ContainsRune(v[32:], '\n') {
			t.Errorf("event %d is not one line of JSON", n)
		}
		prev = v[:32]
	}
}

// A failed operation leaves no trace in the chain, whatever it appended.
func TestAFailedOperationLeavesTheChain(t *testing.T) {
	tr := filled(t, 2)
	boom := errors.New("boom")
	err := tr.update(func(tx *store.Tx) error {
		if _, err := tr.log.Append(tx, event(audit.SecretWrite, "a", "K"), change(store.Agents, "agt_0", `{"x":1}`)); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	tr.append(event(audit.SecretWrite, "a", "L"))
	if rep := tr.verify(); rep.Problem != "" || rep.Events != 4 {
		t.Errorf("report %+v", rep)
	}
	if err := tr.reopen(); err != nil {
		t.Error(err)
	}
}

// The chain goes on from the head in memory: a file rewritten under a running
// daemon is not signed over.
func TestAFileRewrittenUnderneathIsNotSignedOver(t *testing.T) {
	tr := filled(t, 2)
	err := tr.update(func(tx *store.Tx) error { // stands for another process's write
		v := bytes.Clone(tx.Get(store.Audit, seq(3)))
		v[len(v)-3] ^= 1
		if _, err := tr.log.Append(tx, event(audit.SecretRead, "a", "K")); err != nil {
			return err
		}
		return tx.Put(store.Audit, seq(3), v)
	})
	if err != nil {
		t.Fatal(err)
	}
	if rep := tr.verify(); rep.FirstBad != 3 {
		t.Errorf("found at %d: %s", rep.FirstBad, rep.Problem)
	}
}

// A record that was put back is refused by the running log: at once if the log
// wrote the newer one, and after Adopt also when it was written before the start.
func TestARecordPutBackIsRefusedAtUse(t *testing.T) {
	o := audit.Object{Bucket: store.Agents, Key: "agt_a"}
	check := func(tr *trail) error {
		return tr.update(func(tx *store.Tx) error {
			_, err := tr.log.Check(tx, o, tx.Get(o.Bucket, []byte(o.Key)))
			return err
		})
	}
	tr := newTrail(t)
	tr.append(event(audit.AgentCreate, "", ""), change(o.Bucket, o.Key, `{"revoked":false}`))
	old := tr.get(o.Bucket, []byte(o.Key))
	tr.append(event(audit.AgentRevoke, "", ""), change(o.Bucket, o.Key, `{"revoked":true}`))
	now := tr.get(o.Bucket, []byte(o.Key))
	put := func(v []byte) {
		t.Helper()
		if err := tr.update(func(tx *store.Tx) error { return tx.Put(o.Bucket, []byte(o.Key), v) }); err != nil {
			t.Fatal(err)
		}
	}
	var tampered *audit.TamperError
	if err := check(tr); err != nil {
		t.Fatalf("the newest state is refused: %v", err)
	}
	put(old)
	if err := check(tr); !errors.As(err, &tampered) {
		t.Fatalf("put back while running: %v", err)
	}
	put(now)
	if err := tr.reopen(); err != nil {
		t.Fatal(err)
	}
	tr.log.Adopt(tr.verify().Ledger)
	if err := check(tr); err != nil {
		t.Fatalf("after a restart the newest state is refused: %v", err)
	}
	put(old)
	if err := check(tr); !errors.As(err, &tampered) {
		t.Errorf("put back after a restart: %v", err)
	}
}

func TestMACBindsPlaceSequenceAndContent(t *testing.T) {
	tr := filled(t, 4)
	o := audit.Object{Bucket: store.Agents, Key: "agt_3"}
	good := tr.get(o.Bucket, []byte(o.Key))
	check := func(o audit.Object, raw []byte) error {
		return tr.db.View(func(s *store.Snapshot) error {
			_, err := tr.log.Check(s, o, raw)
			return err
		})
	}
	if err := check(o, good); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if check(o, bad) == nil {
			t.Errorf("byte %d flipped passes", i)
		}
	}
	for _, other := range []audit.Object{{Bucket: store.Owners, Key: o.Key}, {Bucket: o.Bucket, Key: "agt_0"}} {
		if check(other, good) == nil {
			t.Errorf("moved to %s it passes", other)
		}
	}
}

// Times never fall, and a clock that went back is noted.
func TestAClockThatWentBack(t *testing.T) {
	tr := filled(t, 1)
	before := tr.log.Now()
	tr.clock = tr.clock.Add(-time.Hour)
	if tr.log.Now().Before(before) {
		t.Error("Now went back")
	}
	tr.append(event(audit.SecretRead, "a", "K"))
	page, err := tr.log.Query(context.Background(), tr.db, audit.Filter{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if e := page.Events[0]; !e.Time.Equal(before) || e.Clock == nil || !e.Clock.Equal(tr.clock) {
		t.Errorf("time %v, clock %v", e.Time, e.Clock)
	}
	if rep := tr.verify(); rep.Problem != "" {
		t.Error(rep.Problem)
	}
}

// A clock that jumped ahead once and was put right does not stop time: what
// passes since, counts.
func TestTimeGoesOnBehindAJump(t *testing.T) {
	tr := filled(t, 1)
	tr.clock = tr.clock.Add(48 * time.Hour)
	tr.append(event(audit.SecretRead, "a", "K"))
	jumped := tr.log.Now()
	tr.clock = tr.clock.Add(-48 * time.Hour)
	if got := tr.log.Now(); got.Before(jumped) {
		t.Errorf("time went back by %v", jumped.Sub(got))
	}
	tr.append(event(audit.SecretRead, "a", "K"))
	tr.clock = tr.clock.Add(time.Minute)
	if got := tr.log.Now().Sub(jumped); got != time.Minute {
		t.Errorf("after a minute %v have passed", got)
	}
	if err := tr.reopen(); err != nil {
		t.Fatal(err)
	}
	tr.clock = tr.clock.Add(time.Minute)
	if got := tr.log.Now().Sub(jumped); got != time.Minute { // the last event was written at the jump
		t.Errorf("a minute after a restart %v have passed", got)
	}
}

// What was used before the check of the chain was done is looked at afterwards.
func TestAdoptLooksBack(t *testing.T) {
	o := audit.Object{Bucket: store.Agents, Key: "agt_a"}
	for name, edit := range map[string]func(tx *store.Tx, old []byte) error{
		"put back": func(tx *store.Tx, old []byte) error { return tx.Put(o.Bucket, []byte(o.Key), old) },
		"removed":  func(tx *store.Tx, _ []byte) error { return tx.Delete(o.Bucket, []byte(o.Key)) },
		"whole":    func(*store.Tx, []byte) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrail(t)
			tr.append(event(audit.AgentCreate, "", ""), change(o.Bucket, o.Key, `{"revoked":false}`))
			old := tr.get(o.Bucket, []byte(o.Key))
			tr.append(event(audit.AgentRevoke, "", ""), change(o.Bucket, o.Key, `{"revoked":true}`))
			whole := tr.get(o.Bucket, []byte(o.Key))
			tr.edit(func(tx *store.Tx) error { return edit(tx, old) })
			if err := tr.reopen(); err != nil {
				t.Fatal(err)
			}
			use := func(tx *store.Tx) error {
				_, err := tr.log.Check(tx, o, tx.Get(o.Bucket, []byte(o.Key)))
				return err
			}
			if err := tr.update(use); err != nil {
				t.Fatalf("before the check nothing is known yet: %v", err)
			}
			// The file is whole again when it is checked: only the use is left.
			if err := tr.update(func(tx *store.Tx) error { return tx.Put(o.Bucket, []byte(o.Key), whole) }); err != nil {
				t.Fatal(err)
			}
			var tampered *audit.TamperError
			if err := tr.log.Adopt(tr.verify().Ledger); errors.As(err, &tampered) != (name != "whole") {
				t.Errorf("looking back: %v", err)
			}
		})
	}
}
