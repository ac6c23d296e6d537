package vault

import (
	"sync"
	"time"
)

// activity remembers when each identity was last seen. It is rebuilt from the
// trail by the check of the chain after each start, so it is never written.
type activity struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

func (a *activity) touch(id string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen == nil {
		a.seen = map[string]time.Time{}
	}
	if at.After(a.seen[id]) {
		a.seen[id] = at.UTC()
	}
}

func (a *activity) adopt(seen map[string]time.Time) {
	for id, at := range seen {
		a.touch(id, at)
	}
}

// last is when id was last seen, or nil.
func (a *activity) last(id string) *time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at, ok := a.seen[id]; ok {
		return &at
	}
	return nil
}
