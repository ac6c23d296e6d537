package vault

import (
	"sync"
	"time"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/envelope"
)

// openKeys keeps the private half of the approval key while something is open that
// reads with it: an approved request, or a token made with the passphrase, each by
// its id, and for just the secrets that the passphrase was given for. That is
// remembered here and taken from no record: whoever could forge those would open
// others with it. The last one that goes takes the key along; a restart takes all.
type openKeys struct {
	mu   sync.Mutex
	key  *envelope.ApprovalKey
	open map[string]opening
}

// opening is what one approval or token opens.
type opening struct {
	until   time.Time
	secrets map[string]string // by path: the secret's id; "": whichever is there
}

// keep has the key for what id names, until then, for these secrets.
func (o *openKeys) keep(id string, key *envelope.ApprovalKey, until time.Time, secrets map[string]string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open == nil {
		o.open = map[string]opening{}
	}
	o.key, o.open[id] = key, opening{until, secrets}
}

// get is the key for one secret that id opens, nil when it is kept for that no more.
func (o *openKeys) get(id string, now time.Time, p policy.Path, secretID string) *envelope.ApprovalKey {
	o.mu.Lock()
	defer o.mu.Unlock()
	is, ok := o.open[id]
	want, named := is.secrets[p.String()]
	if !ok || !now.Before(is.until) || !named || want != "" && want != secretID {
		return nil
	}
	return o.key
}

// has reports whether the key is kept for what id names.
func (o *openKeys) has(id string, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	is, ok := o.open[id]
	return ok && now.Before(is.until)
}

func (o *openKeys) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.key == nil
}

func (o *openKeys) drop(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.open, id)
	o.forget()
}

func (o *openKeys) dropAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open = nil
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
	for id := range o.open {
		ids = append(ids, id)
	}
	return ids
}

// forget lets go of the key once nothing needs it. The caller holds mu.
//
// BUG(vault): Tink keeps the key in memory of its own that cannot be cleared; it
// goes with the next garbage collection.
func (o *openKeys) forget() {
	if len(o.open) == 0 {
		o.key = nil
	}
}
