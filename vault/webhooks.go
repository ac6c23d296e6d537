package vault

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/webhook"
)

// MaxWebhooks is how many receivers there may be.
const MaxWebhooks = 10

// Webhook is a receiver that the operator has configured.
type Webhook struct {
	Name   string          // unique; events that wait for it are found by it
	Events []audit.Pattern // what it is told of
	To     webhook.Config
}

// same reports whether what is sent to w goes the way that it goes to other.
func (w Webhook) same(other Webhook) bool {
	return w.Name == other.Name && w.To.Same(other.To)
}

// webhooks are the receivers and the couriers that go to them.
type webhooks struct {
	mu      sync.Mutex // one change at a time
	want    []Webhook
	waiting bool            // what is wanted is not in force yet
	ctx     context.Context // of all couriers

	couriers atomic.Pointer[[]*courier]
}

// SetWebhooks makes list the receivers. What waits for one that is not among them is
// given up; one that goes elsewhere under the same name gets what waits. After an error
// nothing has changed, and it is tried again each minute.
func (v *Vault) SetWebhooks(ctx context.Context, list []Webhook) error {
	h := &v.hooks
	h.mu.Lock()
	defer h.mu.Unlock()
	h.want, h.waiting = slices.Clone(list), true
	return v.settleWebhooksLocked(ctx)
}

// settleWebhooks does what SetWebhooks could not do yet.
func (v *Vault) settleWebhooks(ctx context.Context) error {
	h := &v.hooks
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.waiting {
		return nil
	}
	return v.settleWebhooksLocked(ctx)
}

func (v *Vault) settleWebhooksLocked(ctx context.Context) error {
	h := &v.hooks
	if err := errors.Join(v.Err(), h.ctx.Err()); err != nil {
		return err
	}
	if err := v.db.Update(ctx, func(tx *store.Tx) error { return v.configure(tx, h.want) }); err != nil {
		return err
	}
	h.waiting = false
	var next []*courier
	for _, c := range v.couriers() {
		if slices.ContainsFunc(h.want, c.hook.same) {
			next = append(next, c)
		} else {
			c.end()
		}
	}
	for _, w := range h.want {
		if !slices.ContainsFunc(next, func(c *courier) bool { return c.hook.Name == w.Name }) {
			next = append(next, v.send(h.ctx, w))
		}
	}
	h.couriers.Store(&next)
	for _, c := range next { // what came while nobody woke it
		c.news()
	}
	return nil
}

// couriers are those that are under way.
func (v *Vault) couriers() []*courier {
	if all := v.hooks.couriers.Load(); all != nil {
		return *all
	}
	return nil
}

func (v *Vault) courier(name string) *courier {
	for _, c := range v.couriers() {
		if c.hook.Name == name {
			return c
		}
	}
	return nil
}
