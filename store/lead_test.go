package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/store"
)

// The lead goes from one that waits to the next, also when those that it would
// go to are just giving up: nobody is left waiting, and what was promised stands.
func TestTheLeadIsNeverLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.db")
	db, err := store.Open(store.Config{Path: path, Queue: 64})
	if err != nil {
		t.Fatal(err)
	}
	var done, left, refused atomic.Int64
	var wg sync.WaitGroup
	for g := range 48 {
		wg.Go(func() {
			for i := range 60 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(g%6)*150*time.Microsecond+time.Hour*time.Duration(g%2))
				key := []byte(fmt.Sprintf("%d/%d", g, i))
				err := db.Update(ctx, func(tx *store.Tx) error { return tx.Put(store.Secrets, key, key) })
				cancel()
				switch {
				case err == nil:
					done.Add(1)
				case errors.Is(err, context.DeadlineExceeded):
					left.Add(1)
				case errors.Is(err, store.ErrBusy):
					refused.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	finished := make(chan bool, 1)
	go func() { wg.Wait(); finished <- true }()
	select {
	case <-finished:
	case <-time.After(60 * time.Second):
		t.Fatal("someone still waits")
	}
	if done.Load() == 0 || left.Load() == 0 {
		t.Fatalf("%d done, %d given up: this tests nothing", done.Load(), left.Load())
	}
	n := int64(0)
	if err := db.Chunks(store.Secrets, nil, 100, func(_, _ []byte) (bool, error) { n++; return true, nil }); err != nil {
		t.Fatal(err)
	}
	// One that gave up while its operation ran is told the result, so what is
	// there is exactly what was said to be done.
	if n != done.Load() {
		t.Errorf("%d are there, %d were said to be done (%d given up, %d refused)", n, done.Load(), left.Load(), refused.Load())
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
