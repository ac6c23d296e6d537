package away_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-secret-store/assd/vault/away"
)

// TestHangs: what hangs in the system holds nobody up, is not piled up, and is over
// when it is.
func TestHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a away.Attempts
		release := make(chan struct{})
		hang := func() error { <-release; return nil }
		began := time.Now()
		if err := a.Run(t.Context(), hang); err == nil || err.Error() != "it did not answer within 15 seconds" || time.Since(began) != away.Timeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		for range 3 {
			if err := a.Run(t.Context(), hang); err == nil || err.Error() != "an earlier attempt hangs in the system still" {
				t.Error(err)
			}
		}
		close(release)
		synctest.Wait()
		if err := a.Run(t.Context(), hang); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		again := make(chan struct{})
		time.AfterFunc(time.Second, cancel)
		if err := a.Run(ctx, func() error { <-again; return nil }); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(again)
	})
}
