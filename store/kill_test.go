package store_test

import (
	"bufio"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/agent-secret-store/assd/store"
)

func init() { children["acknowledge"] = acknowledgeChild }

// acknowledgeChild writes for ever, from 8 goroutines, and prints each key once
// its Update has returned.
func acknowledgeChild(dir string) error {
	db, err := store.Open(store.Config{Path: filepath.Join(dir, "vault.db")})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d-%d", g, i)
				if err := db.Update(ctx, put(key, "value of "+key)); err != nil {
					fmt.Println("!", err)
					return
				}
				fmt.Println(key)
			}
		})
	}
	wg.Wait()
	return db.Close()
}

// TestKilled: whatever was acknowledged is there after a kill -9.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []int{1, 50, 400} {
		acked := killAfter(t, dir, n)
		db := open(t, store.Config{Path: filepath.Join(dir, "vault.db")})
		for _, key := range acked {
			wantValue(t, db, key, "value of "+key)
		}
		close(t, db)
	}
}

// killAfter starts the child, kills it after n acknowledgements, and returns
// all that it got to print.
func killAfter(t *testing.T, dir string, n int) (acked []string) {
	t.Helper()
	cmd := command(t, "acknowledge", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		acked = append(acked, lines.Text())
		if len(acked) == n {
			cmd.Process.Kill() //nolint:errcheck // Wait tells
		}
	}
	if cmd.Wait() == nil || len(acked) < n {
		t.Fatalf("the child ended by itself: %q", acked)
	}
	return acked
}
