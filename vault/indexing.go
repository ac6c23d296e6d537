package vault

import (
	"context"
	"errors"
	"time"

	"github.com/agent-secret-store/assd/audit"
)

// indexAgain is when the indexes are tried again after a fault, as on a full disk.
const indexAgain = time.Minute

// indexing is what wakes whoever keeps the indexes of the trail.
type indexing struct {
	stretches uint64 // complete ones; of whoever the store lets write
	wake      bell
}

func newIndexing() indexing { return indexing{wake: newBell()} }

// committed wakes it when a stretch has become complete.
func (x *indexing) committed(events uint64) {
	if n := audit.Stretches(events); n > x.stretches {
		x.stretches = n
		x.wake.ring()
	}
}

// indexTrail keeps the indexes up with the trail until ctx ends. Without them a query
// only takes longer, so a fault is told once and tried again; but what was changed
// under the daemon ends it.
func (v *Vault) indexTrail(ctx context.Context) {
	told := false
	for ctx.Err() == nil {
		more, err := v.log.Index(ctx, v.db)
		if _, tampered := errors.AsType[*audit.TamperError](err); tampered {
			v.die(err)
			return
		}
		if err != nil && !told && ctx.Err() == nil {
			v.cfg.Log.Warn("the audit trail could not be indexed; searching it takes longer until that succeeds", "error", err)
		}
		told = err != nil
		if !more {
			v.waitToIndex(ctx, err != nil)
		}
	}
}

// waitToIndex waits until there may be something to index.
func (v *Vault) waitToIndex(ctx context.Context, again bool) {
	wake, pause := v.indexing.wake, (<-chan time.Time)(nil)
	if again {
		wake, pause = nil, time.After(indexAgain)
	}
	select {
	case <-ctx.Done():
	case <-v.dead:
		<-ctx.Done()
	case <-wake:
	case <-pause:
	}
}
