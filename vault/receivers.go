package vault

import (
	"slices"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

// receivers is the record at vault/webhooks: who is told of what, as far as it decides
// what waits for whom. So events that are written before a configuration is read, or
// while no daemon runs, are told as well. Where they are sent, and what they are signed
// with, is the configuration's alone.
type receivers struct {
	List []receiver `json:"receivers"`
}

// receiver is one of them. Its URL may hold a token, so only the origin is kept.
type receiver struct {
	Name   string          `json:"name"`
	Origin string          `json:"origin"`
	Events []audit.Pattern `json:"events"`

	// Events that it was never told of: how many lately, when the last, and why.
	Lost    int       `json:"lost,omitempty"`
	LostAt  time.Time `json:"lost_at,omitzero"`
	LostWhy string    `json:"lost_why,omitempty"`
}

const receiversKey = "webhooks"

// LostShown is how long owners are told of events that a receiver did not get.
const LostShown = 7 * 24 * time.Hour

// receivers is that record; without one it is empty.
func (v *Vault) receivers(r store.Reader) (*receivers, error) {
	rec, err := load[receivers](v, r, store.Vault, receiversKey)
	if err == nil && rec == nil {
		rec = &receivers{}
	}
	return rec, err
}

// find is the receiver of that name, or nil.
func (rec *receivers) find(name string) *receiver {
	if rec == nil {
		return nil
	}
	i := slices.IndexFunc(rec.List, func(r receiver) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return &rec.List[i]
}

// lost is the change that keeps that events were not told to a receiver.
func (rec *receivers) lost(name string, n int, at time.Time, why string) audit.Change {
	next := &receivers{slices.Clone(rec.List)}
	r := next.find(name)
	if at.Sub(r.LostAt) > LostShown {
		r.Lost = 0
	}
	r.Lost, r.LostAt, r.LostWhy = r.Lost+n, at, why
	return put(store.Vault, receiversKey, next)
}

// asksFor reports whether r is told of a.
func (r receiver) asksFor(a audit.Action) bool {
	return slices.ContainsFunc(r.Events, func(p audit.Pattern) bool { return p.Matches(a) })
}

// is reports whether r is configured as other is.
func (r receiver) is(other receiver) bool {
	return r.Name == other.Name && r.Origin == other.Origin && slices.Equal(r.Events, other.Events)
}

// event is what the daemon does about r.
func (r receiver) event(action audit.Action, reason string) audit.Event {
	return audit.Event{
		Actor: daemonActor, Action: action, Outcome: audit.OK, Reason: reason,
		Subject: &audit.Subject{ID: r.Name, Name: r.Name},
	}
}

// configure makes want the receivers, with an event if they are others, and lets go of
// what waits for those that are no more, or beyond the share of each.
func (v *Vault) configure(tx *store.Tx, want []Webhook) error {
	old, err := v.receivers(tx)
	if err != nil {
		return err
	}
	next := &receivers{}
	for _, w := range want {
		r := receiver{Name: w.Name, Origin: w.To.URL.String(), Events: w.Events}
		if was := old.find(w.Name); was != nil {
			r.Lost, r.LostAt, r.LostWhy = was.Lost, was.LostAt, was.LostWhy
		}
		next.List = append(next.List, r)
	}
	if !slices.EqualFunc(old.List, next.List, receiver.is) {
		if err := v.replaceReceivers(tx, next); err != nil {
			return err
		}
	}
	return v.trimOutbox(tx, next)
}

func (v *Vault) replaceReceivers(tx *store.Tx, next *receivers) error {
	names := make([]string, len(next.List))
	for i, r := range next.List {
		names[i] = r.Name + " at " + r.Origin
	}
	change := put(store.Vault, receiversKey, next)
	if len(names) == 0 {
		change, names = remove(store.Vault, receiversKey), []string{"none"}
	}
	ev := audit.Event{Actor: daemonActor, Action: audit.WebhookConfigure, Outcome: audit.OK, Reason: strings.Join(names, ", ")}
	if _, err := v.log.Append(tx, ev, change); err != nil {
		return err
	}
	o := &v.outbox
	told, share := o.told, o.share
	o.ask(next)
	tx.OnUndo(func() { o.told, o.share = told, share })
	return nil
}

// trimOutbox removes what waits for nobody, and the newest beyond a share that has
// become smaller.
func (v *Vault) trimOutbox(tx *store.Tx, rec *receivers) error {
	for name, n := range v.outbox.waiting {
		r, keep, why := rec.find(name), v.outbox.share, "fewer are kept for each, as there are more of them"
		if r == nil {
			r, keep, why = &receiver{Name: name}, 0, "it is not configured any more"
		}
		if n <= keep {
			continue
		}
		seqs, err := v.waitingFor(tx, name)
		if err != nil {
			return err
		}
		for some := range slices.Chunk(seqs[min(keep, len(seqs)):], settleAtOnce) {
			if err := v.settle(tx, r.event(audit.WebhookFailed, "not told: "+why), name, some); err != nil {
				return err
			}
		}
	}
	return nil
}
