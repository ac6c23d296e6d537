package vault

import (
	"sync"
	"time"

	"github.com/agent-secret-store/assd/vault/envelope"
)

// openKeys keeps the private half of the approval key while something is open that
// reads with it: an approved request, or a token made with the passphrase, each by
// its id. The last one that goes takes the key along; a restart takes them all.
type openKeys struct {
	mu    sync.Mutex
	key   *envelope.ApprovalKey
	until map[string]time.Time
}

// keep has the key for what id names, until then.
func (o *openKeys) keep(id string, key *envelope.ApprovalKey, until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.until == nil {
		o.until = map[string]time.Time{}
	}
	o.key, o.until[id] = key, until
}

// get is the key for what id names, nil when it is kept for that no more.
func (o *openKeys) get(id string, now time.Time) *envelope.ApprovalKey {
	o.mu.Lock()
	defer o.mu.Unlock()
	if until, ok := o.until[id]; ok && now.Before(until) {
		return o.key
	}
	return nil
}

func (o *openKeys) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.key == nil
}

func (o *openKeys) has(id string, now time.Time) bool { return o.get(id, now) != nil }

func (o *openKeys) drop(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.until, id)
	o.forget()
}

func (o *openKeys) dropAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.until = nil
	o.forget()
}

// tidy drops what is over, and what is not open any more.
func (o *openKeys) tidy(now time.Time, isOpen func(id string) bool) {
	for _, id := range o.ids() {
		if !o.has(id, now) || !isOpen(id) {
			o.drop(id)
		}
	}
}

func (o *openKeys) ids() (ids []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id := range o.until {
		ids = append(ids, id)
	}
	return ids
}

// forget lets go of the key once nothing needs it. The caller holds mu.
//
// BUG(vault): Tink keeps the key in memory of its own that cannot be cleared; it
// goes with the next garbage collection.
func (o *openKeys) forget() {
	if len(o.until) == 0 {
		o.key = nil
	}
}
