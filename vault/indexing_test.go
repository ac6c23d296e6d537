package vault_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
)

func init() {
	children["index"] = indexChild
	children["indexfull"] = indexFullChild
}

// indexChild opens a vault, which begins to index its trail, and waits to be killed.
func indexChild(dir string) error {
	v, err := vault.Open(vault.Config{Dir: dir})
	if err != nil {
		return err
	}
	fmt.Println("up")
	<-v.Dead()
	return v.Err()
}

// longHouse is a vault with three stretches of events and some.
func longHouse(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	h.fillTrail()
	return h
}

func (h *house) fillTrail() {
	h.t.Helper()
	var text strings.Builder
	for i := range 3300 {
		fmt.Fprintf(&text, "K%d=v\n", i)
	}
	h.mustImport(h.owner, text.String())
	h.mustPut(h.owner, "elsewhere/K", "v")
}

// forgetIndexes makes the file of the closed vault one from before there were indexes.
func (h *house) forgetIndexes() {
	h.t.Helper()
	h.edit(func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte("trail")) })
	h.tampered = false
}

// stretches is how many stretches are indexed in the file of the closed vault.
func (h *house) stretches() (n uint64) {
	h.t.Helper()
	h.inspect(func(tx *bolt.Tx) {
		if b := tx.Bucket([]byte("trail")); b != nil && b.Get([]byte("i")) != nil {
			n = binary.BigEndian.Uint64(b.Get([]byte("i")))
		}
	})
	return n
}

func (h *house) waitIndexed(want uint64) {
	h.t.Helper()
	var n uint64
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		var err error
		if n, err = h.v.Indexed(); err != nil {
			h.t.Fatal(err)
		}
		if n == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	h.t.Fatalf("%d stretches are indexed, want %d", n, want)
}

func (h *house) wantFound() {
	h.t.Helper()
	if got := h.trail(audit.Filter{Namespace: "app", Action: "secret.write"}); len(got) != 3300 {
		h.t.Errorf("%d writes in app/env, want 3300", len(got))
	}
	if got := h.trail(audit.Filter{Namespace: "elsewhere", Actor: "ADA", Action: "secret"}); len(got) != 1 {
		h.t.Errorf("%d events elsewhere, want 1", len(got))
	}
}

// TestTheTrailIsIndexed: as it grows, and at a start what an older assd left.
func TestTheTrailIsIndexed(t *testing.T) {
	h := longHouse(t)
	h.waitIndexed(3)
	h.wantFound()
	h.close()
	h.forgetIndexes()
	if rep := h.verify(); rep.Problem != "" {
		t.Fatalf("without indexes: %s", rep.Problem)
	}
	h.open()
	h.wantFound()
	h.waitIndexed(3)
	h.wantFound()
}

// TestKilledWhileIndexing: after a kill -9 at any moment the indexes are right as far
// as they go, and the next start goes on.
func TestKilledWhileIndexing(t *testing.T) {
	h := longHouse(t)
	h.close()
	some := map[uint64]bool{}
	for round := range 8 {
		if round%4 == 0 {
			h.forgetIndexes()
		}
		killedIndexing(t, h)
		if rep := h.verify(); rep.Problem != "" {
			t.Fatalf("killed with %d stretches: %d %s", h.stretches(), rep.FirstBad, rep.Problem)
		}
		some[h.stretches()] = true
	}
	t.Logf("killed with so many stretches indexed: %v", some)
	h.cfg.Now = time.Now
	h.open()
	h.waitIndexed(3)
	h.wantFound()
}

func killedIndexing(t *testing.T, h *house) {
	t.Helper()
	cmd := command(t, "index", h.cfg.Dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bufio.NewScanner(out).Scan() {
		t.Error("the child did not come up")
	}
	time.Sleep(rand.N(200 * time.Millisecond))
	cmd.Process.Kill() //nolint:errcheck // Wait tells
	cmd.Wait()         //nolint:errcheck // it was killed
}

// TestATamperedIndexEndsTheDaemon: the check of the chain finds it, and names where.
func TestATamperedIndexEndsTheDaemon(t *testing.T) {
	h := longHouse(t)
	h.waitIndexed(3)
	h.close()
	h.edit(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("trail"))
		var key []byte
		c := b.Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			if len(k) == 17 && k[7] == 1 {
				key = append(key[:0], k...)
			}
		}
		return b.Delete(key)
	})
	if rep := h.verify(); rep.FirstBad != 1025 || !strings.Contains(rep.Problem, "index of events 1025 to 2048") {
		t.Errorf("verify: %d %q", rep.FirstBad, rep.Problem)
	}
	h.open()
	select {
	case <-h.v.Dead():
	case <-time.After(time.Minute):
		t.Fatal("it goes on")
	}
	if err := h.v.Err(); err == nil || !strings.Contains(err.Error(), "index of events 1025 to 2048") {
		t.Errorf("it ended with %v", err)
	}
}

// TestNoSpaceForIndexes: without space for them the daemon goes on, and queries walk.
func TestNoSpaceForIndexes(t *testing.T) {
	if out, err := command(t, "indexfull", t.TempDir()).CombinedOutput(); err != nil {
		t.Errorf("child: %v\n%s", err, out)
	}
}

func indexFullChild(dir string) error {
	h := houseIn(inChild{}, filepath.Join(dir, "data"))
	h.claimIt()
	h.fillTrail()
	h.close()
	h.edit(func(tx *bolt.Tx) error {
		if err := tx.DeleteBucket([]byte("trail")); err != nil {
			return err
		}
		_, err := tx.CreateBucket([]byte("trail"))
		return err
	})
	h.tampered = false
	h.squeeze()
	var size int64
	h.inspect(func(tx *bolt.Tx) { size = tx.Size() })
	limitFiles(h.t, uint64(size))
	var logged bytes.Buffer
	var mu sync.Mutex
	h.cfg.Log = hclog.New(&hclog.LoggerOptions{Output: &logged, Mutex: &mu})
	said := func() int {
		mu.Lock()
		defer mu.Unlock()
		return strings.Count(logged.String(), "could not be indexed")
	}
	h.open()
	eventually(h.t, "it is said", func() bool { return said() > 0 })
	if n := said(); n != 1 {
		h.t.Errorf("it was said %d times", n)
	}
	h.wantFound()
	if err := h.v.Alive(); err != nil {
		h.t.Errorf("without space for indexes: %v", err)
	}
	h.close()
	limitFiles(h.t, noLimit)
	h.open()
	h.waitIndexed(3)
	h.wantFound()
	h.close()
	return nil
}

// squeeze leaves no free page in the file of the closed vault.
func (h *house) squeeze() {
	h.t.Helper()
	from, err := bolt.Open(h.file("vault.db"), 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		h.t.Fatal(err)
	}
	to, err := bolt.Open(h.file("squeezed"), 0o600, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := errors.Join(bolt.Compact(to, from, 0), to.Close(), from.Close(), os.Rename(h.file("squeezed"), h.file("vault.db"))); err != nil {
		h.t.Fatal(err)
	}
}
