package vault_test

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault"
)

// Starts that race to create a vault: one does, and none writes over it.
func TestOneOfManyCreates(t *testing.T) {
	for range 15 {
		cfg := vault.Config{Dir: filepath.Join(t.TempDir(), "data")}
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			wg.Go(func() {
				v, err := vault.Create(cfg)
				if errs[i] = err; err == nil {
					errs[i] = v.Close() // and another gets the lock
				}
			})
		}
		wg.Wait()
		created := 0
		for _, err := range errs {
			switch {
			case err == nil:
				created++
			case !errors.Is(err, vault.ErrExists) && !errors.Is(err, store.ErrLocked):
				t.Errorf("a start that lost ends with: %v", err)
			}
		}
		if rep, err := vault.Verify(ctx, cfg); created != 1 || err != nil || rep.Problem != "" || rep.Events != 1 {
			t.Fatalf("%d created one; it verifies as %q, %v, with %d events", created, rep.Problem, err, rep.Events)
		}
	}
}
